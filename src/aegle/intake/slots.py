"""Files that are made before they are needed, so that an object that arrives in one costs a single wait for the disk.

A new file is found after a power cut only once its folder was synced too. Here the folder is synced for many files at once, and
before anything is in them.
"""

import secrets
import threading
from collections import deque
from pathlib import Path

from aegle import durable

_AT_ONCE = 32
_PREFIX = "slot-"


class Slots:
    """Empty files in one folder, whose names outlast a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: deque[Path] = deque()
        self._turn = threading.Lock()

    def take(self) -> Path:
        """One that nobody else gets. Raises StorageFull."""
        with self._turn:
            if not self._ready:
                self._make()
            return self._ready.popleft()

    def _make(self) -> None:
        with durable.storage():
            made = [self._folder / f"{_PREFIX}{secrets.token_hex(8)}" for _ in range(_AT_ONCE)]
            for path in made:
                path.touch(mode=0o600, exist_ok=False)
            durable.sync_folder(self._folder)
        self._ready.extend(made)


def is_slot(path: Path) -> bool:
    """Whether a file is one of these."""
    return path.name.startswith(_PREFIX)
