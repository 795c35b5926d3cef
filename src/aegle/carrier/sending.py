"""How an answer goes out: head and small pieces in one call, files by `sendfile`, in chunks where no size is known."""

import contextlib
import http
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from email.utils import formatdate

from aegle.carrier.messages import Piece, Response, Run

_BODILESS = frozenset({204, 304})
_TOGETHER = 1 << 16  #: what is smaller is gathered before it is sent
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}
_BLOCK = 1 << 18
_MORE = getattr(socket, "MSG_MORE", 0)  #: more follows at once: do not send a small packet


class _Clock:
    """The Date header (RFC 9110 §6.6.1), made once a second."""

    def __init__(self) -> None:
        self._second, self._text = 0, ""

    def line(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._text, self._second = formatdate(second, usegmt=True), second
        return self._text


_clock = _Clock()


def send(connection: socket.socket, response: Response, *, minor: int, stays: bool, is_head: bool = False) -> bool:
    """Send it, and answer whether the connection may carry another. Raises OSError when the other side does not take it,
    and what making a piece raises: then the connection is to be cut, so that nobody takes what came for the whole."""
    chunked = response.size_bytes is None and response.status not in _BODILESS
    if chunked and minor == 0:
        chunked = stays = False
    head = _head(response, chunked=chunked, stays=stays)
    if is_head or response.status in _BODILESS:
        connection.sendall(head)
        return stays
    pieces = _chunks(response.pieces) if chunked else iter(response.pieces)
    sent = _send_all(connection, head, pieces)
    if response.size_bytes is not None and sent != response.size_bytes + len(head):
        raise OSError("an answer is of another size than it said")
    return stays


def _head(response: Response, *, chunked: bool, stays: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, '')}", f"date: {_clock.line()}"]
    lines += [f"{name.lower()}: {value}" for name, value in response.headers.items()]
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif response.size_bytes is not None and response.status not in _BODILESS:
        lines.append(f"content-length: {response.size_bytes}")
    if not stays:
        lines.append("connection: close")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header of an answer holds a line's end")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _chunks(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        size = piece.size_bytes if isinstance(piece, Run) else len(piece)
        if size:
            yield f"{size:x}\r\n".encode()
            yield piece
            yield b"\r\n"
    yield b"0\r\n\r\n"


def _send_all(connection: socket.socket, head: bytes, pieces: Iterator[Piece]) -> int:
    held, size, total = [head], len(head), 0
    for piece in pieces:
        if isinstance(piece, Run):
            if held:
                _send_bytes(connection, held, _MORE)
            _send_run(connection, piece)
            total, held, size = total + size + piece.size_bytes, [], 0
            continue
        held.append(piece)
        size += len(piece)
        if size >= _TOGETHER:
            _send_bytes(connection, held)
            total, held, size = total + size, [], 0
    if held:
        _send_bytes(connection, held)
    return total + size


def _send_bytes(connection: socket.socket, held: list[bytes], flags: int = 0) -> None:
    if len(held) < 2 or sys.platform == "win32":
        connection.sendall(b"".join(held), flags)
    else:
        for start in range(0, len(held), 64):  # some systems take no more buffers in one call
            several = held[start : start + 64]
            sent = connection.sendmsg(several, (), flags)
            if sent < sum(map(len, several)):
                connection.sendall(b"".join(several)[sent:], flags)


def _send_run(connection: socket.socket, run: Run) -> None:
    with run.path.open("rb", buffering=0) as stream:
        if sys.platform == "linux":
            at, end = run.offset, run.offset + run.size_bytes
            while at < end:
                sent = os.sendfile(connection.fileno(), stream.fileno(), at, min(end - at, 1 << 30))
                if not sent:
                    raise OSError("a file is shorter than it was")
                at += sent
        else:
            stream.seek(run.offset)
            _copy(connection, stream.fileno(), run.size_bytes)


def _copy(connection: socket.socket, descriptor: int, left: int) -> None:
    while left:
        block = os.read(descriptor, min(left, _BLOCK))
        if not block:
            raise OSError("a file is shorter than it was")
        connection.sendall(block)
        left -= len(block)


def part(connection: socket.socket, seconds: float = 2.0) -> None:
    """End a connection whose other side may still be sending: it reads our last answer before it learns that we left."""
    until = time.monotonic() + seconds
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.5)
        while time.monotonic() < until and connection.recv(_BLOCK):
            pass
