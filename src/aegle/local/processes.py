"""One child process that is kept running: started, watched, started again, ended with its parent."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from aegle import durable, logs

_LONGEST_PAUSE = 30.0
_QUICK_SECONDS = 10.0


class Kept:
    """A program that runs until `stop`. Its standard input is a pipe of ours: when we end, however, it sees the end of it."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", "aegle", *arguments]
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause = 0.0
        self.quick_deaths = 0  #: in a row, each within ten seconds of its start

    @property
    def pid(self) -> int | None:
        """Of the child that runs now."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def last_words(self) -> str:
        """The last line of its log that is not a log event: what it said before it ended."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.exists() else []
        return next((line for line in reversed(lines) if line.strip() and not line.startswith("{")), "")

    def keep(self) -> None:
        """Start it where it does not run; after quick deaths with a growing pause. Call it often."""
        if self.pid is not None:
            return
        if self._child is not None:
            self._note_death(self._child.returncode)
        if time.monotonic() - self._started_at >= self._pause:
            self._start()

    def stop(self, grace_seconds: float = 15.0) -> None:
        """Ask it to end; kill it when it does not."""
        if self._child is None:
            return
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._child.terminate()
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    def _start(self) -> None:
        durable.private_folder(self._log.parent)
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(self._arguments, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._started_at = time.monotonic()
        logs.info("process started", process=self.name, pid=self._child.pid)

    def _note_death(self, status: int) -> None:
        lived = time.monotonic() - self._started_at
        self.quick_deaths = self.quick_deaths + 1 if lived < _QUICK_SECONDS else 0
        self._pause = min(max(self._pause * 2, 0.5), _LONGEST_PAUSE) if self.quick_deaths else 0.0
        logs.warning("process ended", process=self.name, status=status, seconds=round(lived, 1))
        self._child = None


class _Told(threading.Event):
    """Set by a signal to end."""

    def __call__(self, *_: object) -> None:
        self.set()


def heed() -> threading.Event:
    """From now on a signal to end is kept until `until_told` asks: whoever calls this before it opens anything is never torn
    away in the middle of its start, but starts, and then ends in order."""
    known = signal.getsignal(signal.SIGTERM)
    told = known if isinstance(known, _Told) else _Told()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    return told


def until_told(also: Callable[[], bool] = lambda: False) -> None:
    """Wait, in a child started by `Kept` or by hand, for a signal to end, for the parent's end, or until `also` says so."""
    told = heed()
    keep_loaded()
    if not os.isatty(0):
        threading.Thread(target=_watch_parent, args=(told,), daemon=True).start()
    while not told.wait(0.5) and not also():  # a bare wait() cannot be interrupted by a signal on Windows
        pass


def keep_loaded() -> None:
    """A start is over: what is there now stays to the end. The collector, which would look all of it through again and again,
    some 80 ms each time in which nobody is answered, passes it by."""
    gc.collect()
    gc.freeze()


def _watch_parent(told: threading.Event) -> None:
    # Not through sys.stdin: Python aborts at its end when another thread still holds that reader's lock.
    with contextlib.suppress(OSError):  # no standard input at all
        while os.read(0, 1024):
            pass
        told.set()
