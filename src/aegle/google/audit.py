"""The AuditSink port with Cloud Logging behind it: durable here first, then copied to a bucket that nobody can change.

An append is acknowledged by the chain on this machine, which outlives any outage. `ship` sends what is not yet there, in
order, each entry under an insert id made of chain and number, so that sending twice leaves one
(https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry). How far it came is one small file.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aegle import api, durable, logs
from aegle.errors import AegleError
from aegle.google.services import address
from aegle.google.session import Session
from aegle.ports import AuditSink
from aegle.records import AuditEvent, AuditHead

SERVICE = address("logging", "v2")
LOG = "aegle-audit"
AGAIN_S = 5.0  #: until a copy that failed is tried again
BATCH = 500  #: entries of one call; Google takes 1,000 and 10 MB


class CloudTrail:
    """A trail that is kept here and copied to Cloud Logging."""

    def __init__(self, kept: AuditSink, shipped: Path, session: Session, project: str, service: str = SERVICE) -> None:
        """`shipped` is the file that says how many events of the chain are at Google."""
        self._kept, self._shipped_file, self._session = kept, shipped, session
        self._log, self._service = f"projects/{project}/logs/{LOG}", service
        self._turn = threading.Lock()

    def append(self, *events: AuditEvent) -> None:
        """Durable on this machine before it returns; `ship` copies it."""
        self._kept.append(*events)

    def head(self) -> AuditHead:
        """Count and digest of the chain as of now."""
        return self._kept.head()

    def read(self, newest: int) -> Iterator[AuditEvent]:
        """The `newest` latest events, latest first."""
        return self._kept.read(newest)

    @property
    def waiting(self) -> int:
        """How many events are not at Google yet: a number to alarm on."""
        return self._kept.head().count - self._shipped()

    def ship(self) -> int:
        """Copy what is not there yet; answers how many. At least once, in order; a repeat leaves one entry each.

        Raises what the session does; then the same events are sent again by the next call."""
        with self._turn:
            head, sent = self._kept.head(), self._shipped()
            waiting = list(self._kept.read(head.count - sent))[::-1] if head.count > sent else []
            for start in range(0, len(waiting), BATCH):
                batch = waiting[start : start + BATCH]
                self._write(head, sent + start + 1, batch)
                durable.write(self._shipped_file, json.dumps({"shipped": sent + start + len(batch)}).encode())
            return len(waiting)

    def _shipped(self) -> int:
        try:
            return int(json.loads(self._shipped_file.read_bytes())["shipped"])
        except FileNotFoundError:
            return 0

    def _write(self, head: AuditHead, first: int, batch: Sequence[AuditEvent]) -> None:
        entries = [_entry(head, number, event) for number, event in enumerate(batch, first)]
        body = {"logName": self._log, "resource": {"type": "global"}, "entries": entries, "partialSuccess": False}
        self._session.call("POST", f"{self._service}/entries:write", body)


class PromptTrail(CloudTrail):
    """A trail of a machine that may go at any moment, and its disk with it: an append waits until Google has it too.

    When Google does not answer in time, the event is kept here and copied as soon as it does."""

    def __init__(
        self,
        kept: AuditSink,
        shipped: Path,
        session: Session,
        project: str,
        service: str = SERVICE,
        *,
        patience_s: float = 2.0,
    ) -> None:
        super().__init__(kept, shipped, session, project, service)
        self._patience_s, self._away, self._ended, self._sent = patience_s, False, False, self._shipped()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._keep_shipping, name="audit-copy", daemon=True)
        self._thread.start()

    def append(self, *events: AuditEvent) -> None:
        """Durable on this machine before it returns, and at Google too unless that does not answer."""
        super().append(*events)
        mine = self.head().count
        with self._news:
            self._news.notify_all()
            if not self._away:
                self._news.wait_for(lambda: self._sent >= mine or self._away, self._patience_s)

    def close(self) -> None:
        """Copy what waits, once more, and end."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._thread.join()

    def _keep_shipping(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._ended or self.waiting > 0, 1.0)
                ended = self._ended
            self._ship_once()
            if ended:
                return
            if self._away:
                with self._news:
                    self._news.wait_for(lambda: self._ended, AGAIN_S)

    def _ship_once(self) -> None:
        away = False
        try:
            self.ship()
        except AegleError as error:
            away = True
            logs.warning("audit not copied", code=error.meaning.code, count=self.waiting)
        with self._news:
            self._away, self._sent = away, self._shipped()
            self._news.notify_all()


def _entry(head: AuditHead, number: int, event: AuditEvent) -> dict[str, Any]:
    """One event; the chain's last entry carries its digest, which the copy at Google then holds for the other party."""
    labels = {"chain": head.chain, "number": str(number)}
    if number == head.count:
        labels["digest"] = head.digest
    return {
        "insertId": f"{head.chain}/{number}",
        "timestamp": event.happened_at.isoformat(),
        "severity": "NOTICE",
        "labels": labels,
        "jsonPayload": json.loads(api.encode(event)),
    }
