"""Starts a server for a test again and again without a fresh Python each time: a parent that imported everything forks.

Each server is a process of its own that a test may kill; only its imports were made before.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegle import faults


@dataclass(frozen=True, kw_only=True)
class Child:
    """One server."""

    nursery: "Nursery"
    pid: int
    said: str  #: its first line

    def kill(self) -> None:
        """As by kill -9; it may be dead already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float = 20) -> int:
        """Its end: the exit status, or minus the signal's number. Until then nothing else can be asked of the nursery."""
        return int(self.nursery.ask({"wait": self.pid, "seconds": seconds}))


class Nursery:
    """The parent, seen from the test."""

    def __init__(self, program: Path) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, str(program), "nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *arguments: str, fault: str = "") -> Child:
        """Returns when the server printed its first line, or died before."""
        pid, said = self.ask({"start": arguments, "fault": fault})
        return Child(nursery=self, pid=pid, said=said)

    def close(self) -> None:
        """End the parent; its servers were killed before."""
        self._parent.communicate()

    def ask(self, wish: dict[str, Any]) -> Any:
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(wish) + "\n")
        self._parent.stdin.flush()
        return json.loads(self._parent.stdout.readline())


def nurse(serve: Callable[..., None]) -> None:
    """The parent itself: `serve` runs in a child with the arguments, prints a line, and never returns."""
    for line in sys.stdin:
        wish = json.loads(line)
        answer = _start(serve, wish) if "start" in wish else _wait(wish["wait"], wish["seconds"])
        print(json.dumps(answer), flush=True)


def _start(serve: Callable[..., None], wish: dict[str, Any]) -> tuple[int, str]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as stream:
            return pid, stream.readline().strip()
    try:
        os.dup2(writing, 1)
        os.close(writing)
        os.close(0)
        os.environ["AEGLE_FAULT"] = wish["fault"]
        importlib.reload(faults)  # reads the environment when it is imported
        serve(*wish["start"])
    finally:
        os._exit(70)


def _wait(pid: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return 1_000
        time.sleep(0.005)
