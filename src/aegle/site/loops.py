"""The site's steady work: small loops, each a step that is safe to repeat, each in a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from aegle import logs
from aegle.errors import AegleError, Unavailable

T = TypeVar("T")

_LONGEST_PAUSE = 30.0


def each(items: Sequence[T], step: Callable[[T], object]) -> bool:
    """Take a step for every item; whether there was any. One that fails keeps no other waiting: its error is raised last.

    Raises Unavailable at once: what is away for one is away for all."""
    failures: list[Exception] = []
    for item in items:
        try:
            step(item)
        except Unavailable:
            raise
        except Exception as failure:  # noqa: BLE001  (the edge of a job)
            failures.append(failure)
    if failures:
        raise failures[0]
    return bool(items)


class Loop:
    """Runs `step` again at once while it answers that it did something, else after `idle_seconds` or a `wake`.

    A step that fails is logged and tried again after a growing pause; the loop itself never ends before `stop`.
    """

    def __init__(self, name: str, step: Callable[[], bool], idle_seconds: float) -> None:
        self._name, self._step, self._idle = name, step, idle_seconds
        self._woken = threading.Event()
        self._stopping = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Let the step under way end, then end."""
        self._stopping = True
        self._woken.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            busy = self._try()
            if not busy and not self._stopping:
                self._woken.wait(self._pause())

    def _pause(self) -> float:
        return min(self._idle * 2**self._failures, _LONGEST_PAUSE) if self._failures else self._idle

    def _try(self) -> bool:
        try:
            busy = self._step()
            self._failures = 0
        except AegleError as error:
            self._failures = min(self._failures + 1, 10)
            logs.warning("step postponed", where=self._name, code=error.meaning.code, attempt=self._failures)
            time.sleep(0.05)
            return False
        except Exception as failure:  # noqa: BLE001  (the edge of a job)
            self._failures = min(self._failures + 1, 10)
            logs.crash("step failed", failure, where=self._name, attempt=self._failures)
            return False
        return busy
