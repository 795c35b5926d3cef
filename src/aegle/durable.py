"""Files that survive a power cut: write, fsync, rename, fsync the folder, and only then answer."""

import errno
import os
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from aegle.errors import Overloaded, StorageFull

T = TypeVar("T")

_LOOK_SECONDS, _SYNCED_BYTES = 0.02, 32 << 20  #: how often, and how much, a file that grows is forced to the disk
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS} if hasattr(errno, "EDQUOT") else {errno.ENOSPC, errno.EROFS}

_NO_ROOM_IN_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR}
_FULL = "The disk is full or read-only. Free space, then try again; nothing was lost."


def sync_file(path: Path) -> None:
    """Force a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_growing(path: Path, whole: threading.Event) -> None:
    """Force a file's bytes to the disk while another thread writes it, and all of them once `whole` is set: what is left
    to wait for is then little. Nothing to do for a file that was never made, or is gone."""
    if os.name == "nt":
        whole.wait()  # it could not be removed while it is open here
    while not path.exists() and not whole.wait(_LOOK_SECONDS):
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return
    try:
        synced = 0
        while not whole.wait(_LOOK_SECONDS):
            size = os.fstat(descriptor).st_size
            if size - synced >= _SYNCED_BYTES:
                os.fsync(descriptor)
                synced = size
        if os.fstat(descriptor).st_nlink:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk; Windows does so with the rename itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle(temporary: Path, target: Path) -> None:
    """Move a written and synced file to its final name, durable on return. Same file system; replaces `target`."""
    temporary.replace(target)
    sync_folder(target.parent)


def write(target: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a small file whole or not at all, durable on return."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with storage():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            settle(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def private_folder(path: Path) -> Path:
    """Make a folder (and its parents) that only its owner may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@contextmanager
def storage() -> Iterator[None]:
    """Turn the operating system's and SQLite's 'no room' and 'read-only' into StorageFull; everything else passes as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull(_FULL) from error
        raise
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in _NO_ROOM_IN_SQLITE:
            raise StorageFull(_FULL) from error
        raise


def claim(path: Path, what: str, wait_seconds: float = 15.0) -> sqlite3.Connection:
    """Hold something alone among processes until the answer is closed or we end, however we end.

    An SQLite lock: the same on every system, and freed by the system even after a kill. Raises Overloaded when another
    process holds it.
    """
    connection = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        connection.close()
        raise Overloaded(f"another process uses {what}; stop it first. What `aegle up` started ends with it") from None
    return connection


class _Waiting(Generic[T]):
    """One item on its way to the disk."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.done = False
        self.error: BaseException | None = None


class Together(Generic[T]):
    """Whoever comes while another commits waits, and then commits for all who wait: one wait for the disk for all of them."""

    def __init__(self, commit: Callable[[Sequence[T]], None]) -> None:
        """`commit` makes items durable, all or none, in the order they came. It is called by one thread at a time."""
        self._commit = commit
        self._turn = threading.Lock()
        self._waiting: deque[_Waiting[T]] = deque()

    def add(self, item: T) -> None:
        """Durable on return. Raises what `commit` raises for this item by itself."""
        ours = _Waiting(item)
        self._waiting.append(ours)
        with self._turn:
            if not ours.done:
                self._commit_all([self._waiting.popleft() for _ in range(len(self._waiting))])
        if ours.error is not None:
            raise ours.error

    def _commit_all(self, batch: Sequence[_Waiting[T]]) -> None:
        """At once; when that fails, one by one, so that only the one at fault hears of it. None returns as if it were durable."""
        try:
            self._commit([waiting.item for waiting in batch])
        except BaseException as failure:
            if len(batch) > 1 and isinstance(failure, Exception):
                for waiting in batch:
                    self._commit_all([waiting])
                return
            for waiting in batch:
                waiting.done, waiting.error = True, failure
            if not isinstance(failure, Exception):
                raise
        else:
            for waiting in batch:
                waiting.done = True
