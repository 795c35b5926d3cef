"""The vault: a site's encrypted map from every alias and UID it emitted back to the original.

SQLite (WAL, synchronous=FULL), one process. Originals are AES-256-GCM under the vault's own key, which is neither the
pseudonym secret nor ever in the same backup; each value is bound to its row's kind and alias, so that values moved
between rows do not open. Aliases, keyed digests and the UIDs of our own results stand in clear.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegle.deid.outcome import Deidentified, Identity
from aegle.deid.seals import Seals
from aegle.errors import Conflict, NotFound, StorageFull, Unreadable
from aegle.references import InstanceRef

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seal (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uid (alias TEXT PRIMARY KEY, original BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS study (
    alias TEXT PRIMARY KEY, patient_alias TEXT NOT NULL, identity BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instance (
    sop_alias TEXT PRIMARY KEY, study_alias TEXT NOT NULL, series_alias TEXT NOT NULL, sop_class TEXT NOT NULL,
    source_digest TEXT NOT NULL, archived_digest TEXT, profile_digest TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS instance_source ON instance (source_digest);
CREATE TABLE IF NOT EXISTS result (sop_uid TEXT PRIMARY KEY, alias_sop_uid TEXT NOT NULL) WITHOUT ROWID;
"""
_SELECT_ADMISSION = (
    "SELECT study_alias, series_alias, sop_alias, sop_class, source_digest, archived_digest FROM instance WHERE"
)
_KEEP_STUDY = "INSERT OR IGNORE INTO study VALUES (?, ?, ?)"
_REPLACE_STUDY = "INSERT OR REPLACE INTO study VALUES (?, ?, ?)"
SEAL_TEXT = b"aegle vault 1"


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What the vault knows of an instance that was admitted before."""

    alias: InstanceRef
    source_digest: str  #: keyed digest of the source's bytes
    archived_digest: str | None  #: SHA-256 of the file in the archive


@dataclass(kw_only=True, eq=False)
class _Recording:
    """One instance on its way into the vault."""

    done: Deidentified
    source_digest: str
    archived_digest: str | None
    replace: bool
    failure: Exception | None = None
    settled: bool = False


class Vault:
    """One site's vault. Safe to share between the threads of its one process."""

    def __init__(self, path: Path, key: bytes, *older: bytes) -> None:
        """Open or make the vault; what `older` keys sealed is still read. Raises BadConfig for a key of the wrong length,
        Unreadable when none of them opens it."""
        self._seals = Seals(key, *older)
        self._lock = threading.RLock()
        self._waiting: deque[_Recording] = deque()
        self.commits = 0  #: transactions of `record` so far
        self._reading = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)  # waits for no commit
        try:
            self._prepare()
        except BaseException:
            self._close()
            raise

    def record(
        self, done: Deidentified, source_digest: str, archived_digest: str | None, *, replace: bool = False
    ) -> None:
        """Keep everything of one instance, durable when this returns. Idempotent; a later archived digest is added.

        Raises Conflict when the study is known under another patient, or the instance with other source bytes, unless
        a person decided that this one replaces it.
        """
        recording = _Recording(done=done, source_digest=source_digest, archived_digest=archived_digest, replace=replace)
        self._waiting.append(recording)
        with self._lock:  # whoever comes in commits for all that wait: several instances, one fsync
            if not recording.settled:
                self._commit_waiting(recording)
        if recording.failure is not None:
            raise recording.failure

    def _commit_waiting(self, ours: _Recording) -> None:
        batch = [ours]
        while self._waiting:
            other = self._waiting.popleft()
            batch += [other] if other is not ours else []
        try:
            with self._transaction():
                for recording in batch:
                    self._write(recording)
            self.commits += 1
        except Exception as failure:  # noqa: BLE001 - each thread that waits for this commit raises it
            for recording in batch:
                recording.failure = failure
        for recording in batch:
            recording.settled = True

    def _write(self, recording: _Recording) -> None:
        """Into the open transaction; a conflict undoes this instance alone."""
        self._db.execute("SAVEPOINT instance")
        try:
            self._keep(recording)
        except Conflict as conflict:
            recording.failure = conflict
            self._db.execute("ROLLBACK TO instance")
        self._db.execute("RELEASE instance")

    def _keep(self, recording: _Recording) -> None:
        done, replace = recording.done, recording.replace
        if not replace:
            self._require_same(done, recording.source_digest)
        self._db.executemany(
            "INSERT OR IGNORE INTO uid VALUES (?, ?)",
            [(alias, self._seals.seal("uid", alias, original.encode())) for alias, original in done.uids.items()],
        )
        identity = self._seals.seal("study", done.alias.study_uid, done.identity.to_json())
        self._db.execute(
            _REPLACE_STUDY if replace else _KEEP_STUDY,
            (done.alias.study_uid, done.patient_alias, identity),
        )
        self._keep_instance(done, recording.source_digest, recording.archived_digest)

    def admission(self, sop_alias: str) -> Admission | None:
        """What is known of the instance with this alias (`Pseudonyms.uid` of the source's SOP Instance UID)."""
        return _admission(self._one(f"{_SELECT_ADMISSION} sop_alias = ?", sop_alias))

    def admission_of_source(self, source_digest: str) -> Admission | None:
        """The instance made from exactly these source bytes: a repeat, recognised without reading the object."""
        return _admission(self._one(f"{_SELECT_ADMISSION} source_digest = ?", source_digest))

    def original_uid(self, alias: str) -> str:
        """The UID behind an alias. Raises NotFound, Unreadable."""
        row = self._one("SELECT original FROM uid WHERE alias = ?", alias)
        if row is None:
            raise NotFound("the vault does not know this UID")
        return self._seals.open("uid", alias, row[0]).decode()

    def identity(self, study_alias: str) -> Identity:
        """The patient and study attributes of the first instance of this study. Raises NotFound, Unreadable."""
        row = self._one("SELECT identity FROM study WHERE alias = ?", study_alias)
        if row is None:
            raise NotFound("the vault does not know this study")
        return Identity.from_json(self._seals.open("study", study_alias, row[0]))

    def patient_alias(self, study_alias: str) -> str:
        """The alias of the study's patient. Raises NotFound."""
        row = self._one("SELECT patient_alias FROM study WHERE alias = ?", study_alias)
        if row is None:
            raise NotFound("the vault does not know this study")
        return str(row[0])

    def studies_of(self, patient_alias: str) -> list[str]:
        """The aliases of a patient's studies, in ascending order."""
        with self._reading:
            rows = self._reader.execute(
                "SELECT alias FROM study WHERE patient_alias = ? ORDER BY alias", (patient_alias,)
            )
            return [str(row[0]) for row in rows]

    def remember_result(self, sop_uid: str, alias_sop_uid: str = "") -> None:
        """Note a result of ours by the UID under which it leaves for the PACS. Durable, idempotent."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO result VALUES (?, ?)", (sop_uid, alias_sop_uid))

    def is_own_result(self, sop_uid: str) -> bool:
        """Whether an object with this SOP Instance UID is a result of ours that a PACS routed back."""
        return self._one("SELECT 1 FROM result WHERE sop_uid = ?", sop_uid) is not None

    def close(self) -> None:
        """Close the file; the vault is not used afterwards."""
        with self._lock, self._reading:
            self._close()

    def _close(self) -> None:
        self._reader.close()
        self._db.close()

    def _prepare(self) -> None:
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            raise Unreadable("the vault's file is not a vault") from None
        with self._transaction():
            row = self._written("SELECT value FROM seal WHERE name = ?", "seal")
            if row is None:
                self._db.execute("INSERT INTO seal VALUES (?, ?)", ("seal", self._seals.seal("seal", "", SEAL_TEXT)))
            else:
                self._seals.open("seal", "", row[0])

    def _require_same(self, done: Deidentified, source_digest: str) -> None:
        study = self._written("SELECT patient_alias FROM study WHERE alias = ?", done.alias.study_uid)
        if study is not None and study[0] != done.patient_alias:
            raise Conflict("this study was admitted under another patient; settle it in the PACS first")
        known = _admission(self._written(f"{_SELECT_ADMISSION} sop_alias = ?", done.alias.sop_uid))
        if known is not None and known.source_digest != source_digest:
            raise Conflict("this instance was admitted with other content; decide whether to replace it")

    def _keep_instance(self, done: Deidentified, source_digest: str, archived_digest: str | None) -> None:
        ref, profile = done.alias, done.profile_digest
        self._db.execute(
            "INSERT INTO instance VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sop_alias)"
            " DO UPDATE SET archived_digest = coalesce(excluded.archived_digest, archived_digest),"
            " source_digest = excluded.source_digest, profile_digest = excluded.profile_digest",
            (*(ref.sop_uid, ref.study_uid, ref.series_uid), ref.sop_class, source_digest, archived_digest, profile),
        )

    def _one(self, sql: str, value: str) -> tuple[Any, ...] | None:
        """A row as of the last commit."""
        with self._reading:
            row: tuple[Any, ...] | None = self._reader.execute(sql, (value,)).fetchone()
        return row

    def _written(self, sql: str, value: str) -> tuple[Any, ...] | None:
        """A row as the transaction under way has it, for who holds the lock."""
        row: tuple[Any, ...] | None = self._db.execute(sql, (value,)).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._rollback()
                raise StorageFull(f"the vault could not be written: {error.sqlite_errorname}") from None
            except BaseException:
                self._rollback()
                raise

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _admission(row: tuple[Any, ...] | None) -> Admission | None:
    if row is None:
        return None
    study, series, sop, sop_class, source, archived = row
    alias = InstanceRef(study_uid=study, series_uid=series, sop_uid=sop, sop_class=sop_class)
    return Admission(alias=alias, source_digest=source, archived_digest=archived)
