"""The warehouse on one machine: a DuckDB file, queried in the BigQuery dialect behind two walls.

The first wall is the statement itself: one SELECT over the warehouse's own tables with known functions (`selects`).
The second is DuckDB without files, network, extensions or settings, locked. Time, memory and rows are bounded.
"""

import base64
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import duckdb

from aegle.errors import BadMessage, StorageFull
from aegle.ports import Table
from aegle.records import AuditEvent, Label, Outcome
from aegle.rows import audit_row, label_row, outcome_row
from aegle.selects import as_duckdb, one_select

ROWS_MAX = 100_000
_LOCKED = {
    "enable_external_access": "false",
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "512MB",
    "threads": "2",
    "TimeZone": "UTC",
    "lock_configuration": "true",
}
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS label (
        event_id STRING NOT NULL PRIMARY KEY, arrived_at TIMESTAMP NOT NULL, made_at TIMESTAMP NOT NULL,
        site STRING NOT NULL, reader STRING NOT NULL, study_uid STRING NOT NULL, series_uid STRING NOT NULL,
        sop_uid STRING NOT NULL, subject STRING NOT NULL, code STRING NOT NULL, shape STRING NOT NULL,
        points_px ARRAY<STRUCT<column_px FLOAT64, row_px FLOAT64>>, label_id STRING NOT NULL,
        supersedes STRING NOT NULL, retracted BOOL NOT NULL)""",
    # Only a site's own event can replace one of its events.
    """CREATE OR REPLACE VIEW label_current AS
        SELECT * FROM label AS l WHERE NOT l.retracted AND NOT EXISTS (
            SELECT 1 FROM label AS later WHERE later.site = l.site AND later.supersedes = l.event_id)""",
    """CREATE TABLE IF NOT EXISTS prediction (
        request_id STRING NOT NULL PRIMARY KEY, finished_at TIMESTAMP NOT NULL, site STRING NOT NULL,
        study_uid STRING NOT NULL, bundle STRING NOT NULL, bundle_digest STRING NOT NULL, input_digest STRING NOT NULL,
        outcome STRING NOT NULL, code STRING, score FLOAT64, operating_point FLOAT64)""",
    """CREATE TABLE IF NOT EXISTS audit (
        happened_at TIMESTAMP NOT NULL, site STRING NOT NULL, act STRING NOT NULL, outcome STRING NOT NULL,
        principal STRING NOT NULL, subject STRING, chain STRING NOT NULL, number INT64 NOT NULL,
        PRIMARY KEY (chain, number))""",
)
TABLES = frozenset({"label", "label_current", "prediction"})
# Rows go in as one list a column: a statement a row took 2 ms a label.
_COLUMNS = {
    "label": (
        "event_id", "arrived_at", "made_at", "site", "reader", "study_uid", "series_uid", "sop_uid", "subject", "code",
        "shape", "points_px", "label_id", "supersedes", "retracted",
    ),
    "prediction": (
        "request_id", "finished_at", "site", "study_uid", "bundle", "bundle_digest", "input_digest", "outcome", "code",
        "score", "operating_point",
    ),
    "audit": ("happened_at", "site", "act", "outcome", "principal", "subject", "chain", "number"),
}  # fmt: skip
_TYPES = {
    "points_px": "STRUCT(column_px DOUBLE, row_px DOUBLE)[][]", "score": "DOUBLE[]", "operating_point": "DOUBLE[]",
    "number": "BIGINT[]", "retracted": "BOOLEAN[]", "arrived_at": "TIMESTAMPTZ[]", "made_at": "TIMESTAMPTZ[]",
    "finished_at": "TIMESTAMPTZ[]", "happened_at": "TIMESTAMPTZ[]",
}  # fmt: skip


class DuckWarehouse:
    """`ports.Warehouse` in one file. One process opens it, any of its threads may call."""

    def __init__(self, path: Path, *, seconds_max: float = 30.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._seconds_max = seconds_max
        self._database = duckdb.connect(str(path))
        for statement in _SCHEMA:
            self._database.execute(as_duckdb(statement))
        for name, value in _LOCKED.items():
            self._database.execute(f"SET GLOBAL {name} = '{value}'")
        self._writing = threading.Lock()

    def __enter__(self) -> "DuckWarehouse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write everything into the one file and let go of it."""
        self._database.close()

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

    def _add(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """One statement, flushed to disk at its end. Raises StorageFull."""
        if not rows:
            return
        columns = _COLUMNS[table]
        lists = ", ".join(f"unnest(?::{_TYPES.get(column, 'VARCHAR[]')})" for column in columns)
        values = [[row[column] for row in rows] for column in columns]
        with self._writing, self._database.cursor() as cursor:
            try:
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {lists} ON CONFLICT DO NOTHING", values
                )
            except duckdb.IOException as error:
                raise StorageFull("the warehouse cannot write its file") from error

    def query(self, sql: str, limit: int = 10_000) -> Table:
        """See `ports.Warehouse.query`; `limit` is cut to `ROWS_MAX`."""
        limit = max(0, min(limit, ROWS_MAX))
        statement = one_select(sql, TABLES, rows_max=limit + 1)
        with self._database.cursor() as cursor:
            try:
                with self._in_time(cursor):
                    cursor.execute(statement)
                    rows = cursor.fetchall()
            except duckdb.InterruptException:
                raise BadMessage(f"the query took longer than {self._seconds_max:.0f} s") from None
            except duckdb.Error as error:
                raise BadMessage(str(error)) from None
            columns = tuple(str(item[0]) for item in cursor.description or ())
        return Table(
            columns=columns,
            rows=tuple(tuple(_plain(value) for value in row) for row in rows[:limit]),
            truncated=len(rows) > limit,
        )

    @contextmanager
    def _in_time(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        timer = threading.Timer(self._seconds_max, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return [_plain(item) for item in value]
