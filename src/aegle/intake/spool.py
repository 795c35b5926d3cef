"""What a door has acknowledged and intake has not yet settled: one file an instance, the folder itself is the queue.

The files hold identified data; the folder is private to the site's process. Nothing here needs a database, so an instance
that was acknowledged is found again after any crash.
"""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aegle import durable, faults
from aegle.errors import TooLarge


class Door(StrEnum):
    """How an instance came in."""

    DIMSE = "dimse"
    FOLDER = "folder"
    UPLOAD = "upload"


class Mark(StrEnum):
    """What a person decided about an object that comes back from quarantine; at the end of its spooled name."""

    REPLACES = "replaces"  #: it takes the place of the one admitted under its UID
    LOOKED_AT = "looked"  #: the text that the detector saw in its picture is no identity


@dataclass(frozen=True, kw_only=True)
class Spooled:
    """One acknowledged instance."""

    path: Path
    door: Door
    mark: Mark | None = None

    @property
    def name(self) -> str:
        """The name it was given here; says nothing of its content."""
        return self.path.stem


def _spooled(path: Path) -> Spooled:
    _, door, _, *mark = path.stem.split("-")
    return Spooled(path=path, door=Door(door), mark=Mark(mark[0]) if mark else None)


class Spool:
    """First in, first out, on one folder."""

    def __init__(self, folder: Path, max_bytes: int, incoming: str = "incoming") -> None:
        """Whatever a crash left half-received was never acknowledged and is removed.

        `incoming` is where objects arrive; another process beside the site's program has one of its own."""
        self._folder = durable.private_folder(folder)
        self.incoming = durable.private_folder(folder / incoming)
        self._max_bytes = max_bytes
        for left in self.incoming.iterdir():
            left.unlink()

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

    def take(self, temporary: Path, door: Door, mark: Mark | None = None) -> Spooled:
        """Take over a file that lies on the spool's file system; durable on return. Raises TooLarge, StorageFull."""
        self._bound(temporary.stat().st_size)
        with durable.storage():
            durable.sync_file(temporary)
            faults.reach(faults.Point.SPOOL_WRITTEN)
            name = "-".join((f"{time.time_ns():019d}", door, secrets.token_hex(4), *((mark,) if mark else ())))
            target = self._folder / f"{name}.dcm"
            durable.settle(temporary, target)
        faults.reach(faults.Point.SPOOL_RENAMED)
        return Spooled(path=target, door=door, mark=mark)

    def waiting(self) -> list[Spooled]:
        """What is not yet settled, oldest first."""
        return [_spooled(path) for path in sorted(self._folder.glob("*.dcm"))]

    def settle(self, item: Spooled) -> None:
        """The instance is safe elsewhere: the spool lets it go."""
        item.path.unlink(missing_ok=True)
        durable.sync_folder(self._folder)

    def _bound(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLarge(
                f"an object of more than {self._max_bytes // 1_000_000} MB; raise door.max_instance_mb to take it"
            )
