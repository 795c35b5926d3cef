"""The door: what a peer, a folder or a browser hands in is spooled durably, audited and acknowledged, in that order."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aegle import access, logs
from aegle.access import Act
from aegle.errors import AegleError
from aegle.intake.spool import Door, Spool, Spooled
from aegle.ports import AuditSink
from aegle.protocols.dimse import Sender
from aegle.records import AuditOutcome

_SETTLED_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class SiteDoor:
    """Every way in of one site. `arrived` is called after each acknowledged instance."""

    site: str
    spool: Spool
    audit: AuditSink
    arrived: Callable[[], None]
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

    def notice(self, what: str, sender: Sender, reason: str) -> None:
        """An association was opened or refused, or an echo answered."""
        act = Act.DOOR_ECHO_ANSWER if what == "echo" else Act.DOOR_ASSOCIATION_OPEN
        outcome = AuditOutcome.REFUSED if what == "refused" else AuditOutcome.OK
        # The title is the peer's own text, so it is told only when it is one of a form we allow.
        title = sender.ae_title if sender.ae_title.isascii() and len(sender.ae_title) <= 16 else "?"
        facts = {"reason": reason} if reason else {}
        self.audit.append(access.event(act, outcome, principal=f"peer:{title}", site=self.site, **facts))

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
        self.audit.append(
            access.event(
                Act.DOOR_INSTANCE_RECEIVE,
                outcome,
                principal=principal,
                site=self.site,
                subject=subject,
                door=door.value,
                **facts,
            )
        )


def _is_quiet(path: Path) -> bool:
    return time.time() - path.stat().st_mtime >= _SETTLED_SECONDS
