"""A multipart/related body read as it arrives, each part to a file of its own (RFC 2046 §5.1, PS3.18 §8.6.1.2).

Memory: a quarter of a megabyte. A boundary is searched for, lengths in headers are not believed.
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from io import FileIO
from pathlib import Path

from aegle.errors import BadMessage, TooLarge
from aegle.protocols.ahead import Ahead
from aegle.protocols.multipart import boundary_of

HEADERS_MAX_BYTES = 8 << 10  #: of one part, and of what comes before the first
PADDING_MAX = 256  #: blanks behind a boundary
PARTS_MAX = 10_000
_BUFFER_BYTES = 1 << 18
_SPARES = 16
_spare: list[bytearray] = []
_NEW = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part, in a file that its reader's owner takes over or removes."""

    path: Path
    media_type: str
    digest: str  #: SHA-256, lower-case hexadecimal


class _State(Enum):
    START = auto()
    HEADERS = auto()
    FIRST = auto()  #: after a part's headers: the end of their empty line may be the start of the next boundary
    BODY = auto()
    CLOSED = auto()  #: after the hyphens of the last boundary
    END = auto()


class PartReader:
    """Receive into `space`, then say how much with `received`; or `feed` it blocks. `parts` grows. Call `discard` whenever
    the body is not wanted any more."""

    def __init__(
        self, content_type: str, folder: Path, part_max_bytes: int, new_file: Callable[[], Path] | None = None
    ) -> None:
        """`new_file` names the file for each part, empty or not there yet; else it is one of a random name in `folder`."""
        self._mark = b"\r\n--" + boundary_of(content_type)
        self._new_file = new_file or (lambda: folder / secrets.token_hex(8))
        self._most = part_max_bytes
        self._state = _State.START
        self._buffer = bytearray(b"\r\n")  # so that the first boundary reads like every other
        self._at, self._end = 0, 2  #: what of the buffer is not understood yet
        self._file: FileIO | None = None
        self._ahead = Ahead(-1)
        self._path: Path | None = None
        self._media_type = ""
        self._size, self._sum = 0, hashlib.sha256()
        self.parts: list[Part] = []

    def space(self) -> memoryview:
        """Where the next bytes of the body are to be put: some at least. Valid until `received`."""
        if len(self._buffer) < _BUFFER_BYTES:
            start = self._buffer[: self._end]
            self._buffer = _buffer()
            self._buffer[: self._end] = start
        return memoryview(self._buffer)[self._end :]

    def received(self, size: int) -> None:
        """So many bytes were put into `space`. Raises BadMessage and TooLarge; nothing may be fed after that."""
        self._end += size
        while self._step():
            pass
        rest = self._end - self._at
        if self._at:
            self._buffer[:rest] = self._buffer[self._at : self._end]
            self._at, self._end = 0, rest

    def feed(self, block: bytes) -> None:
        """The next bytes of the body, copied. Raises as `received` does."""
        left = memoryview(block)
        while left:
            space = self.space()
            size = min(len(left), len(space))
            space[:size] = left[:size]
            space.release()
            self.received(size)
            left = left[size:]

    def finish(self) -> list[Part]:
        """The parts, once the body has ended. Raises BadMessage when it was cut short."""
        if self._state not in (_State.CLOSED, _State.END):
            raise BadMessage("a multipart body ends before its last boundary")
        self._give_back()
        return self.parts

    @property
    def is_holding(self) -> bool:
        """Whether a file may be there that nobody took over."""
        return self._file is not None or any(part.path.exists() for part in self.parts)

    def discard(self) -> None:
        """Remove the files that nobody took over."""
        with contextlib.suppress(OSError):  # of the disk, about a file that goes anyway
            self._close()
        self._give_back()
        for path in [*(part.path for part in self.parts), *([self._path] if self._path else [])]:
            path.unlink(missing_ok=True)

    def _give_back(self) -> None:
        if len(self._buffer) == _BUFFER_BYTES and len(_spare) < _SPARES:
            _spare.append(self._buffer)
        self._buffer, self._at, self._end = bytearray(), 0, 0

    def _step(self) -> bool:
        """Whether something was understood, so that more may be."""
        if self._state is _State.START:
            return self._begin()
        if self._state is _State.HEADERS:
            return self._open()
        if self._state is _State.FIRST:
            return self._begin_body()
        if self._state is _State.BODY:
            return self._copy()
        if self._state is _State.CLOSED:
            return self._close_body()
        self._at = self._end  # after the last boundary nothing is looked at
        return False

    def _begin(self) -> bool:
        at = self._buffer.find(self._mark, self._at, self._end)
        if at < 0:
            self._bound_headers()
            return False
        self._at, self._state = at + len(self._mark), _State.HEADERS
        return True

    def _open(self) -> bool:
        """After a boundary: the end of the body, or a part's headers up to an empty line."""
        start = self._buffer[self._at : min(self._at + 2, self._end)]
        if start == b"--":
            self._at, self._state = self._at + 2, _State.CLOSED
            return True
        if start == b"-" or not self._ends_its_line():
            return False
        end = self._buffer.find(b"\r\n\r\n", self._at, self._end)
        if end < 0:
            self._bound_headers()
            return False
        if self._buffer.find(self._mark, self._at, end + 2) >= 0:
            raise BadMessage("a part of a multipart body has no end of headers")
        if len(self.parts) >= PARTS_MAX:
            raise TooLarge(f"a body of more than {PARTS_MAX} parts; send them in several requests")
        self._media_type = _media_type(bytes(self._buffer[self._at : end]))
        self._at = end + 2
        self._path = self._new_file()
        self._file = FileIO(os.open(self._path, _NEW, 0o600), "wb")
        self._ahead = Ahead(self._file.fileno())
        self._size, self._sum, self._state = 0, hashlib.sha256(), _State.FIRST
        return True

    def _begin_body(self) -> bool:
        """A part may have no body at all, not even an empty one: then its boundary begins with its headers' last line end."""
        start = self._buffer[self._at : min(self._at + len(self._mark), self._end)]
        if start != self._mark:
            if self._mark.startswith(start):
                return False
            self._at += 2
        self._state = _State.BODY
        return True

    def _close_body(self) -> bool:
        """After the last boundary comes a line end, or nothing."""
        if self._ends_its_line():
            self._state = _State.END
        return self._state is _State.END

    def _ends_its_line(self) -> bool:
        """Whether a boundary's line is at its end, which then comes next. Blanks before it are padding (RFC 2046 §5.1.1)."""
        at = self._at
        while at < min(self._end, self._at + PADDING_MAX) and self._buffer[at] in b" \t":
            at += 1
        start = self._buffer[at : min(at + 2, self._end)]
        if not b"\r\n".startswith(start):
            raise BadMessage("a multipart body is not divided where it says")
        if len(start) == 2:
            self._at = at
        return len(start) == 2

    def _copy(self) -> bool:
        at = self._buffer.find(self._mark, self._at, self._end)
        if at < 0:
            end = self._end - len(self._mark) + 1  # what may be the start of a boundary stays
            if end > self._at:
                self._write(end)
            return False
        self._write(at)
        self._close()
        assert self._path is not None  # noqa: S101  (a part was opened)
        self.parts.append(Part(path=self._path, media_type=self._media_type, digest=self._sum.hexdigest()))
        self._path = None
        self._at, self._state = at + len(self._mark), _State.HEADERS
        return True

    def _write(self, end: int) -> None:
        """The buffer up to there goes into the part's file."""
        self._size += end - self._at
        if self._size > self._most:
            raise TooLarge(f"a part of more than {self._most // 1_000_000} MB")
        with memoryview(self._buffer) as whole, whole[self._at : end] as piece:
            if self._file is not None:
                written = 0
                while written < len(piece):  # an unbuffered file may take a part of it
                    written += self._file.write(piece[written:])
                self._sum.update(piece)
                self._ahead.wrote(len(piece))
        self._at = end

    def _close(self) -> None:
        if self._file is not None:
            try:
                self._ahead.wait()
            finally:
                self._file.close()
                self._file = None

    def _bound_headers(self) -> None:
        if self._end - self._at > HEADERS_MAX_BYTES:
            raise BadMessage("a part of a multipart body has no end of headers, or the body no boundary")


def _buffer() -> bytearray:
    """One that was used before, where there is one: fresh memory costs as much as what is done in it."""
    try:
        return _spare.pop()
    except IndexError:
        return bytearray(_BUFFER_BYTES)


def _media_type(headers: bytes) -> str:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            return value.partition(b";")[0].strip().lower().decode("ascii", "replace")
    return ""
