"""A multipart/related body read as it arrives, each part to a file of its own (RFC 2046 §5.1, PS3.18 §8.6.1.2).

Memory: the block given plus one boundary. A boundary is searched for, lengths in headers are not believed.
"""

import hashlib
import secrets
from dataclasses import dataclass
from enum import Enum, auto
from io import FileIO
from pathlib import Path

from aegle.errors import BadMessage, TooLarge
from aegle.protocols.multipart import boundary_of

HEADERS_MAX_BYTES = 8 << 10  #: of one part, and of what comes before the first
PARTS_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part, in a file that its reader's owner takes over or removes."""

    path: Path
    media_type: str
    digest: str  #: SHA-256, lower-case hexadecimal


class _State(Enum):
    START = auto()
    HEADERS = auto()
    BODY = auto()
    END = auto()


class PartReader:
    """Feed it blocks; `parts` grows. Call `discard` whenever the body is not wanted any more."""

    def __init__(self, content_type: str, folder: Path, part_max_bytes: int) -> None:
        self._mark = b"\r\n--" + boundary_of(content_type)
        self._folder, self._most = folder, part_max_bytes
        self._state, self._rest = _State.START, b"\r\n"  # so that the first boundary reads like every other
        self._file: FileIO | None = None
        self._path, self._media_type = folder, ""
        self._size, self._sum = 0, hashlib.sha256()
        self.parts: list[Part] = []

    def feed(self, block: bytes) -> None:
        """The next bytes of the body. Raises BadMessage and TooLarge; nothing may be fed after that."""
        self._rest = self._rest + block if self._rest else block
        while self._step():
            pass

    def finish(self) -> list[Part]:
        """The parts, once the body has ended. Raises BadMessage when it was cut short."""
        if self._state is not _State.END:
            raise BadMessage("a multipart body ends before its last boundary")
        return self.parts

    @property
    def is_holding(self) -> bool:
        """Whether a file may be there that nobody took over."""
        return self._file is not None or any(part.path.exists() for part in self.parts)

    def discard(self) -> None:
        """Remove the files that nobody took over."""
        self._close()
        for path in [*(part.path for part in self.parts), *([self._path] if self._path != self._folder else [])]:
            path.unlink(missing_ok=True)

    def _step(self) -> bool:
        """Whether something was understood, so that more may be."""
        if self._state is _State.START:
            return self._begin()
        if self._state is _State.HEADERS:
            return self._open()
        return self._state is _State.BODY and self._copy()

    def _begin(self) -> bool:
        at = self._rest.find(self._mark)
        if at < 0:
            self._bound_headers()
            return False
        self._rest, self._state = self._rest[at + len(self._mark) :], _State.HEADERS
        return True

    def _open(self) -> bool:
        """After a boundary: the end of the body, or a part's headers up to an empty line."""
        if self._rest[:2] == b"--":
            self._state, self._rest = _State.END, b""
            return False
        if len(self._rest) >= 2 and self._rest[:2] != b"\r\n":
            raise BadMessage("a multipart body is not divided where it says")
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            self._bound_headers()
            return False
        if len(self.parts) >= PARTS_MAX:
            raise TooLarge(f"a body of more than {PARTS_MAX} parts; send them in several requests")
        self._media_type = _media_type(self._rest[:end])
        self._rest = self._rest[end + 4 :]
        self._path = self._folder / secrets.token_hex(8)
        self._file = self._path.open("xb", buffering=0)
        self._size, self._sum, self._state = 0, hashlib.sha256(), _State.BODY
        return True

    def _copy(self) -> bool:
        at = self._rest.find(self._mark)
        if at < 0:
            keep = len(self._mark) - 1
            if len(self._rest) > keep:
                self._write(memoryview(self._rest)[:-keep])
                self._rest = self._rest[-keep:]
            return False
        self._write(memoryview(self._rest)[:at])
        self._close()
        self.parts.append(Part(path=self._path, media_type=self._media_type, digest=self._sum.hexdigest()))
        self._path = self._folder
        self._rest, self._state = self._rest[at + len(self._mark) :], _State.HEADERS
        return True

    def _write(self, piece: memoryview) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise TooLarge(f"a part of more than {self._most // 1_000_000} MB")
        if self._file is not None:
            whole = piece
            while piece:  # an unbuffered file may take a part of it
                piece = piece[self._file.write(piece) :]
            self._sum.update(whole)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _bound_headers(self) -> None:
        if len(self._rest) > HEADERS_MAX_BYTES:
            raise BadMessage("a part of a multipart body has no end of headers, or the body no boundary")


def _media_type(headers: bytes) -> str:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            return value.partition(b";")[0].strip().lower().decode("ascii", "replace")
    return ""
