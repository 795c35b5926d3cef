"""Where each frame of an image lies in its file, found once at admission and read by offset ever after (PS3.5 §A.4).

Peak memory: 16 bytes a fragment, whatever the size of the object.
"""

from __future__ import annotations  # array[int] cannot be evaluated before Python 3.12

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from aegle.errors import BadDicom, NotFound

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
    if frame_bits % 8 or frames * frame_bits // 8 > length:
        raise BadDicom("the pixel data is shorter than rows, columns and frames say, or frames do not start on a byte")
    size = frame_bits // 8
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
    spans = array("Q")
    for offset, length in _fragments(stream):
        spans.extend((offset, length))
    count = len(spans) // 2
    starts = (
        array("Q", struct.unpack(f"<{len(extended_offsets) // 8}Q", extended_offsets)) if extended_offsets else basic
    )
    if frames == 1:
        first = array("Q", (0, count))
    elif len(starts) == frames:
        first = _group(starts, spans, base, count)
    elif count == frames:
        first = array("Q", range(frames + 1))
    else:
        raise BadDicom(f"{count} fragments do not make {frames} frames and no offset table says how")
    return FrameTable(spans=spans, first=first)


def _basic_offsets(stream: BinaryIO) -> array[int]:
    head = stream.read(8)
    if len(head) < 8 or head[:4] != _ITEM:
        raise BadDicom("encapsulated pixel data does not start with an offset table item")
    (length,) = struct.unpack("<L", head[4:])
    body = stream.read(length)
    if len(body) < length or length % 4:
        raise BadDicom("the basic offset table is cut short")
    return array("Q", struct.unpack(f"<{length // 4}L", body))


def _fragments(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    position = stream.tell()
    while True:
        head = stream.read(8)
        if len(head) < 8:
            raise BadDicom("pixel data ends without a sequence delimiter")
        if head[:4] == _END:
            return
        if head[:4] != _ITEM:
            raise BadDicom("pixel data holds something that is not a fragment")
        (length,) = struct.unpack("<L", head[4:])
        yield position + 8, length
        position += 8 + length
        stream.seek(position)


def _group(starts: array[int], spans: array[int], base: int, count: int) -> array[int]:
    by_offset = {spans[2 * fragment] - 8 - base: fragment for fragment in range(count)}
    try:
        first = array("Q", (by_offset[start] for start in starts))
    except KeyError:
        raise BadDicom("the offset table points between fragments") from None
    first.append(count)
    if first[0] != 0 or any(first[i] >= first[i + 1] for i in range(len(first) - 1)):
        raise BadDicom("the offset table is not in order")
    return first
