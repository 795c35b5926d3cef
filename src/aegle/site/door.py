"""The door: what a peer, a folder or a browser hands in is spooled durably, audited and acknowledged, in that order."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aegle import access, logs
from aegle.access import Act
from aegle.errors import AegleError, StorageFull
from aegle.intake.spool import Door, Spool, Spooled
from aegle.ports import AuditSink
from aegle.protocols.peers import News, Notice, Sender
from aegle.records import AuditEvent, AuditOutcome
from aegle.site.refusals import Refusals

_SETTLED_SECONDS = 2.0
_MOST_UNWRITTEN = 10_000
_ACTS = {
    News.ACCEPTED: Act.DOOR_ASSOCIATION_OPEN,
    News.REFUSED: Act.DOOR_ASSOCIATION_OPEN,
    News.ECHO: Act.DOOR_ECHO_ANSWER,
    News.NOT_TAKEN: Act.DOOR_INSTANCE_RECEIVE,
}


class Unwritten:
    """Audit events in the order they happened, kept in memory for as long as the disk takes none: a full disk must not
    hide who called meanwhile. Beyond 10,000 the oldest go; a kill loses them all, and nothing was acknowledged for them."""

    def __init__(self) -> None:
        self._events: deque[AuditEvent] = deque(maxlen=_MOST_UNWRITTEN)
        self._turn = threading.Lock()

    def write(self, audit: AuditSink, event: AuditEvent, *, otherwise: AuditEvent | None = None) -> None:
        """Write what waits and the event, durable on return. Raises StorageFull, keeping them; `otherwise` is then kept
        in the event's place."""
        with self._turn:
            try:
                audit.append(*self._events, event)
            except StorageFull:
                self._events.append(otherwise or event)
                raise
            self._events.clear()


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Writes down what became of associations at the site's listeners. Refusals are told within a bound."""

    site: str
    audit: AuditSink
    unwritten: Unwritten = field(default_factory=Unwritten)
    refusals: Refusals = field(default_factory=Refusals)

    def of(self, door: str) -> Notice:
        """For one listener. The notice raises StorageFull where it cannot be written down: then no association is made,
        and the refusal is written before the next news."""

        def notice(news: News, sender: Sender, reason: str) -> None:
            if news is not News.REFUSED or self.refusals.is_told(sender.address, reason):
                self._write(news, sender, reason, door)

        return notice

    def tell_counted(self, *, ending: bool = False) -> bool:
        """Write down how many refusals there were beyond those told one by one."""
        counted = self.refusals.due(ending=ending)
        for address, reason, count in counted:
            peer = address or "many addresses"
            event = access.event(
                Act.DOOR_ASSOCIATION_OPEN, AuditOutcome.REFUSED, site=self.site, reason=reason, peer=peer, count=count
            )
            self.unwritten.write(self.audit, event)
        return bool(counted)

    def _write(self, news: News, sender: Sender, reason: str, door: str) -> None:
        # The title is the peer's own text, so it is told only when it is one of a form we allow.
        title = sender.ae_title if sender.ae_title.isascii() and len(sender.ae_title) <= 16 else "?"

        def event(reason: str) -> AuditEvent:
            facts = {"reason": reason, "peer": sender.address} if reason else {}
            outcome = AuditOutcome.REFUSED if reason else AuditOutcome.OK
            return access.event(_ACTS[news], outcome, principal=f"peer:{title}", site=self.site, door=door, **facts)

        self.unwritten.write(self.audit, event(reason), otherwise=event(reason or "STORAGE_FULL"))


@dataclass(frozen=True, kw_only=True)
class SiteDoor:
    """Every way in of one site. `arrived` is called after each acknowledged instance."""

    site: str
    spool: Spool
    audit: AuditSink
    arrived: Callable[[], None]
    unwritten: Unwritten = field(default_factory=Unwritten)
    _sizes: dict[Path, int] = field(default_factory=dict)
    _refused: dict[Path, int] = field(
        default_factory=dict
    )  #: size of files that are refused for good, until they change

    def receive(self, received: Path, sender: Sender) -> None:
        """C-STORE: take over the file pynetdicom wrote. Raises TooLarge, StorageFull."""
        self._take(lambda: self.spool.take(received, Door.DIMSE), Door.DIMSE, f"peer:{sender.ae_title}")

    def upload(self, received: Path, principal: str) -> Spooled:
        """A file from the site's page, already on the spool's file system."""
        return self._take(lambda: self.spool.take(received, Door.UPLOAD), Door.UPLOAD, principal)

    def sweep(self, folder: Path) -> bool:
        """Take in what lies in the watched folder and has not grown since the last look; whether anything was taken."""
        seen = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
        still = [path for path, size in seen.items() if self._sizes.get(path) == size and _is_quiet(path)]
        ready = [path for path in still if self._refused.get(path) != seen[path]]
        self._sizes.clear()
        self._sizes.update(seen)
        taken = [path for path in ready if self._take_file(path)]
        return bool(taken)

    def _take_file(self, path: Path) -> bool:
        try:
            with path.open("rb") as stream:
                blocks = iter(lambda: stream.read(1 << 20), b"")
                self._take(lambda: self.spool.receive(blocks, Door.FOLDER), Door.FOLDER, "system")
        except AegleError as error:
            logs.warning("file stays in the watched folder", code=error.meaning.code)
            if not error.meaning.retryable:
                self._refused[path] = path.stat().st_size
            return False
        path.unlink()
        return True

    def _take(self, spool: Callable[[], Spooled], door: Door, principal: str) -> Spooled:
        """Spool, audit, wake the intake. What is refused is audited too."""
        try:
            item = spool()
        except AegleError as error:
            self._tell(door, principal, "", AuditOutcome.REFUSED, reason=error.meaning.code)
            raise
        self._tell(door, principal, item.name, AuditOutcome.OK)
        self.arrived()
        return item

    def _tell(self, door: Door, principal: str, subject: str, outcome: AuditOutcome, reason: str = "") -> None:
        facts: dict[str, str] = {"reason": reason} if reason else {}
        event = access.event(
            Act.DOOR_INSTANCE_RECEIVE,
            outcome,
            principal=principal,
            site=self.site,
            subject=subject,
            door=door.value,
            **facts,
        )
        self.unwritten.write(self.audit, event)


def _is_quiet(path: Path) -> bool:
    return time.time() - path.stat().st_mtime >= _SETTLED_SECONDS
