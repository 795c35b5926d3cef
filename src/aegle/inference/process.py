"""The worker's side of the model process: start it with no more than it needs, bound it, replace it when it falls."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aegle.errors import BadBundle, Unavailable, Unreadable
from aegle.inference.blocks import Block
from aegle.inference.card import Card
from aegle.inference.messages import Ended, Message, arrays_in, arrays_message, receive, send
from aegle.inference.pixels import RGB, PixelFormat
from aegle.inference.quality import Measures
from aegle.inference.rendering import Greys, Rendering

#: environment variables a Python process cannot start without; nothing else is passed on
_NEEDED = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on one model process."""

    seconds: float = 120.0  #: for one answer
    memory_bytes: int = 4 << 30  #: of address space, most of it never touched; not enforced on Windows
    max_pixels: int = 64_000_000  #: decoded at once: an image or block beyond it is not read


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The network's answer for tiles: `[N, C]` and `[N, K, g, g]` floats in [0, 1]."""

    probability: NDArray[np.float32]
    evidence: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class BlockReading:
    """What was found in one block."""

    probability: NDArray[np.float32]  #: `[tiles, C]`
    evidence: NDArray[np.float32]  #: `[K, rows, columns]`, one cell a stride
    measures: Measures


class Child:
    """A child process that answers `inference.messages`. Not for use by two threads at once.

    A child that dies or does not answer in time is killed and replaced; the call that met it is tried once more and
    then refused as Unreadable, so that no picture can take its parent down.
    """

    def __init__(self, module: str, opening: Message, seconds: float) -> None:
        """`module` is run with `python -m`; `opening` is the first message each new child gets."""
        self._module, self._opening, self._seconds = module, opening, seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the child, None before the first call and after `close`."""
        return self._child.pid if self._child else None

    def close(self) -> None:
        """End the child. Idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def _ask(self, message: Message) -> Message:
        for _ in range(2):
            if self._child is None:
                self._start()
            try:
                return _checked(self._exchange(message))
            except (Ended, OSError):
                self.close()
        raise Unreadable("these pixels ended the child process twice")

    def _start(self) -> None:
        environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders quote what they read
            env=environment,
        )
        try:
            _checked(self._exchange(self._opening))
        except (Ended, OSError):
            self.close()
            raise Unavailable("the child process does not start") from None
        except BadBundle:
            self.close()
            raise

    def _exchange(self, message: Message) -> Message:
        """Send and receive; a child over its time is killed, which ends the pipe."""
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise Ended("no child")
        late = threading.Timer(self._seconds, child.kill)
        late.daemon = True
        late.start()
        try:
            send(child.stdin, message)
            return receive(child.stdout)
        finally:
            late.cancel()


class ModelProcess(Child):
    """One child process with one model in it."""

    def __init__(self, model: bytes, card: Card, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        tensors = {"tensor": card.input.tensor, **card.output.model_dump(include={"probability", "evidence"})}
        head = {"memory_bytes": limits.memory_bytes, "max_pixels": limits.max_pixels, "tensors": tensors}
        super().__init__("aegle.inference.child", Message(head=head, buffers=(model,)), limits.seconds)

    def run(self, tiles: RGB) -> Outputs:
        """Run tiles `[N, tile, tile, 3] uint8` as they are. Raises BadBundle, Unreadable, Unavailable."""
        arrays = _float_arrays(self._ask(arrays_message({"tiles": tiles})))
        return Outputs(probability=arrays["probability"], evidence=arrays["evidence"])

    def read(self, block: Block, frames: Sequence[bytes]) -> BlockReading:
        """Decode, measure and run one block of encoded frames. Raises Unreadable, BadBundle, Unavailable."""
        answer = self._ask(Message(head={"block": block.facts()}, buffers=tuple(frames)))
        arrays, measures = _float_arrays(answer), answer.head["measures"]
        return BlockReading(
            probability=arrays["probability"],
            evidence=arrays["evidence"],
            measures=Measures(**{**measures, "sharpness": tuple(measures["sharpness"])}),
        )


class PixelProcess(Child):
    """One child process that only decodes frames: a page shows foreign codestreams without meeting them itself.

    Threads take turns.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits(seconds=30.0, memory_bytes=2 << 30)
        head = {"memory_bytes": limits.memory_bytes, "max_pixels": limits.max_pixels}
        super().__init__("aegle.inference.decoding", Message(head=head), limits.seconds)
        self._turn = threading.Lock()

    def decode(self, frame: bytes, stored: PixelFormat) -> RGB:
        """`[rows, columns, 3] uint8 RGB` of one frame. Raises Unreadable, Unavailable."""
        with self._turn:
            answer = self._ask(Message(head={"stored": asdict(stored)}, buffers=(frame,)))
        return arrays_in(answer)["pixels"]

    def render(self, frame: bytes, stored: PixelFormat, greys: Greys, how: Rendering) -> bytes:
        """One frame as JPEG or PNG. Raises Unreadable, Unavailable."""
        head = {"stored": asdict(stored), "greys": asdict(greys), "how": asdict(how)}
        with self._turn:
            answer = self._ask(Message(head=head, buffers=(frame,)))
        return answer.buffers[0]


def _checked(answer: Message) -> Message:
    if "error" not in answer.head:
        return answer
    kind = BadBundle if answer.head["error"] == BadBundle("").meaning.code else Unreadable
    raise kind(str(answer.head.get("detail", "")))


def _float_arrays(answer: Message) -> dict[str, NDArray[Any]]:
    arrays = arrays_in(answer)
    if any(not np.isfinite(array).all() for array in arrays.values()):
        raise BadBundle("the model answered numbers that are not finite")
    return arrays
