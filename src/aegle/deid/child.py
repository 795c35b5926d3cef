"""A child process with none of the site's keys that opens files for this one: a line of JSON asked, a line answered.

It starts with the first question and ends with this process, whose end closes the pipe. What it prints beside its answers
is thrown away: decoders quote what they read.
"""

import json
import os
import subprocess
import sys
import threading
from typing import Any

SECONDS = 120.0  #: for one answer, and for the child to start
_NEEDED = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP", "HOME")


class Child:
    """One module run by `python -m`. Two threads may ask: one waits for the other."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._turn = threading.Lock()
        self._running: subprocess.Popen[str] | None = None

    def ask(self, wish: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None when the child died or was late. The next question starts another."""
        with self._turn:
            try:
                return _exchange(self._running or self._start(), wish)
            except (OSError, ValueError):
                self._end()
                return None

    def close(self) -> None:
        """End the child. Idempotent."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            running.communicate()

    def _start(self) -> subprocess.Popen[str]:
        environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        self._running = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        _exchange(self._running, None)
        return self._running


def _exchange(child: subprocess.Popen[str], wish: dict[str, Any] | None) -> dict[str, Any]:
    """Send a line and read one; a child over its time is killed, which ends the pipe. Raises OSError, ValueError."""
    if child.stdin is None or child.stdout is None:
        raise OSError("no pipe")
    late = threading.Timer(SECONDS, child.kill)
    late.daemon = True
    late.start()
    try:
        if wish is not None:
            child.stdin.write(json.dumps(wish) + "\n")
            child.stdin.flush()
        answer: dict[str, Any] = json.loads(child.stdout.readline())
    finally:
        late.cancel()
    return answer
