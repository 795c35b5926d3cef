"""Records as rows of the warehouse: column -> value, the same in every implementation of the port."""

from datetime import datetime
from typing import Any

from aegle.records import AuditEvent, Failure, Label, Outcome, Prediction


def label_row(label: Label, arrived_at: datetime) -> dict[str, Any]:
    """One label event."""
    return {
        "event_id": label.event_id, "arrived_at": arrived_at, "made_at": label.made_at, "site": label.site,
        "reader": label.reader, "study_uid": label.study_uid, "series_uid": label.series_uid, "sop_uid": label.sop_uid,
        "subject": label.subject.value, "code": label.code, "shape": label.shape,
        "points_px": [{"column_px": column, "row_px": row} for column, row in label.points_px],
        "label_id": label.label_id, "supersedes": label.supersedes, "retracted": label.retracted,
    }  # fmt: skip


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    """What came of one request. A failure has no model; only a prediction has a finding, a score and its threshold."""
    bundle = None if isinstance(outcome, Failure) else outcome.bundle
    found = outcome if isinstance(outcome, Prediction) else None
    return {
        "request_id": outcome.request_id, "finished_at": outcome.decided_at, "site": outcome.site,
        "study_uid": outcome.study_uid, "bundle": f"{bundle.name} {bundle.version}" if bundle else "",
        "bundle_digest": bundle.digest if bundle else "", "input_digest": outcome.input_digest,
        "outcome": type(outcome).__name__.lower(), "code": _code(outcome),
        "score": found.score if found else None,
        "operating_point": found.operating_point.threshold if found else None,
    }  # fmt: skip


def audit_row(chain: str, number: int, event: AuditEvent) -> dict[str, Any]:
    """One act, by its place in its chain."""
    return {
        "happened_at": event.happened_at, "site": event.site, "act": event.act, "outcome": event.outcome.value,
        "principal": event.principal, "subject": event.subject or None, "chain": chain, "number": number,
    }  # fmt: skip


def _code(outcome: Outcome) -> str:
    """The finding, the reason of a rejection, or the code of a failure."""
    match outcome:
        case Prediction():
            return outcome.finding
        case Failure():
            return outcome.code
        case _:
            return outcome.reason.value
