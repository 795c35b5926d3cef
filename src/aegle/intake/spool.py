"""What a door has acknowledged and intake has not yet settled: one file an instance, the folder itself is the queue.

The files hold identified data; the folder is private to the site's process. Nothing here needs a database, so an instance
that was acknowledged is found again after any crash.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aegle import durable, faults
from aegle.dicom import arrival
from aegle.errors import TooLarge
from aegle.intake.slots import Slots, is_slot


class Door(StrEnum):
    """How an instance came in."""

    DIMSE = "dimse"
    STOW = "stow"
    FOLDER = "folder"
    UPLOAD = "upload"


#: How it came in, for people.
CAME = {
    Door.DIMSE: "sent by a device or PACS (DICOM)",
    Door.STOW: "sent over the web (DICOMweb)",
    Door.FOLDER: "found in the watched folder",
    Door.UPLOAD: "uploaded by a person",
}


class Mark(StrEnum):
    """What a person decided about an object that comes back from quarantine; at the end of its spooled name."""

    REPLACES = "replaces"  #: it takes the place of the one admitted under its UID
    LOOKED_AT = "looked"  #: the text that the detector saw in its picture is no identity
    BOTH = "both"  #: a correction with such a text


@dataclass(frozen=True, kw_only=True)
class Spooled:
    """One acknowledged instance."""

    path: Path
    door: Door
    mark: Mark | None = None

    @property
    def replaces(self) -> bool:
        """Whether a person decided that it takes the place of one admitted before."""
        return self.mark in (Mark.REPLACES, Mark.BOTH)

    @property
    def is_looked_at(self) -> bool:
        """Whether people looked, and said that the text in its picture names nobody."""
        return self.mark in (Mark.LOOKED_AT, Mark.BOTH)

    @property
    def name(self) -> str:
        """The name it was given here; says nothing of its content."""
        return self.path.stem


def _spooled(path: Path) -> Spooled:
    _, door, _, *mark = path.stem.split("-")
    return Spooled(path=path, door=Door(door), mark=Mark(mark[0]) if mark else None)


def _named(door: Door, mark: Mark | None) -> str:
    return "-".join((f"{time.time_ns():019d}", door, secrets.token_hex(4), *((mark,) if mark else ())))


class Spool:
    """First in, first out, on one folder."""

    def __init__(self, folder: Path, max_bytes: int, incoming: str = "incoming") -> None:
        """What a crash left half-received was never acknowledged and is removed. What is whole may have been: it is taken in,
        once more if need be. `incoming` is where objects arrive; another process beside the site's program has one of its
        own."""
        self._folder = durable.private_folder(folder)
        self.incoming = durable.private_folder(folder / incoming)
        self._max_bytes = max_bytes
        self.slots = Slots(self.incoming)
        self._gone = durable.Together[None](lambda _: durable.sync_folder(self._folder))
        for left in self.incoming.iterdir():
            if is_slot(left) and arrival.is_whole(left):
                left.replace(self._folder / f"{_named(Door.DIMSE, None)}.dcm")
            else:
                left.unlink()
        durable.sync_folder(self._folder)

    def receive(self, chunks: Iterable[bytes], door: Door, mark: Mark | None = None) -> Spooled:
        """Take an object as it arrives; durable on return. Raises TooLarge and StorageFull, leaving nothing behind."""
        temporary = self.incoming / secrets.token_hex(8)
        size = 0
        try:
            with durable.storage(), temporary.open("xb") as stream:
                for chunk in chunks:
                    size += len(chunk)
                    self._bound(size)
                    stream.write(chunk)
            return self.take(temporary, door, mark)
        finally:
            temporary.unlink(missing_ok=True)

    def take(
        self, temporary: Path, door: Door, mark: Mark | None = None, named: Callable[[str], None] = lambda _: None
    ) -> Spooled:
        """Take over a file that lies on the spool's file system; durable on return. `named` hears its name before it is
        seen here. Raises TooLarge, StorageFull.

        A slot of ours needs no more than its own bytes on the disk: should the power take its new name, it is found under
        the old one, whole by its mark."""
        self._bound(temporary.stat().st_size)
        with durable.storage():
            durable.sync_file(temporary)
            faults.reach(faults.Point.SPOOL_WRITTEN)
            name = _named(door, mark)
            target = self._folder / f"{name}.dcm"
            named(name)
            faults.reach(faults.Point.SPOOL_NAMED)
            temporary.replace(target)
            if not is_slot(temporary):
                durable.sync_folder(self._folder)
        faults.reach(faults.Point.SPOOL_RENAMED)
        return Spooled(path=target, door=door, mark=mark)

    def waiting(self) -> list[Spooled]:
        """What is not yet settled, oldest first."""
        return [_spooled(path) for path in sorted(self._folder.glob("*.dcm"))]

    def settle(self, item: Spooled) -> None:
        """The instance is safe elsewhere: the spool lets it go, durable on return. Threads share a wait for the disk."""
        with durable.storage():
            item.path.unlink(missing_ok=True)
            self._gone.add(None)

    def _bound(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLarge(
                f"an object of more than {self._max_bytes // 1_000_000} MB; raise door.max_instance_mb to take it"
            )
