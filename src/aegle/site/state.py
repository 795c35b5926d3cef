"""What a site remembers of its studies, requests and results: one SQLite database, aliases only, durable at each step."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from aegle import api, durable
from aegle.errors import NotFound
from aegle.records import Failure, Outcome

_MICROSECOND = 1e-6  #: as exact as a time is kept

_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (
    study_uid TEXT PRIMARY KEY, first_at REAL NOT NULL, last_at REAL NOT NULL,
    fresh INTEGER NOT NULL,          -- 1 while something came in since the study was last found complete
    input_digest TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS request (
    key TEXT PRIMARY KEY, study_uid TEXT NOT NULL, input_digest TEXT NOT NULL, state TEXT NOT NULL,
    request_id TEXT NOT NULL DEFAULT '', grant_until REAL NOT NULL DEFAULT 0, made_at REAL NOT NULL,
    outcome BLOB
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS request_by_id ON request (request_id) WHERE request_id <> '';
CREATE INDEX IF NOT EXISTS request_of_study ON request (study_uid, made_at);
CREATE TABLE IF NOT EXISTS result (
    sop_uid TEXT PRIMARY KEY, key TEXT NOT NULL REFERENCES request (key), study_uid TEXT NOT NULL, kind TEXT NOT NULL,
    file TEXT NOT NULL, sent_at REAL, tries INTEGER NOT NULL DEFAULT 0, next_try_at REAL NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS step (
    study_uid TEXT NOT NULL, step TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (study_uid, step)
) STRICT;
PRAGMA user_version = 1;
"""


class RequestPhase(StrEnum):
    """Where a request stands, as the site sees it."""

    WANTED = "wanted"  #: written down, not yet known to the hub
    SUBMITTED = "submitted"
    ANSWERED = "answered"  #: the outcome is kept here; results are to be built
    BUILT = "built"  #: results are in the archive and on their way, or there are none to build
    SUPERSEDED = "superseded"  #: the study changed before an answer came


class Step(StrEnum):
    """What a study's timeline shows."""

    RECEIVED = "received"
    COMPLETE = "complete"
    SUBMITTED = "submitted"
    DECIDED = "decided"
    BUILT = "built"
    DELIVERED = "delivered"


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study as it stands."""

    study_uid: str
    first_at: datetime
    last_at: datetime
    fresh: bool
    input_digest: str


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The site's side of a request."""

    key: str
    study_uid: str
    input_digest: str
    phase: RequestPhase
    request_id: str
    grant_until: datetime
    outcome: Outcome | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A result object and whether the PACS has it."""

    sop_uid: str  #: alias form
    key: str
    study_uid: str
    kind: str  #: `sr` or `sc`
    file: str  #: name in the outbox of the form under the real patient
    sent_at: datetime | None
    tries: int
    problem: str  #: an error code, empty when all is well


class SiteState:
    """The database. Every method is one transaction, durable on return; threads take turns."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """`read_only` lets another process look on while the site's own program writes."""
        self._turn = threading.RLock()
        self._touches = durable.Together(self._touch)
        location = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._database = sqlite3.connect(location, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
        if not read_only:
            self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements together or not at all. Raises StorageFull."""
        with self._turn, durable.storage():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # SQLite may have undone it on its own, and a commit may fail
                    self._database.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # --- studies

    def touch(self, study_uid: str) -> None:
        """Something of this study came in, or a held part of it was settled. Threads share a wait for the disk."""
        self._touches.add(study_uid)

    def _touch(self, study_uids: Sequence[str]) -> None:
        now = _now()
        with self.transaction() as database:
            for study_uid in dict.fromkeys(study_uids):
                database.execute(
                    "INSERT INTO study (study_uid, first_at, last_at, fresh) VALUES (?, ?, ?, 1) "
                    "ON CONFLICT (study_uid) DO UPDATE SET last_at = excluded.last_at, fresh = 1",
                    (study_uid, now, now),
                )
                _mark(database, study_uid, Step.RECEIVED, now)

    def studies(self, fresh: bool | None = None, limit: int = 500) -> list[Study]:
        """Studies, latest first."""
        condition = "1" if fresh is None else f"fresh = {int(fresh)}"
        return self._studies(f"{condition} ORDER BY last_at DESC LIMIT ?", limit)

    def study(self, study_uid: str) -> Study:
        """One study. Raises NotFound."""
        found = self._studies("study_uid = ?", study_uid)
        if not found:
            raise NotFound("no such study at this site")
        return found[0]

    def complete(self, study_uid: str, input_digest: str, key: str, as_of: datetime | None = None) -> bool:
        """The study is complete with these images. `key` asks for a request, empty asks for none; an open request for
        other images of the study is superseded. False, and nothing changes, when something of it came in after `as_of`:
        while its images were listed, so that they may not be all."""
        now = _now()
        latest = now if as_of is None else as_of.timestamp() + _MICROSECOND
        with self.transaction() as database:
            changed = database.execute(
                "UPDATE study SET fresh = 0, input_digest = ? WHERE study_uid = ? AND last_at <= ?",
                (input_digest, study_uid, latest),
            ).rowcount
            if not changed:
                return False
            _mark(database, study_uid, Step.COMPLETE, now)
            if not key:
                return True
            database.execute(
                "UPDATE request SET state = 'superseded' WHERE study_uid = ? AND key <> ? AND state IN ('wanted', 'submitted')",
                (study_uid, key),
            )
            database.execute(
                "INSERT OR IGNORE INTO request (key, study_uid, input_digest, state, made_at) VALUES (?, ?, ?, 'wanted', ?)",
                (key, study_uid, input_digest, now),
            )
        return True

    def timeline(self, study_uid: str) -> dict[Step, datetime]:
        """When each step was first reached."""
        rows = self._rows("SELECT step, at FROM step WHERE study_uid = ? ORDER BY at", study_uid)
        return {Step(step): _when(at) for step, at in rows}

    # --- requests

    def wishes(self, *phases: RequestPhase) -> list[Wish]:
        """Requests in these phases, oldest first."""
        return self._wishes(f"state IN ({', '.join('?' * len(phases))}) ORDER BY made_at", *phases)

    def latest_wish(self, study_uid: str) -> Wish | None:
        """The study's newest request."""
        found = self._wishes("study_uid = ? ORDER BY made_at DESC LIMIT 1", study_uid)
        return found[0] if found else None

    def submitted(self, key: str, request_id: str, grant_until: datetime) -> None:
        """The hub has the request, with a grant that ends then."""
        with self.transaction() as database:
            database.execute(
                "UPDATE request SET request_id = ?, grant_until = ?, "
                "state = CASE state WHEN 'wanted' THEN 'submitted' ELSE state END WHERE key = ?",
                (request_id, grant_until.timestamp(), key),
            )
            (study_uid,) = database.execute("SELECT study_uid FROM request WHERE key = ?", (key,)).fetchone()
            _mark(database, study_uid, Step.SUBMITTED, _now())

    def keep_outcome(self, outcome: Outcome) -> bool:
        """Keep an answer. False, and nothing changes, when no open request of ours asked for these images under that id.

        The hub may have the request, and answer it, before we know its id: the reply to a submission can be lost."""
        with self.transaction() as database:
            changed = database.execute(
                "UPDATE request SET outcome = ?, state = 'answered', request_id = ? WHERE state IN ('wanted', 'submitted') "
                "AND request_id IN (?, '') AND study_uid = ? AND input_digest = ?",
                (
                    api.encode(outcome, Outcome),
                    outcome.request_id,
                    outcome.request_id,
                    outcome.study_uid,
                    outcome.input_digest,
                ),
            ).rowcount
            if changed:
                _mark(database, outcome.study_uid, Step.DECIDED, outcome.decided_at.timestamp())
        return bool(changed)

    def open_wish(self, request_id: str) -> Wish | None:
        """The request of that id that still waits for its answer."""
        found = self._wishes("request_id = ? AND state = 'submitted'", request_id)
        return found[0] if found else None

    def failures(self, study_uid: str, input_digest: str) -> int:
        """How many requests for exactly these images ended as a Failure."""
        wishes = self._wishes("study_uid = ? AND input_digest = ? AND outcome IS NOT NULL", study_uid, input_digest)
        return sum(isinstance(wish.outcome, Failure) for wish in wishes)

    # --- results

    def built(self, key: str, deliveries: Sequence[Delivery]) -> None:
        """The results of a request stand in archive and outbox; repeating it changes nothing."""
        with self.transaction() as database:
            for item in deliveries:
                database.execute(
                    "INSERT OR IGNORE INTO result (sop_uid, key, study_uid, kind, file) VALUES (?, ?, ?, ?, ?)",
                    (item.sop_uid, key, item.study_uid, item.kind, item.file),
                )
                _mark(database, item.study_uid, Step.BUILT, _now())
            database.execute("UPDATE request SET state = 'built' WHERE key = ?", (key,))

    def results(self, study_uid: str) -> list[Delivery]:
        """A study's result objects."""
        return self._deliveries("study_uid = ?", study_uid)

    def due(self) -> list[Delivery]:
        """Results the PACS has not accepted and whose time to try has come."""
        return self._deliveries("sent_at IS NULL AND next_try_at <= ? ORDER BY next_try_at", _now())

    def waiting_to_be_sent(self) -> list[Delivery]:
        """Results the PACS has not accepted, due or not."""
        return self._deliveries("sent_at IS NULL")

    def deliver_now(self) -> int:
        """Let everything that the PACS has not accepted be due at once; answers how much that is."""
        with self.transaction() as database:
            return database.execute("UPDATE result SET next_try_at = ? WHERE sent_at IS NULL", (_now(),)).rowcount

    def undelivered(self) -> int:
        """How many results the PACS has not accepted."""
        return int(self._rows("SELECT count(*) FROM result WHERE sent_at IS NULL")[0][0])

    def sent(self, item: Delivery) -> None:
        """The PACS accepted it."""
        with self.transaction() as database:
            database.execute("UPDATE result SET sent_at = ?, problem = '' WHERE sop_uid = ?", (_now(), item.sop_uid))
            _mark(database, item.study_uid, Step.DELIVERED, _now())

    def postponed(self, item: Delivery, problem: str, seconds: float) -> None:
        """The PACS did not take it; try again after so many seconds."""
        with self.transaction() as database:
            database.execute(
                "UPDATE result SET tries = tries + 1, problem = ?, next_try_at = ? WHERE sop_uid = ?",
                (problem, _now() + seconds, item.sop_uid),
            )

    # --- rows to records

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._turn:
            return self._database.execute(query, values).fetchall()

    def _studies(self, condition: str, *values: object) -> list[Study]:
        rows = self._rows(
            f"SELECT study_uid, first_at, last_at, fresh, input_digest FROM study WHERE {condition}", *values
        )
        return [
            Study(study_uid=uid, first_at=_when(first), last_at=_when(last), fresh=bool(new), input_digest=digest)
            for uid, first, last, new, digest in rows
        ]

    def _wishes(self, condition: str, *values: object) -> list[Wish]:
        fields = "key, study_uid, input_digest, state, request_id, grant_until, outcome"
        return [
            Wish(
                key=key,
                study_uid=study_uid,
                input_digest=digest,
                phase=RequestPhase(state),
                request_id=request_id,
                grant_until=_when(until),
                outcome=api.decode(Outcome, outcome) if outcome else None,  # type: ignore[arg-type]
            )
            for key, study_uid, digest, state, request_id, until, outcome in self._rows(
                f"SELECT {fields} FROM request WHERE {condition}",
                *values,
            )
        ]

    def _deliveries(self, condition: str, *values: object) -> list[Delivery]:
        fields = "sop_uid, key, study_uid, kind, file, sent_at, tries, problem"
        return [
            Delivery(
                sop_uid=sop_uid,
                key=key,
                study_uid=study_uid,
                kind=kind,
                file=file,
                sent_at=_when(sent_at) if sent_at else None,
                tries=tries,
                problem=problem,
            )
            for sop_uid, key, study_uid, kind, file, sent_at, tries, problem in self._rows(
                f"SELECT {fields} FROM result WHERE {condition}",
                *values,
            )
        ]


def _mark(database: sqlite3.Connection, study_uid: str, step: Step, at: float) -> None:
    database.execute("INSERT OR IGNORE INTO step (study_uid, step, at) VALUES (?, ?, ?)", (study_uid, step, at))


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _when(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
