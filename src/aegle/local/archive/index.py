"""The archive's index: one SQLite database, one writer, any number of readers in this process."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from aegle.dicom.describe import Description
from aegle.dicom.frames import FrameTable
from aegle.errors import NotFound
from aegle.records import StoredInstance

_SCHEMA = """
CREATE TABLE IF NOT EXISTS instance (
    sop_uid TEXT PRIMARY KEY, study_uid TEXT NOT NULL, series_uid TEXT NOT NULL, sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL, size_bytes INTEGER NOT NULL, digest TEXT NOT NULL, modality TEXT NOT NULL,
    frames INTEGER NOT NULL, rows INTEGER NOT NULL, columns INTEGER NOT NULL,
    metadata BLOB NOT NULL, frame_table BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS instance_of_study ON instance (study_uid, series_uid, sop_uid);
PRAGMA user_version = 1;
"""
_FIELDS = (
    "study_uid, series_uid, sop_uid, sop_class, transfer_syntax, size_bytes, digest, modality, frames, rows, columns"
)


class Index:
    """What the archive holds. `add` is durable on return and seen by every read after it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._connection().executescript(_SCHEMA)

    def add(self, stored: StoredInstance, description: Description) -> None:
        """Index one instance; a second time changes nothing."""
        self._write("INSERT OR IGNORE", stored, description)

    def _write(self, verb: str, stored: StoredInstance, description: Description) -> None:
        table = description.table.to_bytes() if description.table else None
        values = [getattr(stored, name) for name in _FIELDS.split(", ")]
        with self._writing:
            self._connection().execute(
                f"{verb} INTO instance ({_FIELDS}, metadata, frame_table) VALUES ({'?, ' * 12}?)",
                [*values, description.metadata, table],
            )

    def replace(self, stored: StoredInstance, description: Description) -> None:
        """Index one instance in place of what was known of it; durable."""
        self._write("INSERT OR REPLACE", stored, description)

    def find(self, sop_uid: str) -> StoredInstance | None:
        """One instance, None when unknown."""
        found = self._select("sop_uid = ?", sop_uid)
        return found[0] if found else None

    def all(self) -> Sequence[StoredInstance]:
        """Every instance, ordered by SOP Instance UID."""
        return self._select("1 ORDER BY sop_uid")

    def of_study(self, study_uid: str) -> Sequence[StoredInstance]:
        """The study's instances, ordered by series and SOP Instance UID."""
        return self._select("study_uid = ? ORDER BY series_uid, sop_uid", study_uid)

    def studies(self, limit: int, after: str) -> Sequence[str]:
        """Study UIDs in ascending order, greater than `after`."""
        rows = self._connection().execute(
            "SELECT DISTINCT study_uid FROM instance WHERE study_uid > ? ORDER BY study_uid LIMIT ?", (after, limit)
        )
        return [row[0] for row in rows]

    def metadata(self, sop_uid: str) -> bytes:
        """DICOM JSON of one instance, UTF-8. Raises NotFound."""
        return bytes(self._column("metadata", sop_uid))

    def frame_table(self, sop_uid: str) -> FrameTable:
        """Where the frames lie. Raises NotFound, also for an object without addressable frames."""
        return FrameTable.from_bytes(self._column("frame_table", sop_uid))

    def close(self) -> None:
        """Close every connection of this process."""
        for connection in self._open:
            connection.close()

    def _column(self, name: str, sop_uid: str) -> bytes:
        row = self._connection().execute(f"SELECT {name} FROM instance WHERE sop_uid = ?", (sop_uid,)).fetchone()
        if row is None or row[0] is None:
            raise NotFound("the archive does not hold this for that instance")
        value: bytes = row[0]
        return value

    def _select(self, condition: str, *values: str) -> list[StoredInstance]:
        rows = self._connection().execute(f"SELECT {_FIELDS} FROM instance WHERE {condition}", values)
        return [StoredInstance(**dict(zip(_FIELDS.split(", "), row, strict=True))) for row in rows]

    def _connection(self) -> sqlite3.Connection:
        """One connection a thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
            self._open.append(connection)
        return connection
