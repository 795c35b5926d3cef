"""Messages between the worker and its model process: a JSON head and raw buffers, each with its length. Never a pickle.

On the wire: 4-byte big-endian length of the head, the head, then the buffers whose lengths the head lists.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import pack, unpack
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAX_HEAD_BYTES = 1 << 20
MAX_BUFFER_BYTES = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Message:
    """One request or answer."""

    head: Mapping[str, Any]
    buffers: Sequence[bytes] = field(default=())


class Ended(Exception):
    """The other side closed the pipe, or sent what is no message."""


def send(stream: IO[bytes], message: Message) -> None:
    """Write and flush one message."""
    head = json.dumps({**message.head, "sizes": [len(buffer) for buffer in message.buffers]}).encode()
    stream.write(pack(">I", len(head)))
    stream.write(head)
    for buffer in message.buffers:
        stream.write(buffer)
    stream.flush()


def receive(stream: IO[bytes]) -> Message:
    """Read one message. Raises Ended."""
    (length,) = unpack(">I", _exactly(stream, 4))
    if length > MAX_HEAD_BYTES:
        raise Ended("a head over the bound")
    try:
        head = json.loads(_exactly(stream, length))
        sizes = [int(size) for size in head.pop("sizes")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Ended("a head that is no JSON object with sizes") from error
    if min(sizes, default=0) < 0 or sum(sizes) > MAX_BUFFER_BYTES:
        raise Ended("buffers over the bound")
    return Message(head=head, buffers=tuple(_exactly(stream, size) for size in sizes))


def _exactly(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise Ended("the pipe ended")
    return content


def arrays_message(arrays: Mapping[str, NDArray[Any]], **facts: Any) -> Message:
    """A message that carries named arrays."""
    shapes = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    buffers = tuple(np.ascontiguousarray(array).tobytes() for array in arrays.values())
    return Message(head={**facts, "arrays": shapes}, buffers=buffers)


def arrays_in(message: Message) -> dict[str, NDArray[Any]]:
    """The arrays of a message made by `arrays_message`. Raises Ended when they do not fit their shapes."""
    try:
        named = zip(message.head["arrays"].items(), message.buffers, strict=True)
        return {name: np.frombuffer(data, np.dtype(kind)).reshape(shape) for (name, (kind, shape)), data in named}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Ended("arrays that do not fit their shapes") from error
