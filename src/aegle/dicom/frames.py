"""Where each frame of an image lies in its file, found once at admission and read by offset ever after (PS3.5 §A.4).

Peak memory: 24 bytes a frame or fragment, whatever the size of the object.
"""

from __future__ import annotations  # array[int] cannot be evaluated before Python 3.12

import os
import struct
import sys
from array import array
from dataclasses import dataclass
from typing import BinaryIO

from aegle.errors import BadDicom, NotFound

FRAGMENTS_MAX = 2_000_000  #: of one image; a slide of 5 GB has some 250,000
_ITEM = b"\xfe\xff\x00\xe0"
_END = b"\xfe\xff\xdd\xe0"


@dataclass(frozen=True, kw_only=True)
class FrameTable:
    """Spans of an image's frames. `spans` holds offset and length of each fragment in bytes from the start of the file;
    `first[i]` is the first fragment of frame i + 1, with one entry more at the end."""

    spans: array[int]
    first: array[int]

    def __len__(self) -> int:
        return len(self.first) - 1

    def of(self, number: int) -> list[tuple[int, int]]:
        """(offset, length) of the fragments of a frame, 1-based. Raises NotFound."""
        if not 1 <= number <= len(self):
            raise NotFound(f"frame {number} is not in an image of {len(self)} frames")
        return [
            (self.spans[2 * fragment], self.spans[2 * fragment + 1])
            for fragment in range(self.first[number - 1], self.first[number])
        ]

    def to_bytes(self) -> bytes:
        """Little-endian form for an index."""
        return struct.pack("<Q", len(self.first)) + self.first.tobytes() + self.spans.tobytes()

    @property
    def size_bytes(self) -> int:
        """In memory."""
        return 8 * (len(self.spans) + len(self.first))

    @classmethod
    def from_bytes(cls, stored: bytes) -> FrameTable:
        """The table that `to_bytes` wrote."""
        (count,) = struct.unpack_from("<Q", stored)
        first, spans = array("Q"), array("Q")
        first.frombytes(stored[8 : 8 + 8 * count])
        spans.frombytes(stored[8 + 8 * count :])
        return cls(spans=spans, first=first)


def native(offset: int, length: int, frames: int, frame_bits: int) -> FrameTable:
    """Frames of uncompressed pixels: equal slices. Frames that do not start on a byte (1-bit images) are not supported."""
    size = frame_bits // 8
    if frame_bits % 8 or not 0 < frames * size <= length:
        raise BadDicom("the pixel data is shorter than rows, columns and frames say, or frames do not start on a byte")
    _require_few(frames)
    spans = array("Q", (value for frame in range(frames) for value in (offset + frame * size, size)))
    return FrameTable(spans=spans, first=array("Q", range(frames + 1)))


def encapsulated(stream: BinaryIO, frames: int, extended_offsets: bytes = b"") -> FrameTable:
    """Frames of compressed pixels. `stream` stands at the first item, the Basic Offset Table, after the element's header.

    Fragments are always walked, so that an offset table which lies is found out; the table (extended, else basic) says only
    which fragments make a frame. Without one, each fragment is a frame, or all of them are the only frame.
    Raises BadDicom when the items are cut short or the table does not fit them.
    """
    basic = _basic_offsets(stream)
    base = stream.tell()
    spans = _fragments(stream)
    count = len(spans) // 2
    starts = _numbers("Q", extended_offsets[: len(extended_offsets) // 8 * 8]) if extended_offsets else basic
    if frames == 1:
        first = array("Q", (0, count))
    elif len(starts) == frames:
        first = _group(starts, spans, base)
    elif count == frames:
        first = array("Q", range(frames + 1))
    else:
        raise BadDicom(f"{count} fragments do not make {frames} frames and no offset table says how")
    return FrameTable(spans=spans, first=first)


def _require_few(count: int) -> None:
    if count > FRAGMENTS_MAX:
        raise BadDicom(f"an image of more than {FRAGMENTS_MAX} frames or fragments")


def _numbers(code: str, raw: bytes) -> array[int]:
    """Little endian integers."""
    found = array(code)
    found.frombytes(raw)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _basic_offsets(stream: BinaryIO) -> array[int]:
    head = stream.read(8)
    if len(head) < 8 or head[:4] != _ITEM:
        raise BadDicom("encapsulated pixel data does not start with an offset table item")
    (length,) = struct.unpack("<L", head[4:])
    _require_few(length // 4)
    body = stream.read(length)
    if len(body) < length or length % 4:
        raise BadDicom("the basic offset table is cut short")
    return _numbers("I", body)


def _fragments(stream: BinaryIO) -> array[int]:
    """Offset and length of each, to the delimiter."""
    spans, position, size = array("Q"), stream.tell(), os.fstat(stream.fileno()).st_size
    while True:
        head = stream.read(8)
        if len(head) < 8:
            raise BadDicom("pixel data ends without a sequence delimiter")
        if head[:4] == _END:
            return spans
        length = int.from_bytes(head[4:], "little")
        if head[:4] != _ITEM or position + length > size:
            raise BadDicom("pixel data holds something that is not a fragment")
        spans.extend((position + 8, length))
        _require_few(len(spans) // 2)
        position += 8 + length
        stream.seek(position)


def _group(starts: array[int], spans: array[int], base: int) -> array[int]:
    """The first fragment of each frame; both are in order, so one walk finds them."""
    first, fragment, count = array("Q"), 0, len(spans) // 2
    for start in starts:
        while fragment < count and spans[2 * fragment] - 8 - base < start:
            fragment += 1
        if fragment == count or spans[2 * fragment] - 8 - base != start or (first and first[-1] == fragment):
            raise BadDicom("the offset table points between fragments, or is not in order")
        first.append(fragment)
    first.append(count)
    if first[0] != 0:
        raise BadDicom("the offset table leaves fragments out")
    return first
