"""Writing the target: new header bytes, then the source's pixel bytes spliced file to file, then the tail.

Peak memory is the header's; the pixels pass through the kernel (`copy_file_range`) or, where that is missing, through
a buffer of 1 MiB.
"""

import errno
import os
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aegle.deid.pixels import Pixels
from aegle.dicom.walk import Buffer
from aegle.errors import StorageFull

_CHUNK = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that goes into one file, in order."""

    meta: bytes
    header: bytes
    pixels: Pixels | None
    tail: bytes
    deflate: bool


def write(target: Path, content: Content, source: IO[bytes], data: Buffer) -> int:
    """Write `target` and make it durable; answers its size in bytes. On any failure there is no target.

    `data` is what positions refer to; where it is not deflated it is the content of `source`. Raises StorageFull.
    """
    part = target.with_name(target.name + ".part")
    try:
        with part.open("w+b", buffering=0) as file:
            _deflate(file, content, data) if content.deflate else _splice(file, content, source)
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("no room for the de-identified copy; free space on the site's disk") from None
        raise
    finally:
        part.unlink(missing_ok=True)
    return size


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable; Windows needs and knows no such call."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _splice(file: IO[bytes], content: Content, source: IO[bytes]) -> None:
    _write_all(file, content.meta + content.header)
    if content.pixels:
        start = len(content.meta) + len(content.header)
        _copy(source, file, content.pixels.start, content.pixels.end)
        for at, length, fill in content.pixels.blanks:
            file.seek(start + at - content.pixels.start)
            _write_all(file, fill * length)
        file.seek(0, os.SEEK_END)
    _write_all(file, content.tail)


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _copy(source: IO[bytes], target: IO[bytes], start: int, end: int) -> None:
    """Append `source[start:end]` to `target`."""
    start = _copy_in_kernel(source, target, start, end)
    source.seek(start)
    while start < end:
        chunk = source.read(min(_CHUNK, end - start))
        if not chunk:
            raise OSError(errno.EIO, "the source became shorter while it was read")
        _write_all(target, chunk)
        start += len(chunk)


def _copy_in_kernel(source: IO[bytes], target: IO[bytes], start: int, end: int) -> int:
    """Copy as much as the kernel will; answers the position reached."""
    if sys.platform == "linux":
        while start < end:
            try:
                copied = os.copy_file_range(source.fileno(), target.fileno(), end - start, offset_src=start)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                break
            if not copied:
                break
            start += copied
    return start


def _deflate(file: IO[bytes], content: Content, data: Buffer) -> None:
    packer = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    _write_all(file, content.meta)
    written = 0
    for piece in _pieces(content, data):
        packed = packer.compress(piece)
        _write_all(file, packed)
        written += len(packed)
    packed = packer.flush()
    _write_all(file, packed + bytes((written + len(packed)) & 1))  # even length, PS3.5 §A.5


def _pieces(content: Content, data: Buffer) -> Iterator[bytes]:
    yield content.header
    if content.pixels:
        blanks = content.pixels.blanks
        for at in range(content.pixels.start, content.pixels.end, _CHUNK):
            stop = min(at + _CHUNK, content.pixels.end)
            piece = bytearray(data[at:stop])
            for begin, length, fill in blanks:
                low, high = max(begin, at), min(begin + length, stop)
                if low < high:
                    piece[low - at : high - at] = fill * (high - low)
            yield bytes(piece)
    yield content.tail
