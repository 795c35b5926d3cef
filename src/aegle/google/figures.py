"""Figures of the hub in Cloud Monitoring, which the autoscaler of its workers goes by.

https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/create
"""

from datetime import UTC, datetime

from aegle.errors import AegleError, BadMessage, Conflict, Overloaded, PeerUnreachable
from aegle.google.services import address
from aegle.google.session import Session

QUEUE_DEPTH = "custom.googleapis.com/aegle/queue_depth"


class Figures:
    """Writes the present value of a figure. Several hubs may write the same one."""

    def __init__(self, session: Session, project: str, endpoint: str | None = None) -> None:
        self._session, self._project = session, project
        self._url = address("monitoring", f"v3/projects/{project}/timeSeries", endpoint)

    def write(self, kind: str, value: int) -> bool:
        """Whether it was taken. Google refuses a point that comes within seconds of another hub's: the other one counts.

        Raises what else the session does."""
        point = {"interval": {"endTime": datetime.now(UTC).isoformat()}, "value": {"int64Value": str(value)}}
        series = {
            "metric": {"type": kind}, "resource": {"type": "global", "labels": {"project_id": self._project}},
            "metricKind": "GAUGE", "valueType": "INT64", "points": [point],
        }  # fmt: skip
        try:
            self._session.call("POST", self._url, {"timeSeries": [series]})
        except (BadMessage, Conflict, Overloaded, PeerUnreachable) as refused:
            return _another_was_first(refused)
        return True


def _another_was_first(refused: AegleError) -> bool:
    if "frequent" in str(refused) or "order" in str(refused):
        return False
    raise refused
