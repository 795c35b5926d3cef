"""The door: what a peer, a folder or a browser hands in is spooled durably, audited and acknowledged, in that order."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aegle import access, logs
from aegle.access import Act
from aegle.errors import AegleError
from aegle.intake.slots import is_slot
from aegle.intake.spool import Door, Spool, Spooled
from aegle.ports import AuditSink
from aegle.protocols.peers import News, Notice, Sender
from aegle.records import AuditEvent, AuditOutcome
from aegle.site.receipts import Receipts
from aegle.site.refusals import Refusals
from aegle.site.unwritten import Unwritten

_SETTLED_SECONDS = 2.0
_ACTS = {
    News.ACCEPTED: Act.DOOR_ASSOCIATION_OPEN,
    News.REFUSED: Act.DOOR_ASSOCIATION_OPEN,
    News.ECHO: Act.DOOR_ECHO_ANSWER,
    News.NOT_TAKEN: Act.DOOR_INSTANCE_RECEIVE,
}


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Writes down what became of associations at the site's listeners. Refusals are told within a bound."""

    site: str
    audit: AuditSink
    unwritten: Unwritten
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
    receipts: Receipts
    unwritten: Unwritten
    _sizes: dict[Path, int] = field(default_factory=dict)
    _refused: dict[Path, int] = field(
        default_factory=dict
    )  #: size of files that are refused for good, until they change

    @property
    def refused(self) -> int:
        """How many files of a watched folder are refused for good."""
        return len(self._refused)

    def receive(self, received: Path, sender: Sender) -> None:
        """C-STORE: take over a received file; what arrived in a slot of the spool has its receipt written with others'.
        Raises TooLarge, StorageFull."""
        if not is_slot(received):
            self._take(lambda: self.spool.take(received, Door.DIMSE), Door.DIMSE, f"peer:{sender.ae_title}")
            return
        names: list[str] = []

        def named(name: str) -> None:
            names.append(name)
            self.receipts.add(name, sender.ae_title)

        try:
            self.spool.take(received, Door.DIMSE, named=named)
        except AegleError as error:
            for name in names:
                self.receipts.withdraw(name)
            reason = error.meaning.code
            self._tell(Door.DIMSE, f"peer:{sender.ae_title}", "", AuditOutcome.REFUSED, reason=reason)
            raise
        self.arrived()

    def upload(self, received: Path, principal: str) -> Spooled:
        """A file from the site's page, already on the spool's file system."""
        return self._take(lambda: self.spool.take(received, Door.UPLOAD), Door.UPLOAD, principal)

    def stow(self, received: Path, principal: str) -> Spooled:
        """STOW-RS: a part of a request, already on the spool's file system. Raises TooLarge, StorageFull."""
        return self._take(lambda: self.spool.take(received, Door.STOW), Door.STOW, principal)

    def refuse(self, door: Door, principal: str, reason: str) -> None:
        """Write down that an object, or all of a request, was not taken."""
        self._tell(door, principal, "", AuditOutcome.REFUSED, reason=reason)

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
