"""Child processes with none of the site's keys that open files for this one: a line of JSON asked, a line answered.

A child starts with the first question, or when it is told that one is near, and ends with this process, whose end closes the
pipe. What it prints beside its answers is thrown away: decoders quote what they read. The child's side is `serving`.
"""

import json
import os
import subprocess
import sys
import threading
from typing import Any

from aegle.bounds import GROUP, kill

SECONDS = 120.0  #: for one answer, and for the child to start
_IDLE = 2  #: children of one module that are kept for the next question
_NEEDED = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP", "HOME")


class Child:
    """One module run by `python -m`. Two threads may ask: one waits for the other."""

    def __init__(self, module: str, seconds: float = SECONDS) -> None:
        self._module, self._seconds = module, seconds
        self._turn = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._is_ready = False

    @property
    def is_running(self) -> bool:
        """Whether the next question finds it started."""
        return self._running is not None

    def begin(self) -> None:
        """Start it, and do not wait for it: a question is near."""
        with self._turn:
            self._running = self._running or self._start()

    def ask(self, wish: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None when the child cannot give one, died or was late. The next question starts another then."""
        with self._turn:
            try:
                self._running = self._running or self._start()
                if not self._is_ready:
                    self._exchange(self._running, None)
                    self._is_ready = True
                answer = self._exchange(self._running, wish)
            except (OSError, ValueError):
                self._end()
                return None
        return None if "failed" in answer else answer

    def close(self) -> None:
        """End the child. Idempotent."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        running, self._running, self._is_ready = self._running, None, False
        if running is not None:
            kill(running)
            running.communicate()

    def _start(self) -> subprocess.Popen[str]:
        environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            process_group=GROUP,
        )

    def _exchange(self, child: subprocess.Popen[str], wish: dict[str, Any] | None) -> dict[str, Any]:
        """Send a line and read one; a child over its time is killed, which ends the pipe. Raises OSError, ValueError."""
        if child.stdin is None or child.stdout is None:
            raise OSError("no pipe")
        late = threading.Timer(self._seconds, kill, [child])
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


class Children:
    """Children of one module for threads that ask at the same time: each question has one for itself."""

    def __init__(self, module: str, seconds: float = SECONDS) -> None:
        self._module, self._seconds = module, seconds
        self._idle: list[Child] = []

    def begin(self) -> None:
        """See to it that one is started when the next question comes; it is not waited for."""
        if not self._idle:
            child = Child(self._module, self._seconds)
            child.begin()
            self._idle.append(child)

    def ask(self, wish: dict[str, Any]) -> dict[str, Any] | None:
        """As of `Child`."""
        try:
            child = self._idle.pop()
        except IndexError:
            child = Child(self._module, self._seconds)
        answer = child.ask(wish)
        if child.is_running and len(self._idle) < _IDLE:
            self._idle.append(child)
        else:
            child.close()
        return answer
