"""Labels at a laboratory: each change is kept here first, durably, and sent to the hub until the hub has it."""

import hashlib
import hmac
import sqlite3
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aegle import access, api, faults, logs
from aegle.access import Act
from aegle.dicom.codes import BY_CODE
from aegle.dicom.uids import is_uid
from aegle.errors import BadMessage
from aegle.ports import AuditSink, Hub
from aegle.records import AuditOutcome, Label, LabelSubject

_BATCH = 200
_MOST_PX = 10_000_000.0
_POINTS = {"none": 0, "point": 1, "box": 2}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, study_uid TEXT NOT NULL, reader TEXT NOT NULL,
    label_id TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL DEFAULT 'waiting'   -- waiting, sent or refused
) STRICT;
CREATE INDEX IF NOT EXISTS event_waiting ON event (number) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS event_of_study ON event (study_uid, reader, label_id, number);
"""


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """What a person said, as the page sends it; everything else of a label the site knows itself."""

    label_id: str
    subject: LabelSubject
    code: str
    shape: str
    points: tuple[tuple[float, float], ...]
    series: str
    sop: str
    retracted: bool = False


class LabelBook:
    """Every label event of this site and whether the hub has it."""

    def __init__(self, path: Path, site: str, reader_key: bytes) -> None:
        """`reader_key` turns a person's name into the pseudonym that leaves the site."""
        self._site, self._reader_key = site, reader_key
        self._turn = threading.Lock()
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)

    def record(self, study_uid: str, name: str, said: Assertion) -> Label:
        """Keep one assertion; durable on return. Raises BadMessage for what is no label."""
        _check(said)
        reader = self.reader(name)
        with self._turn:
            before = self._database.execute(
                "SELECT event_id FROM event WHERE study_uid = ? AND reader = ? AND label_id = ? ORDER BY number DESC LIMIT 1",
                (study_uid, reader, said.label_id),
            ).fetchone()
            label = self._label(study_uid, reader, said, before[0] if before else "")
            self._database.execute(
                "INSERT INTO event (event_id, study_uid, reader, label_id, body) VALUES (?, ?, ?, ?, ?)",
                (label.event_id, study_uid, reader, label.label_id, api.encode(label)),
            )
        faults.reach(faults.Point.LABEL_RECORDED)
        return label

    def current(self, study_uid: str, name: str) -> list[Label]:
        """A person's own labels of a study as they stand: the last word on each, without those taken back, in the order in
        which they were first made."""
        with self._turn:
            rows = self._database.execute(
                "SELECT label_id, body FROM event WHERE study_uid = ? AND reader = ? ORDER BY number",
                (study_uid, self.reader(name)),
            ).fetchall()
        latest = dict(rows)  # a key keeps its first place and takes its last value
        return [label for label in (api.decode(Label, body) for body in latest.values()) if not label.retracted]

    def count(self, study_uid: str) -> int:
        """How many labels of a study stand, of all readers."""
        with self._turn:
            rows = self._database.execute(
                "SELECT body, max(number) FROM event WHERE study_uid = ? GROUP BY reader, label_id", (study_uid,)
            ).fetchall()
        return sum(not api.decode(Label, row[0]).retracted for row in rows)

    def waiting(self) -> Sequence[Label]:
        """The oldest events the hub does not have yet."""
        with self._turn:
            rows = self._database.execute(
                "SELECT body FROM event WHERE state = 'waiting' ORDER BY number LIMIT ?", (_BATCH,)
            ).fetchall()
        return [api.decode(Label, row[0]) for row in rows]

    def settle(self, receipt: api.LabelReceipt) -> None:
        """The hub answered: these are stored, those it refused and will refuse again."""
        changes = [("sent", event_id) for event_id in receipt.stored] + [
            ("refused", event_id) for event_id in receipt.refused
        ]
        with self._turn:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("UPDATE event SET state = ? WHERE event_id = ?", changes)
            self._database.execute("COMMIT")

    def reader(self, name: str) -> str:
        """The pseudonym of a person at this site."""
        return "reader-" + hmac.new(self._reader_key, b"reader|" + name.encode(), hashlib.sha256).hexdigest()[:12]

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _label(self, study_uid: str, reader: str, said: Assertion, supersedes: str) -> Label:
        return Label(
            event_id=str(uuid.uuid4()),
            made_at=datetime.now(UTC),
            site=self._site,
            reader=reader,
            study_uid=study_uid,
            series_uid=said.series,
            sop_uid=said.sop,
            subject=said.subject,
            code="" if said.retracted else said.code,
            shape=said.shape,
            points_px=said.points,
            label_id=said.label_id,
            supersedes=supersedes,
            retracted=said.retracted,
        )


def _check(said: Assertion) -> None:
    try:
        uuid.UUID(said.label_id)
    except ValueError:
        raise BadMessage("label_id is not a UUID") from None
    wrong = {
        "code": said.code not in BY_CODE,
        "series or sop": not (is_uid(said.series) and is_uid(said.sop)),
        "shape": _POINTS.get(said.shape) != len(said.points)
        or (said.shape == "none") != (said.subject is LabelSubject.SLIDE),
        "points": not all(0 <= value <= _MOST_PX for point in said.points for value in point),
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise BadMessage(f"{what} of this label does not fit")


@dataclass(frozen=True, kw_only=True)
class LabelOutbox:
    """Sends label events to the hub, oldest first, until each is stored."""

    site: str
    book: LabelBook
    hub: Hub
    audit: AuditSink

    def send(self) -> bool:
        """One batch; whether there was any."""
        labels = self.book.waiting()
        if not labels:
            return False
        receipt = self.hub.send_labels(labels)
        faults.reach(faults.Point.LABEL_SENT)
        outcome = AuditOutcome.REFUSED if receipt.refused else AuditOutcome.OK
        self.audit.append(access.event(Act.SITE_LABEL_SEND, outcome, site=self.site, count=len(receipt.stored)))
        if receipt.refused:
            logs.error("labels refused by the hub", count=len(receipt.refused))
        self.book.settle(receipt)
        return True
