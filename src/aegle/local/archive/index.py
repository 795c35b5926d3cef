"""The archive's index: one SQLite database, one writer, any number of readers in this process.

Whoever writes while another commits waits, and then commits for all who wait with it: one fsync for all of them.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from aegle import durable
from aegle.dicom.describe import Description
from aegle.dicom.frames import FrameTable
from aegle.errors import NotFound
from aegle.local.archive import schema
from aegle.local.archive.known import MOST, Known
from aegle.local.archive.search import search
from aegle.records import Found, Query, StoredInstance

_FIELDS = (
    "study_uid, series_uid, sop_uid, sop_class, transfer_syntax, size_bytes, digest, modality, frames, rows, columns"
)


class Entry:
    """One instance as it goes into the index, made ready by whoever brings it, before its turn to write."""

    def __init__(
        self,
        stored: StoredInstance,
        description: Description,
        *,
        instead: bool = False,
        folder: Path | None = None,
        is_series_known: bool = False,
    ) -> None:
        """`instead` puts it in place of what was known of it. The entries of `folder`, where its file was moved to, are forced
        to the disk before: once for all who wait together. Of a series that is known, what it says is not made ready."""
        row = {name: getattr(stored, name) for name in _FIELDS.split(", ")}
        row["metadata"] = description.metadata
        row["frame_table"] = description.table.to_bytes() if description.table else None
        self.instead, self.folder, self.sop_uid = instead, folder, stored.sop_uid
        self.series = (stored.study_uid, stored.series_uid)
        self._above = partial(schema.rows_above, row, description.header)
        self._made_above = None if is_series_known else self._above()
        self._own = schema.row_of(row, description.header)

    def write(self, connection: sqlite3.Connection, *, is_series_known: bool) -> None:
        """Into the open transaction; `is_series_known` as of now, which may be another answer than before."""
        if self.instead:
            connection.execute("DELETE FROM instance WHERE sop_uid = ?", (self.sop_uid,))
        if self.instead or not is_series_known:
            schema.insert(connection, self._made_above or self._above())
        schema.insert(connection, self._own)


class Index:
    """What the archive holds. `add` is durable on return and seen by every read after it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._together = durable.Together(self._commit)
        self._open: list[sqlite3.Connection] = []
        self._free: list[sqlite3.Connection] = []
        self._known = Known()
        self._series: set[tuple[str, str]] = set()  #: some of those that are in the tables
        self._writer = self._connect()
        schema.prepare(self._writer)

    def add(self, entry: Entry) -> None:
        """Index one instance; a second time changes nothing."""
        self._together.add(entry)

    def knows_series(self, study_uid: str, series_uid: str) -> bool:
        """Whether the series is known to be in the tables just now, without asking them."""
        return (study_uid, series_uid) in self._series

    def add_all(self, several: Iterable[tuple[StoredInstance, Description]]) -> None:
        """Index several in one commit: all of them, or none. Takes 64 MB more memory from the first call on."""
        with self._writing:
            self._writer.execute("PRAGMA cache_size = -65536")
            self._write([Entry(stored, description) for stored, description in several])

    def remove(self, sop_uid: str) -> None:
        """Forget one instance; durable. An unknown one changes nothing."""
        with self._writing:
            self._writer.execute("DELETE FROM instance WHERE sop_uid = ?", (sop_uid,))
            self._known.forget(sop_uid)
            self._series.clear()  # that may have been the last of its series

    def _commit(self, entries: Sequence[Entry]) -> None:
        for folder in {entry.folder for entry in entries if entry.folder}:
            durable.sync_folder(folder)
        with self._writing:
            self._write(entries)

    def _write(self, entries: Sequence[Entry]) -> None:
        """In one transaction; all of them, or none."""
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                entry.write(connection, is_series_known=entry.series in self._series)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if len(self._series) > MOST or any(entry.instead for entry in entries):
            self._series.clear()
        for entry in entries:
            if entry.instead:
                self._known.forget(entry.sop_uid)
            else:
                self._series.add(entry.series)

    def search(self, query: Query) -> Sequence[Found]:
        """What matches, in the order of the query. Raises TooLarge for a search that takes too much work."""
        with self._reader() as connection:
            return search(connection, query)

    def find(self, sop_uid: str) -> StoredInstance | None:
        """One instance, None when unknown."""
        known = self._known.get(sop_uid)
        if known is not None:
            return known
        changes = self._known.changes
        found = self._select("sop_uid = ?", sop_uid)
        if not found:
            return None
        self._known.keep(found[0], changes)
        return found[0]

    def all(self) -> Sequence[StoredInstance]:
        """Every instance, ordered by SOP Instance UID."""
        return self._select("1 ORDER BY sop_uid")

    def of_study(self, study_uid: str) -> Sequence[StoredInstance]:
        """The study's instances, ordered by series and SOP Instance UID."""
        return self._select("study_uid = ? ORDER BY series_uid, sop_uid", study_uid)

    def studies(self, limit: int, after: str) -> Sequence[str]:
        """Study UIDs in ascending order, greater than `after`."""
        wanted = "SELECT DISTINCT study_uid FROM instance WHERE study_uid > ? ORDER BY study_uid LIMIT ?"
        with self._reader() as connection:
            return [row[0] for row in connection.execute(wanted, (after, limit))]

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
        with self._reader() as connection:
            row = connection.execute(f"SELECT {name} FROM instance WHERE sop_uid = ?", (sop_uid,)).fetchone()
        if row is None or row[0] is None:
            raise NotFound("the archive does not hold this for that instance")
        value: bytes = row[0]
        return value

    def _select(self, condition: str, *values: str) -> list[StoredInstance]:
        with self._reader() as connection:
            rows = connection.execute(f"SELECT {_FIELDS} FROM instance WHERE {condition}", values).fetchall()
        return [StoredInstance(**dict(zip(_FIELDS.split(", "), row, strict=True))) for row in rows]

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """A connection of the caller's own meanwhile: threads come and go, connections stay, with what they prepared."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._free.append(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        self._open.append(connection)
        return connection
