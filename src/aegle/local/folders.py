"""Private folders and files: closed to others, durable, and short enough for a socket."""

import hashlib
import os
import tempfile
from pathlib import Path

from aegle.errors import Unavailable

SOCKET_PATH_MAX = 103  #: bytes; sun_path holds 108 on Linux, 104 on macOS, the closing zero included


def short_folder(wanted: Path, socket_name: str) -> Path:
    """`wanted`, or a folder of its own for temporary files where that path is too long for a socket in it.

    The same every time, so that the next process finds the socket again."""
    if len(os.fsencode(wanted / socket_name)) <= SOCKET_PATH_MAX:
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"aegle-{os.geteuid()}-{name}"


def close_folder(folder: Path, other_uid: int) -> None:
    """Close a folder of ours, or of the one other user named, to everybody else.

    Raises Unavailable for one that somebody else put there: a temporary folder is open to all."""
    status = folder.lstat()
    if status.st_uid not in (os.geteuid(), other_uid) or folder.is_symlink():
        raise Unavailable(f"{folder} belongs to somebody else. Remove it and start again")
    folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """A file of mode 0600 that is whole or not there, durable before this returns."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
