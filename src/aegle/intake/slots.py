"""Files that are made before they are needed, so that an object that arrives in one costs a single wait for the disk.

A new file is found after a power cut only once its folder was synced too. Here the folder is synced for many files at once, and
before anything is in them; while some are left, in a thread beside those that receive.
"""

import contextlib
import os
import secrets
import threading
from collections import deque
from pathlib import Path

from aegle import durable
from aegle.errors import StorageFull

_AT_ONCE = 32
_FEW = 16  #: left, and more are made
_PREFIX = "slot-"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class Slots:
    """Empty files in one folder, whose names outlast a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: deque[Path] = deque()
        self._making = threading.Lock()

    def take(self) -> Path:
        """One that nobody else gets. Raises StorageFull."""
        slot = self._next()
        if len(self._ready) < _FEW and self._making.acquire(blocking=False):
            threading.Thread(target=self._make_ahead, name="slots", daemon=True).start()
        return slot

    def close(self) -> None:
        """Return once nobody makes any more: the folder may go then."""
        with self._making:
            pass

    def _next(self) -> Path:
        while True:
            try:
                return self._ready.popleft()
            except IndexError:
                with self._making:
                    if not self._ready:
                        self._make()

    def _make_ahead(self) -> None:
        """Where it fails, whoever needs one tries again and is told."""
        try:
            with contextlib.suppress(OSError, StorageFull):
                self._make()
        finally:
            self._making.release()

    def _make(self) -> None:
        made = list[Path]()
        try:
            with durable.storage():
                for _ in range(_AT_ONCE):
                    made.append(self._folder / f"{_PREFIX}{secrets.token_hex(8)}")
                    os.close(os.open(made[-1], _NEW, 0o600))
                durable.sync_folder(self._folder)
        except BaseException:
            for path in made:
                path.unlink(missing_ok=True)
            raise
        self._ready.extend(made)


def is_slot(path: Path) -> bool:
    """Whether a file is one of these."""
    return path.name.startswith(_PREFIX)
