"""A second opinion on pictures that are about to leave: a text detector in a child process with no keys.

It holds what it doubts for a person to look at, and never changes a picture. Drawn letters are found without a model; an
extra (`pip install aegle[text]`) adds RapidOCR, whose models come in its wheel; nothing is downloaded.
"""

import json
import os
import subprocess
import sys
import threading
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aegle.deid.classes import CLASSES, PixelRisk
from aegle.deid.outcome import Deidentified
from aegle.deid.reasons import Held, HoldReason

SECONDS = 120.0  #: for one object, and for the child to start
_CHILD = "aegle.deid.text_reader"
_NEEDED = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP", "HOME")


class Looking(StrEnum):
    """Which pictures get a second look."""

    NONE = "none"
    RISKY = "risky"  #: whatever may hold text, also where the object or a rule says that it does not
    ALL = "all"  #: every picture


class SecondLook:
    """The detector. Not for use by two threads at once; its child starts with the first picture."""

    def __init__(self, looking: Looking) -> None:
        self._looking = looking
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child. Idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def doubt(self, written: Path, done: Deidentified) -> Held | None:
        """None when there is no text to be seen in the written picture, or none to look at."""
        if not self._is_due(done):
            return None
        places = self._ask(written)
        if places is None:
            return Held(reason=HoldReason.TEXT_SUSPECTED, detail="the text detector could not look at the picture")
        if not places:
            return None
        left, top, width, height = places[0]
        detail = f"{len(places)} place(s), the first {width}x{height} pixels at {left},{top}"
        return Held(reason=HoldReason.TEXT_SUSPECTED, detail=detail)

    def _is_due(self, done: Deidentified) -> bool:
        if self._looking is Looking.NONE or CLASSES[done.alias.sop_class].risk is PixelRisk.NONE:
            return False
        return self._looking is Looking.ALL or done.may_hold_text

    def _ask(self, written: Path) -> list[list[int]] | None:
        """The places where text was found; None when the child died, was late, or could not read the picture."""
        try:
            child = self._child or self._start()
            answer = _exchange(child, {"path": str(written)})
        except (OSError, ValueError):
            self.close()
            return None
        places: list[list[int]] = answer["places"]
        return places

    def _start(self) -> subprocess.Popen[str]:
        environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it could quote what it reads
            text=True,
            env=environment,
        )
        _exchange(self._child, None)
        return self._child


def _exchange(child: subprocess.Popen[str], wish: dict[str, str] | None) -> dict[str, Any]:
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
