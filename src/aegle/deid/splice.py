"""Writing the target: new header bytes, then the source's pixel bytes copied file to file, then the tail.

Peak memory is the header's and, where the system has no copy of its own, a buffer of 1 MiB.
"""

import errno
import os
import zlib
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO

from aegle.deid.codestreams import Blank
from aegle.deid.pixels import Extent
from aegle.dicom.walk import Buffer
from aegle.errors import StorageFull

_CHUNK = 1 << 20
_BUFFER = 1 << 17  #: bytes copied at a time through memory of ours
_LEFT_TO_THE_SYSTEM = 64 << 20  #: copied by one call, without a thread of ours
_WORTH_A_THREAD = 2 << 20  #: bytes from which pixels are copied while they are still being proved
#: The file systems do not copy for each other, or at all.
_NOT_THERE = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that goes into one file, in order. `proof` answers what is blanked in the pixels, or raises."""

    head: bytes
    pixels: Extent | None
    tail: bytes
    data: Buffer  #: in which the pixels lie
    proof: Callable[[], Collection[Blank]]


def write(target: Path, content: Content, source: IO[bytes]) -> int:
    """Write `target` and answer how many blanks it has. On any failure there is no target. Raises StorageFull.

    Not durable: a target that stands after a power cut may be incomplete, and whoever keeps it syncs it first.
    """
    pixels = content.pixels
    soon_proved = pixels is None or pixels.fragments is None or pixels.end - pixels.start < _WORTH_A_THREAD
    blanks = content.proof() if soon_proved else ()
    with _created(target) as file:
        _write_all(file, content.head)
        if pixels is not None and pixels.end - pixels.start < _WORTH_A_THREAD:
            with memoryview(content.data) as data, data[pixels.start : pixels.end] as piece:
                _write_all(file, piece)
        elif pixels is not None and soon_proved:
            _copy(source, file, pixels, Event())
        elif pixels is not None:
            with _copying(source, file, pixels):
                blanks = content.proof()
        if pixels is not None:
            _blank(file, blanks, len(content.head) - pixels.start)
        _write_all(file, content.tail)
    return len(blanks)


def write_deflated(target: Path, meta: bytes, content: Content) -> int:
    """As `write`, the data set deflated (PS3.5 §A.5); the source is inflated already."""
    blanks = content.proof()
    packer = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    written = 0
    with _created(target) as file:
        _write_all(file, meta)
        for piece in _pieces(content, blanks):
            packed = packer.compress(piece)
            _write_all(file, packed)
            written += len(packed)
        packed = packer.flush()
        _write_all(file, packed + bytes((written + len(packed)) & 1))
    return len(blanks)


@contextmanager
def _created(target: Path) -> Iterator[IO[bytes]]:
    """The target, open for writing; gone when the block fails."""
    try:
        with target.open("w+b", buffering=0) as file:
            yield file
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StorageFull("the disk is full or read-only; the source is untouched") from error
        raise


@contextmanager
def _copying(source: IO[bytes], target: IO[bytes], pixels: Extent) -> Iterator[None]:
    """Copies the pixels while the block runs; stops early when it fails."""
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        copied = pool.submit(_copy, source, target, pixels, stop)
        try:
            yield
        except BaseException:
            stop.set()
            raise
        copied.result()


def _copy(source: IO[bytes], target: IO[bytes], pixels: Extent, stop: Event) -> None:
    left = pixels.end - pixels.start
    source.seek(pixels.start)
    copied = _copier(source, target)
    while left and not stop.is_set():
        size = copied(left)
        if not size:
            raise OSError(errno.EIO, "the source became shorter while it was read")
        left -= size


def _copier(source: IO[bytes], target: IO[bytes]) -> Callable[[int], int]:
    """What copies up to so many bytes from where both files stand, and answers how many it did."""

    buffer = memoryview(bytearray(_BUFFER))

    def through_memory(left: int) -> int:
        size: int = source.readinto(buffer[: min(_BUFFER, left)])  # type: ignore[attr-defined]
        _write_all(target, buffer[:size])
        return size

    in_kernel: Callable[[int, int, int], int] | None = getattr(os, "copy_file_range", None)
    if in_kernel is None:  # Linux alone has it
        return through_memory

    def in_one_call(left: int) -> int:
        try:
            return in_kernel(source.fileno(), target.fileno(), min(left, _LEFT_TO_THE_SYSTEM))
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            return through_memory(left)

    return in_one_call


def _blank(file: IO[bytes], blanks: Collection[Blank], shift: int) -> None:
    """Overwrite segments, from positions in the source; the file stands at its end before and after."""
    for at, length, fill in blanks:
        file.seek(at + shift)
        _write_all(file, fill * length)
    if blanks:
        file.seek(0, os.SEEK_END)


def _write_all(file: IO[bytes], data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _pieces(content: Content, blanks: Collection[Blank]) -> Iterator[bytes]:
    yield content.head
    if content.pixels:
        for at in range(content.pixels.start, content.pixels.end, _CHUNK):
            stop = min(at + _CHUNK, content.pixels.end)
            piece = bytearray(content.data[at:stop])
            for begin, length, fill in blanks:
                low, high = max(begin, at), min(begin + length, stop)
                if low < high:
                    piece[low - at : high - at] = fill * (high - low)
            yield bytes(piece)
    yield content.tail
