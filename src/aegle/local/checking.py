"""How a site's program on this machine is, looked at from outside: for a scheduler's job, and by hand."""

import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from aegle.intake.slots import is_slot
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
    """Listeners, disk, and what has waited in the spool for more than an hour. Changes nothing."""
    ports = {"door": site.door_port, "archive": site.archive_port, "pages": site.pages_port}
    ports |= {"STOW-RS": stow.port} if (stow := site.config.door.stow) else {}
    ports |= {"query": query.port} if (query := site.config.query) else {}
    for what, port in ports.items():
        answers = _answers(port)
        yield Finding(what=what, good=answers, told=f"port {port} {'answers' if answers else 'does not answer'}")
    free = shutil.disk_usage(folder).free
    yield Finding(what="disk", good=free >= LITTLE_DISK_BYTES, told=f"{free / 1e9:.1f} GB are free")
    waiting = _oldest_s(folder / "spool")
    told = "nothing waits" if waiting is None else f"the oldest file has waited for {waiting / 60:.0f} minutes"
    yield Finding(what="spool", good=waiting is None or waiting < LONG_WAIT_S, told=told)


def alarms(site: AppliedSite, folder: Path, *, disk_percent: int, days: int) -> Iterator[Finding]:
    """What ends in a known time: the disk's room, and certificates that the site shows or trusts. Changes nothing."""
    disk = shutil.disk_usage(folder)
    free = 100 * disk.free / disk.total
    told = f"{free:.0f} % are free ({disk.free / 1e9:.1f} GB); at least {disk_percent} % are wanted"
    yield Finding(what="disk", good=free >= disk_percent and disk.free >= LITTLE_DISK_BYTES, told=told)
    config = site.config
    shown = {"door": config.door, "PACS": config.pacs, "STOW-RS door": config.door.stow, "query": config.query}
    for what, listener in shown.items():
        tls = listener.tls if listener else None
        if tls is not None:
            yield _certificate(f"certificate to the {what}", tls.certificate, days)
        if tls is not None and tls.authorities is not None:
            yield _certificate(f"authorities of the {what}", tls.authorities, days)


def _certificate(what: str, file: Path, days: int) -> Finding:
    """Of several in a file, the one that ends first."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return Finding(what=what, good=False, told=f"{file} cannot be read as certificates in PEM")
    until = min(item.not_valid_after_utc for item in found)
    left = (until - datetime.now(UTC)).days
    told = f"ends on {until:%Y-%m-%d}, in {left} days; renew {file}" if left < days else f"good until {until:%Y-%m-%d}"
    return Finding(what=what, good=left >= days, told=told)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S):
            return True
    except OSError:
        return False


def _oldest_s(spool: Path) -> float | None:
    """Seconds since the oldest file came; None when there is none. A file that goes while we look does not count, nor does
    a slot that waits for an object."""
    times = []
    for path in spool.rglob("*") if spool.exists() else ():
        try:
            state = path.stat()
            if path.is_file() and not (is_slot(path) and not state.st_size):
                times.append(state.st_mtime)
        except FileNotFoundError:
            continue
    return time.time() - min(times) if times else None
