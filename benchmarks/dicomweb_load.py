"""DICOMweb clients that cost little beside the servers they drive: bare sockets with TCP_NODELAY, files sent by the system.

Run as a program it is one client: it connects, waits for a line, does its share, and prints the seconds of each request.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

BOUNDARY = "share-of-work"
_OPEN = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
_CLOSE = f"\r\n--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one client does: sends each file by STOW-RS, or gets each path."""

    port: int
    root: str  #: path of the DICOMweb service
    token: str
    send: tuple[str, ...] = ()
    get: tuple[str, ...] = ()
    accept: str = "application/dicom+json"


@dataclass(frozen=True, kw_only=True)
class Told:
    """How it went: elapsed seconds of all clients together, seconds of each request, bytes that came back."""

    seconds: float
    each: tuple[float, ...]
    received: int

    @property
    def p99_ms(self) -> float:
        """Milliseconds within which 99 of 100 requests were answered."""
        return statistics.quantiles(self.each, n=100, method="inclusive")[98] * 1000


def drive(shares: Sequence[Share]) -> Told:
    """All clients at once, each a process of its own; every answer must say that all is well."""
    clients = [_start(share) for share in shares]
    began = time.perf_counter()
    for client in clients:
        assert client.stdin is not None
        client.stdin.write(b"go\n")
        client.stdin.flush()
    told = [json.loads(client.communicate(timeout=1800)[0]) for client in clients]
    seconds = time.perf_counter() - began
    assert all(client.returncode == 0 for client in clients)
    each = tuple(one for item in told for one in item["each"])
    return Told(seconds=seconds, each=each, received=sum(item["received"] for item in told))


def _start(share: Share) -> subprocess.Popen[bytes]:
    program = [sys.executable, __file__]
    client = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdin is not None and client.stdout is not None
    client.stdin.write(json.dumps(asdict(share)).encode() + b"\n")
    client.stdin.flush()
    assert client.stdout.readline() == b"ready\n"
    return client


class Client:
    """One connection that stays open."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._socket = socket.create_connection(("127.0.0.1", share.port), timeout=900)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers: BinaryIO = self._socket.makefile("rb", 1 << 20)
        self._fixed = f"Host: 127.0.0.1:{share.port}\r\nAuthorization: Bearer {share.token}\r\n"

    def get(self, path: str) -> int:
        """Bytes of the answer."""
        head = f"GET {self._share.root}{path} HTTP/1.1\r\n{self._fixed}Accept: {self._share.accept}\r\n\r\n"
        self._socket.sendall(head.encode())
        return self._answer()

    def send(self, path: str) -> int:
        """Store one file."""
        size = Path(path).stat().st_size
        head = (
            f"POST {self._share.root}/studies HTTP/1.1\r\n{self._fixed}Accept: application/dicom+json\r\n"
            f'Content-Type: multipart/related; type="application/dicom"; boundary={BOUNDARY}\r\n'
            f"Content-Length: {len(_OPEN) + size + len(_CLOSE)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + _OPEN)
        with Path(path).open("rb") as file:
            self._socket.sendfile(file)
        self._socket.sendall(_CLOSE)
        return self._answer()

    def _answer(self) -> int:
        status, length, chunked = self._answers.readline(), 0, False
        while (line := self._answers.readline()) != b"\r\n":
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
            chunked |= name == b"transfer-encoding" and b"chunked" in value
        received = self._chunks() if chunked else self._read(length)
        assert status.split()[1] in (b"200", b"204"), status
        return received

    def _chunks(self) -> int:
        received = 0
        while size := int(self._answers.readline(), 16):
            received += self._read(size)
            self._answers.readline()
        self._answers.readline()
        return received

    def _read(self, length: int) -> int:
        left = length
        while left:
            piece = self._answers.read(min(left, 1 << 20))
            assert piece, "the connection ended in the middle of an answer"
            left -= len(piece)
        return length


def main() -> None:
    """One client, told by a line of JSON."""
    share = Share(**json.loads(sys.stdin.readline()))
    client, each, received = Client(share), list[float](), 0
    os.write(1, b"ready\n")
    sys.stdin.readline()
    for path, act in [*((it, client.send) for it in share.send), *((it, client.get) for it in share.get)]:
        began = time.perf_counter()
        received += act(path)
        each.append(time.perf_counter() - began)
    os.write(1, json.dumps({"each": each, "received": received}).encode())


if __name__ == "__main__":
    main()
