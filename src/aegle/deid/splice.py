"""Writing the target: new header bytes, then the source's pixel bytes copied file to file, then the tail.

Peak memory is the header's and a buffer of 1 MiB for each file that is being written.
"""

import errno
import os
import sys
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import IO, NamedTuple

from aegle.deid.codestreams import Blank
from aegle.deid.pixels import Extent
from aegle.dicom.walk import Buffer
from aegle.errors import StorageFull

_CHUNK = 1 << 20
_BUFFER = 1 << 20  #: bytes copied at a time through memory of ours
#: From so many on the system copies, that much by one call; other threads run meanwhile.
_LEFT_TO_THE_SYSTEM = 64 << 20
_WORTH_A_THREAD = 2 << 20  #: bytes from which pixels are copied while they are still being proved
#: The file systems do not copy for each other, or at all.
_NOT_THERE = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM})
_COPIERS = 16  #: at a time; more wait
_BUFFERS_KEPT = 2
_buffers: list[memoryview] = []  #: that no file uses now
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


Piece = bytes | bytearray | memoryview


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that goes into one file, in order. `proof` answers what is blanked in the pixels, or raises."""

    head: bytes
    pixels: Extent | None
    tail: bytes
    data: Buffer  #: in which the pixels lie
    proof: Callable[[], Collection[Blank]]


class Written(NamedTuple):
    """What stands in the target."""

    blanks: int
    size_bytes: int


def write(target: Path, content: Content, source: IO[bytes] | None) -> Written:
    """Write `target`. On any failure there is no target. Raises StorageFull. `source` is the file that the data map; small ones
    need none.

    Not durable: a target that stands after a power cut may be incomplete, and whoever keeps it syncs it first.
    """
    pixels = content.pixels
    if pixels is None:
        return Written(0, _write_at_once(target, (content.head, content.tail)))
    size = pixels.end - pixels.start
    if source is None or size < _WORTH_A_THREAD:
        blanks = content.proof()
        with memoryview(content.data) as data, data[pixels.start : pixels.end] as piece:
            parts = (content.head, _blanked(piece, blanks, pixels.start) if blanks else piece, content.tail)
            return Written(len(blanks), _write_at_once(target, parts))
    soon_proved = pixels.fragments is None
    blanks = content.proof() if soon_proved else ()
    with _created(target) as file:
        _write_all(file, content.head)
        if soon_proved:
            _copy(source, file, pixels, Event())
        else:
            with _copying(source, file, pixels):
                blanks = content.proof()
        _blank(file, blanks, len(content.head) - pixels.start)
        _write_all(file, content.tail)
        return Written(len(blanks), file.tell())


def _blanked(piece: memoryview, blanks: Collection[Blank], start: int) -> bytearray:
    """A piece of the source that begins at `start`, blanked."""
    result = bytearray(piece)
    for at, length, fill in blanks:
        result[at - start : at - start + length] = fill * length
    return result


def write_deflated(target: Path, meta: bytes, content: Content) -> Written:
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
        return Written(len(blanks), file.tell())


@contextmanager
def _created(target: Path) -> Iterator[IO[bytes]]:
    """The target, open for writing; gone when the block fails."""
    with _whole_or_gone(target), target.open("w+b", buffering=0) as file:
        yield file


@contextmanager
def _whole_or_gone(target: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StorageFull("the disk is full or read-only; the source is untouched") from error
        raise


@contextmanager
def _copying(source: IO[bytes], target: IO[bytes], pixels: Extent) -> Iterator[None]:
    """Copies the pixels while the block runs; stops early when it fails."""
    stop = Event()
    copying = _copiers().submit(_copy, source, target, pixels, stop)
    try:
        yield
        copying.result()
    except BaseException:
        stop.set()
        if not copying.cancel():
            wait([copying])  # nobody writes to a file that is closed
        raise


@lru_cache(maxsize=1)
def _copiers() -> Executor:
    """Threads that stay: to make one and end it costs as much as to copy a megabyte."""
    return ThreadPoolExecutor(_COPIERS, "aegle-copy")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_copiers.cache_clear)  # a child has none of its parent's threads


def _copy(source: IO[bytes], target: IO[bytes], pixels: Extent, stop: Event) -> None:
    left = pixels.end - pixels.start
    source.seek(pixels.start)
    with _buffer() as buffer:
        copy = _copier(source, target, buffer, left)
        while left and not stop.is_set():
            size = copy(left)
            if not size:
                raise OSError(errno.EIO, "the source became shorter while it was read")
            left -= size


def _copier(source: IO[bytes], target: IO[bytes], buffer: memoryview, size: int) -> Callable[[int], int]:
    """What copies up to so many bytes from where both files stand, and answers how many it did; `size` in all."""

    def through_memory(left: int) -> int:
        room = _BUFFER - target.tell() % _BUFFER  # a write that ends within a page makes the next one slower by a third
        done: int = source.readinto(buffer[: min(room, left)])  # type: ignore[attr-defined]
        _write_all(target, buffer[:done])
        return done

    in_kernel: Callable[[int, int, int], int] | None = getattr(os, "copy_file_range", None)
    if in_kernel is None or size < _LEFT_TO_THE_SYSTEM:  # Linux alone has it, and it cannot mend what lies across pages
        return through_memory

    def in_one_call(left: int) -> int:
        try:
            return in_kernel(source.fileno(), target.fileno(), min(left, _LEFT_TO_THE_SYSTEM))
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            return through_memory(left)

    return in_one_call


@contextmanager
def _buffer() -> Iterator[memoryview]:
    """One that another file used before, where there is one: the system takes its time to hand out fresh memory. After an error
    it is not kept."""
    try:
        buffer = _buffers.pop()
    except IndexError:
        buffer = memoryview(bytearray(_BUFFER))
    yield buffer
    if len(_buffers) < _BUFFERS_KEPT:
        _buffers.append(buffer)


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


def _write_at_once(target: Path, parts: Sequence[Piece]) -> int:
    """A file of all of them, by one call where the system knows it: a write that ends within a page makes the next one slower.
    Answers its size."""
    with _whole_or_gone(target):
        handle = os.open(target, _NEW_FILE, 0o666)
        try:
            written = size = 0
            if sys.platform != "win32":
                written = os.writev(handle, parts)
            for part in parts:
                size += len(part)
                rest = memoryview(part)[max(0, written - size + len(part)) :]
                while rest:
                    rest = rest[os.write(handle, rest) :]
            return size
        finally:
            os.close(handle)


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
