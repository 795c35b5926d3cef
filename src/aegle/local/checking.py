"""How a site's program on this machine is, looked at from outside: for a scheduler's job, and by hand."""

import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aegle.local.home import AppliedSite

LITTLE_DISK_BYTES: Final = 5_000_000_000
LONG_WAIT_S: Final = 3600
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    told: str


def look(site: AppliedSite, folder: Path) -> Iterator[Finding]:
    """Door, archive, pages, disk, and what has waited in the spool for more than an hour. Changes nothing."""
    for what, port in (("door", site.door_port), ("archive", site.archive_port), ("pages", site.pages_port)):
        answers = _answers(port)
        yield Finding(what=what, good=answers, told=f"port {port} {'answers' if answers else 'does not answer'}")
    free = shutil.disk_usage(folder).free
    yield Finding(what="disk", good=free >= LITTLE_DISK_BYTES, told=f"{free / 1e9:.1f} GB are free")
    waiting = _oldest_s(folder / "spool")
    told = "nothing waits" if waiting is None else f"the oldest file has waited for {waiting / 60:.0f} minutes"
    yield Finding(what="spool", good=waiting is None or waiting < LONG_WAIT_S, told=told)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S):
            return True
    except OSError:
        return False


def _oldest_s(spool: Path) -> float | None:
    """Seconds since the oldest file came; None when there is none. A file that goes while we look does not count."""
    times = []
    for path in spool.rglob("*") if spool.exists() else ():
        try:
            if path.is_file():
                times.append(path.stat().st_mtime)
        except FileNotFoundError:
            continue
    return time.time() - min(times) if times else None
