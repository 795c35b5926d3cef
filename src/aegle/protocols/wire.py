"""One TCP or TLS connection, read a message of the upper layer at a time, each read before a point in time."""

import contextlib
import selectors
import socket
import ssl
import time

from aegle.errors import BadDicom
from aegle.protocols import pdu

#: Some senders count a PDU's own header in, or not at all: we read up to twice what we ask for.
_BUFFER_BYTES = max(2 * pdu.LONGEST, pdu.LONGEST_REQUEST)
_SEND_SECONDS = 30.0
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1 << 20
_SOCKET_BYTES = 1 << 20


class Wire:
    """A connection. Reads raise ConnectionError when the peer went away and TimeoutError when it is too slow."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)

    def secure(self, context: ssl.SSLContext, until: float, server_name: str | None = None) -> None:
        """The TLS handshake, as its server, or as the client of a server of that name. Raises TimeoutError, or OSError
        where it fails."""
        secured = context.wrap_socket(
            self._socket, server_side=server_name is None, do_handshake_on_connect=False, server_hostname=server_name
        )
        self._socket = secured  # before the handshake, so that `cut` reaches it
        secured.settimeout(_left(until))
        secured.do_handshake()

    def read(self, until: float) -> tuple[int, memoryview]:
        """Type and body of the next PDU; the body is valid until the next read. Raises BadDicom for one too long."""
        self._fill(self._buffer[: pdu.HEADER_BYTES], until)
        kind, length = self._buffer[0], int.from_bytes(self._buffer[2 : pdu.HEADER_BYTES], "big")
        if length > len(self._buffer):
            raise BadDicom("a PDU longer than what was agreed (PS3.8 §D.1)")
        body = self._buffer[:length]
        self._fill(body, until)
        return kind, body

    def _fill(self, view: memoryview, until: float) -> None:
        while view:
            self._socket.settimeout(_left(until))
            count = self._socket.recv_into(view)
            if not count:
                raise ConnectionResetError("closed by the peer")
            view = view[count:]

    def has_news(self) -> bool:
        """Whether something has come that was not read yet. Does not wait."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(0))

    def write(self, content: bytes) -> None:
        """Send all of it, or raise OSError."""
        self._socket.settimeout(_SEND_SECONDS)
        self._socket.sendall(content)

    def hang_up(self) -> None:
        """Say that nothing more comes and give the peer a moment to read it; a plain close could destroy our last word."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            until, spare = time.monotonic() + _LINGER_SECONDS, _LINGER_BYTES
            while spare > 0:
                self._socket.settimeout(_left(until))
                count = self._socket.recv_into(self._buffer)
                if not count:
                    break
                spare -= count
        self._socket.close()

    def cut(self) -> None:
        """End every read and write that waits, from whatever thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the peer is too slow")
    return left
