"""The child's side of `child`: answers a line of JSON by a line, until standard input ends.

Where the system can copy a process, each question has a copy for itself, made before anything of it was read: what one
patient's picture does to a decoder cannot reach the next one's, and all memory goes back. Memory and processor time are bounded.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from aegle.bounds import COPIES, in_a_copy, limit_memory

Answer = Callable[[dict[str, Any]], dict[str, Any]]
_FAILED = {"failed": True}


def serve(answer: Answer, memory_bytes: int, processor_seconds: int, *, copied: bool = True) -> None:
    """Answer every question; `copied` is for what may be copied: a process that has threads may not."""

    def respond() -> None:
        try:
            said = answer(wish)
        except Exception:  # noqa: BLE001 - decoders over hostile bytes: whatever they raise, there is no answer
            said = _FAILED
        _say(said)

    limit_memory(memory_bytes)
    _say({"ready": True})
    for line in sys.stdin:
        wish = json.loads(line)
        if not (copied and COPIES):
            respond()
        elif not in_a_copy(respond, processor_seconds):
            _say(_FAILED)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
