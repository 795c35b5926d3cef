"""What comes in on one connection: heads, and the bodies behind them, none read further than its end.

Memory: 16 KB a connection; a body goes where its reader wants it.
"""

import contextlib
import select
import socket
import struct
import sys
import time

from aegle.carrier.head import FIELDS_MAX, HEAD_MAX_BYTES, Head, NotHttp, read_fields, read_head
from aegle.errors import AegleError, BadMessage, TooSlow

SILENCE_SECONDS = 30.0  #: the longest that nothing may come: between requests, and in the middle of a body
HEAD_SECONDS = 15.0  #: from the first to the last byte of a head
SLOWEST_BYTES = 1_000  #: a second, of a body that takes longer than a minute
DRAINED_BYTES = 1 << 20  #: of a body that nobody read, so that its connection can go on
_AT_ONCE = 16 << 10
_CHUNK_LINE_MAX = 256
_WAIT_FOR_ALL = socket.MSG_WAITALL if hasattr(socket, "MSG_WAITALL") and sys.platform != "win32" else 0


class Gone(Exception):
    """Nobody is there any more, or nobody says anything."""


class Wire:
    """The incoming half of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._held, self._at = b"", 0  #: received, and how much of it is used
        set_patience(connection, SILENCE_SECONDS)

    def head(self) -> Head | None:
        """The next request's head; None at the end of the connection. Raises NotHttp, and Gone in the middle of a head."""
        held, began, sought = self._held[self._at :], 0.0, 0
        self._held, self._at = b"", 0
        while True:
            end = held.find(b"\r\n\r\n", sought)
            if end >= 0:
                self._held, self._at = held, end + 4
                return read_head(held[:end])
            if len(held) > HEAD_MAX_BYTES:
                raise NotHttp(431, "the head of a request is too long")
            sought = max(0, len(held) - 3)
            if held and not began:
                began = time.monotonic()
            more = self._more(began)
            if not more:
                if held:
                    raise Gone
                return None
            held += more

    def _more(self, began: float) -> bytes:
        """More of a head, in what is left of its time."""
        if not began:
            try:
                return self._socket.recv(_AT_ONCE)
            except (BlockingIOError, TimeoutError):
                return b""
        left = began + HEAD_SECONDS - time.monotonic()
        try:
            set_patience(self._socket, max(0.001, left))
            return self._socket.recv(_AT_ONCE)
        except (BlockingIOError, TimeoutError):
            raise NotHttp(408, "the head of a request came too slowly") from None
        finally:
            set_patience(self._socket, SILENCE_SECONDS)

    def is_ready(self) -> bool:
        """Whether something is there to be read."""
        return self._at < len(self._held) or _is_readable(self._socket)

    def read_into(self, place: memoryview) -> int:
        """At least one byte into `place`, all of it where they come soon. Raises BadMessage and TooSlow."""
        size = len(self._held) - self._at
        if size:
            size = min(size, len(place))
            place[:size] = memoryview(self._held)[self._at : self._at + size]
            self._at += size
            return size
        return self._receive(place, _WAIT_FOR_ALL)

    def line(self, most: int) -> bytes:
        """Up to CR LF, without it. Raises BadMessage for a longer one."""
        while True:
            end = self._held.find(b"\r\n", self._at)
            if end > self._at + most or (end < 0 and len(self._held) - self._at > most):
                raise BadMessage("a line of a body in chunks is too long")
            if end >= 0:
                found, self._at = self._held[self._at : end], end + 2
                return found
            place = bytearray(_CHUNK_LINE_MAX)
            rest, self._held, self._at = self._held[self._at :], b"", 0
            # as much as is there, but not more than a line: what follows is received into its place
            size = self._receive(memoryview(place))
            self._held = rest + place[:size]

    def _receive(self, place: memoryview, flags: int = 0) -> int:
        """At least one byte from the socket. Raises BadMessage and TooSlow."""
        try:
            size = self._socket.recv_into(place, len(place), flags)
        except (BlockingIOError, TimeoutError):
            raise TooSlow("the sender fell silent in the middle of a body") from None
        except OSError:
            size = 0
        if not size:
            raise BadMessage("the sender left in the middle of a body")
        return size


class WireBody:
    """The body behind a head; `messages.Body`. `is_over` says that the next request begins here."""

    def __init__(self, wire: Wire, head: Head, outgoing: socket.socket) -> None:
        self._wire, self._outgoing = wire, outgoing
        self._is_chunked, self._left = head.length is None, head.length or 0
        self._waits = head.waits
        self.is_over = head.length == 0
        self.is_broken = False  #: nobody can say any more where it ends
        self._received, self._began = 0, time.monotonic()

    @property
    def is_untouched(self) -> bool:
        """Whether its sender still waits for leave to send it."""
        return self._waits and not self.is_over

    def is_ready(self) -> bool:
        """Whether a read would not wait; a sender who waits for leave has sent nothing."""
        return self.is_over or (not self._waits and self._wire.is_ready())

    @property
    def may_be_drained(self) -> bool:
        """Whether what is left of it is little, as far as it can be known."""
        return not (self.is_broken or self.is_untouched) and (self._is_chunked or self._left <= DRAINED_BYTES)

    def read_into(self, place: memoryview) -> int:
        """See `messages.Body`."""
        if self.is_over:
            return 0
        if self.is_broken:
            raise BadMessage("the body cannot be read further")
        self.is_broken = True
        size = self._read_into(place)
        self.is_broken = False
        return size

    def drain(self) -> bool:
        """Read what little is left, so that the next request is reached; whether it is."""
        place, left = memoryview(bytearray(1 << 14)), DRAINED_BYTES
        with contextlib.suppress(AegleError):
            while left > 0 and self.may_be_drained and (size := self.read_into(place)):
                left -= size
        return self.is_over

    def _read_into(self, place: memoryview) -> int:
        if self._waits:
            self._outgoing.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._waits = False
        if self._is_chunked and not self._left:
            self._next_chunk()
            if self.is_over:
                return 0
        size = self._wire.read_into(place[: self._left])
        self._left -= size
        self._require_progress(size)
        if self._is_chunked:
            if not self._left and self._wire.line(0):
                raise BadMessage("a chunk of a body does not end where it says")
        else:
            self.is_over = not self._left
        return size

    def _next_chunk(self) -> None:
        """The size of the next chunk; after the last one the trailer, which is read and dropped (RFC 9112 §7.1)."""
        digits, _, extension = self._wire.line(_CHUNK_LINE_MAX).partition(b";")
        size = digits.rstrip(b" \t") if extension else digits
        if not 0 < len(size) <= 12 or size.strip(b"0123456789abcdefABCDEF") or not _is_text(extension):
            raise BadMessage("the size of a chunk is no number")
        self._left = int(size, 16)
        if self._left:
            return
        lines = list[str]()
        while line := self._wire.line(_CHUNK_LINE_MAX * 16):
            lines.append(line.decode("latin-1"))
            if len(lines) > FIELDS_MAX:
                raise BadMessage("a trailer of too many lines")
        try:
            read_fields(lines)
        except NotHttp:
            raise BadMessage("the trailer of a body cannot be read") from None
        self.is_over = True

    def _require_progress(self, size: int) -> None:
        self._received += size
        seconds = time.monotonic() - self._began
        if seconds > 60 and self._received < seconds * SLOWEST_BYTES:
            raise TooSlow("the body comes too slowly")


def _is_text(extension: bytes) -> bool:
    return all(byte == 9 or 32 <= byte != 127 for byte in extension)


def _is_readable(connection: socket.socket) -> bool:
    if sys.platform == "win32":
        return bool(select.select((connection,), (), (), 0)[0])
    else:
        poll = select.poll()  # which has no bound for a descriptor's number
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0))


def set_patience(connection: socket.socket, seconds: float) -> None:
    """How long a call on the connection may wait. The system keeps the time where it can: a timeout of Python's costs
    another system call for each."""
    if sys.platform == "win32":
        connection.settimeout(seconds)
    else:
        value = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
