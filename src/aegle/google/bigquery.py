"""The Warehouse port on BigQuery, by `jobs.query` alone (https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query).

Rows go in by one MERGE a batch, which is done when it answers and takes no row twice; streaming inserts would promise
neither. Questions pass the same wall as on one machine (`selects`), and are bounded in time, rows and bytes read.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aegle.errors import BadMessage, Unavailable
from aegle.google.cells import plain, rows_parameter
from aegle.google.remembered import Remembered
from aegle.google.services import address
from aegle.google.session import Session
from aegle.ports import Table
from aegle.provision import blueprint
from aegle.records import AuditEvent, Label, Outcome
from aegle.rows import audit_row, label_row, outcome_row
from aegle.selects import one_select

ROWS_MAX = 100_000
BYTES_MAX = 100 << 30  #: that one question may read; half a dollar by the list prices of 2026
KEYS: Mapping[str, tuple[str, ...]] = {
    "label": ("event_id",), "prediction": ("request_id",), "audit": ("chain", "number")
}  # fmt: skip
"""By what a row is known, for each table."""

_READ = frozenset({"label", "label_current", "prediction"})
_WAIT_MS = 10_000  #: that one call waits for a job


class BigQuery:
    """`ports.Warehouse` on a data set that the blueprint made. Safe to share between threads and between hubs."""

    def __init__(
        self,
        session: Session,
        project: str,
        region: str,
        dataset: str,
        endpoint: str | None = None,
        *,
        seconds_max: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._region, self._dataset = session, region, dataset
        self._seconds_max, self._clock = seconds_max, clock
        self._remembered = Remembered(clock)
        self._project, self._url = project, address("bigquery", f"bigquery/v2/projects/{project}", endpoint)
        self._columns = {
            name: table["columns"]
            for name, table in json.loads(blueprint.data("modules/warehouse/tables.json")).items()
        }

    def add_labels(self, labels: Sequence[Label]) -> None:
        """See `ports.Warehouse`."""
        arrived_at = datetime.now(UTC)
        self._add("label", [label_row(label, arrived_at) for label in labels])

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """See `ports.Warehouse`."""
        self._add("prediction", [outcome_row(outcome) for outcome in outcomes])

    def add_audit(self, chain: str, first: int, events: Sequence[AuditEvent]) -> None:
        """See `ports.Warehouse`."""
        self._add("audit", [audit_row(chain, number, event) for number, event in enumerate(events, first)])

    def query(self, sql: str, limit: int = 10_000) -> Table:
        """See `ports.Warehouse.query`; `limit` is cut to `ROWS_MAX`. The same question within a minute has the same answer,
        unless this warehouse wrote rows since."""
        limit = max(0, min(limit, ROWS_MAX))
        places = {"label_current": f"{self._dataset}_read"}
        statement = one_select(sql, _READ, rows_max=limit + 1, dialect="bigquery", data_sets=places)
        mark = self._remembered.mark()
        if (known := self._remembered.get(f"{limit} {statement}")) is not None:
            return known
        bounds = {"maxResults": min(limit + 1, 10_000), "maximumBytesBilled": str(BYTES_MAX)}
        answer = self._run(statement, bounds)
        fields, rows = answer["schema"]["fields"], list(answer.get("rows", ()))
        while token := answer.get("pageToken"):
            answer = self._results(answer["jobReference"]["jobId"], token)
            rows += answer.get("rows", ())
        table = Table(
            columns=tuple(field["name"] for field in fields),
            rows=tuple(tuple(_cells(fields, row)) for row in rows[:limit]),
            truncated=len(rows) > limit,
        )
        self._remembered.put(f"{limit} {statement}", table, mark)
        return table

    def _add(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """One MERGE; it is durable when it answers. Rows that are known by their key, or come twice, change nothing."""
        if not rows:
            return
        keys, columns = KEYS[table], self._columns[table]
        once = {tuple(row[key] for key in keys): row for row in reversed(rows)}
        names = ", ".join(column["name"] for column in columns)
        fresh = ", ".join(f"fresh.{column['name']}" for column in columns)
        same = " AND ".join(f"held.{key} = fresh.{key}" for key in keys)
        statement = (
            f"MERGE {table} AS held USING UNNEST(@rows) AS fresh ON {same} "
            f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({fresh})"
        )
        parameter = rows_parameter("rows", columns, list(once.values()))
        try:
            self._run(statement, {"parameterMode": "NAMED", "queryParameters": [parameter]})
        finally:  # a call that broke off may have written
            self._remembered.forget()

    def _run(self, statement: str, more: Mapping[str, Any]) -> dict[str, Any]:
        """The first page of a job that is done. Raises BadMessage for one that fails or takes too long."""
        body = {
            "query": statement, "useLegacySql": False, "location": self._region, "timeoutMs": _WAIT_MS,
            "defaultDataset": {"projectId": self._project, "datasetId": self._dataset},
            "formatOptions": {"useInt64Timestamp": True}, "requestId": str(uuid.uuid4()), **more,
        }  # fmt: skip
        deadline = self._clock() + self._seconds_max
        answer = self._session.call("POST", f"{self._url}/queries", body)
        while not answer.get("jobComplete"):
            job = answer["jobReference"]["jobId"]
            if self._clock() > deadline:
                self._session.call("POST", f"{self._url}/jobs/{job}/cancel?location={self._region}")
                raise self._too_long(statement)
            answer = self._results(job)
        return answer

    def _too_long(self, statement: str) -> BadMessage | Unavailable:
        """A question may be made smaller; rows that wait go in later."""
        told = f"took longer than {self._seconds_max:.0f} s"
        return (
            Unavailable(f"the warehouse {told}") if statement.startswith("MERGE") else BadMessage(f"the query {told}")
        )

    def _results(self, job: str, token: str = "") -> dict[str, Any]:
        page = f"&pageToken={token}" if token else ""
        place = f"{self._url}/queries/{job}?location={self._region}&timeoutMs={_WAIT_MS}"
        return self._session.call("GET", f"{place}&formatOptions.useInt64Timestamp=true{page}")


def _cells(fields: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> list[Any]:
    return [plain(field, cell["v"]) for field, cell in zip(fields, row["f"], strict=True)]
