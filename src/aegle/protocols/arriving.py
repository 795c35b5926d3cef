"""An object on its way in and out again: to disk as it comes, given up early when it is too large or the disk is full."""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from aegle import durable, faults
from aegle.dicom import arrival
from aegle.dicom.identity import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from aegle.errors import AegleError, BadDicom, TooLarge
from aegle.protocols.command import Command

#: Of an object that we gave up, so much more is read in order to answer with a status; then the association is aborted.
SPARE_BYTES = 64_000_000


class Arriving:
    """One C-STORE's data set in a Part 10 file of its own. Memory: nothing but what the caller holds."""

    def __init__(self, path: Path, request: Command, syntax: str, most_bytes: int, sender: str | None = None) -> None:
        """Into `path`, made unless it is there. With a `sender` the file is marked as received from it (`dicom.arrival`)."""
        self.path = path
        self._sender, self._checksum, self._written = sender, 0, 0
        self.problem: AegleError | None = None  #: set: nothing more is written, and nothing is on disk
        self.received = 0  #: bytes of the data set
        self._most_bytes = most_bytes
        self._file: int | None = None
        with self._giving_up():
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            start = preamble(request.sop_class, request.sop_instance, syntax)
            self._write(memoryview(start)[: arrival.PREAMBLE])
            self._write_rest(memoryview(start)[arrival.PREAMBLE :])

    def add(self, content: memoryview) -> None:
        """The next bytes of the data set. Never raises for the disk's sake: see `problem`."""
        self.received += len(content)
        if self.problem is None:
            with self._giving_up():
                if self.received > self._most_bytes:
                    raise TooLarge(f"an object of more than {self._most_bytes // 1_000_000} MB")
                self._write_rest(content)

    @property
    def is_hopeless(self) -> bool:
        """Whether it was given up, and is so large that not even its end is awaited."""
        return self.problem is not None and self.received > self._most_bytes + SPARE_BYTES

    def complete(self) -> None:
        """It is whole: mark it, and close the file, which stays until `discard`. See `problem`."""
        if self._sender is not None and self._file is not None:
            with self._giving_up():
                os.lseek(self._file, 0, os.SEEK_SET)
                self._write(memoryview(arrival.mark(self._written, self._checksum, self._sender)))
                faults.reach(faults.Point.DOOR_MARKED)
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def discard(self) -> None:
        """Leave nothing of it; also right after somebody took the file over."""
        self._close()
        self.path.unlink(missing_ok=True)

    def _write_rest(self, content: memoryview) -> None:
        if self._sender is not None:
            self._checksum, self._written = zlib.crc32(content, self._checksum), self._written + len(content)
        self._write(content)
        faults.reach(faults.Point.DOOR_ARRIVING)

    def _write(self, content: memoryview) -> None:
        assert self._file is not None  # noqa: S101  (it is open as long as there is no problem)
        while content:
            content = content[os.write(self._file, content) :]

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            with durable.storage():
                yield
        except AegleError as error:
            self.problem = error
            self.discard()


def preamble(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """Preamble, prefix and file meta information (PS3.10 §7.1) of a received data set."""
    elements = (
        struct.pack("<HH2sHI", 2, 0x0001, b"OB", 0, 2) + b"\0\1",
        _short(0x0002, b"UI", sop_class),
        _short(0x0003, b"UI", sop_instance),
        _short(0x0010, b"UI", syntax),
        _short(0x0012, b"UI", IMPLEMENTATION_UID),
        _short(0x0013, b"SH", IMPLEMENTATION_NAME),
    )
    body = b"".join(elements)
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


def data_set(path: Path, block_bytes: int = 131_072) -> Iterator[bytes]:
    """What follows the file meta information of a Part 10 file, a block at a time. Raises BadDicom."""
    with path.open("rb") as stream:
        stream.seek(132)
        at, head = 132, stream.read(12)
        while head[:2] == b"\2\0":  # explicit VR, little endian (PS3.10 §7.1)
            is_long = head[4:6] in (b"OB", b"UN", b"UT", b"OW", b"SQ")
            at += 12 + int.from_bytes(head[8:12], "little") if is_long else 8 + int.from_bytes(head[6:8], "little")
            stream.seek(at)
            head = stream.read(12)
        if at == 132:
            raise BadDicom("a file without file meta information (PS3.10 §7.1)")
        stream.seek(at)
        yield from iter(lambda: stream.read(block_bytes), b"")


def _short(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value
