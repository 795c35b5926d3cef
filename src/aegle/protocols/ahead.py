"""The bytes of a large file on their way to the disk while more of them come, so that the last sync finds little left."""

import functools
import os
from concurrent.futures import Future, ThreadPoolExecutor

_EACH_BYTES = 32 << 20
_sync = getattr(os, "fdatasync", os.fsync)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "sync-ahead")


class Ahead:
    """Of one file that is being written; its descriptor stays open until `wait`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._left = descriptor, _EACH_BYTES
        self._running: Future[None] | None = None

    def wrote(self, size: int) -> None:
        """So many bytes more were written. Raises OSError that an earlier part of the file met."""
        self._left -= size
        if self._left <= 0 and (self._running is None or self._running.done()):
            self.wait()
            self._running = _threads().submit(_sync, self._descriptor)
            self._left = _EACH_BYTES

    def wait(self) -> None:
        """Return when nothing runs. Raises OSError: an error of the disk is told once, so it must not be passed over."""
        if self._running is not None:
            running, self._running = self._running, None
            running.result()
