"""The byte walk: element headers of a DICOM data set (PS3.5 §7) read in place, values never decoded.

Every function takes a buffer (bytes or a memory map) and positions in it, checks its bounds, and raises
`BrokenEncoding` for anything that does not fit; no other exception leaves this module. Nesting is bounded.
"""

from __future__ import annotations  # array[int] cannot be evaluated before Python 3.12

import mmap
import os
import sys
from array import array
from collections.abc import Callable, Iterator
from enum import StrEnum
from struct import Struct
from typing import IO, NamedTuple, Self

from aegle.errors import MEANING, BadDicom, Meaning

Buffer = bytes | mmap.mmap

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
HELD_MAX_BYTES = 2 << 20  #: of a map that is read through, in memory at a time
MAX_DEPTH = 24  #: sequences within sequences; real objects stay below 10

LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)


class Flaw(StrEnum):
    """What is wrong with an encoding."""

    TRUNCATED = "TRUNCATED"
    MALFORMED = "MALFORMED"
    NESTING = "NESTING"


class BrokenEncoding(BadDicom):
    """Bytes that cannot be a data set; `flaw` says in which way."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        super().__init__(detail)
        self.flaw = flaw

    @property
    def meaning(self) -> Meaning:
        """That of its parent, BadDicom."""
        return MEANING[BadDicom]


class Head(NamedTuple):
    """One element's header: where it starts, where its value starts, and how long that is."""

    tag: int  #: group << 16 | element
    vr: bytes  #: two letters; empty for items and in implicit VR
    start: int
    value: int
    length: int  #: bytes, or UNDEFINED


_new = tuple.__new__  #: makes a Head in half the time of its own constructor; there is one for each element


class Encoding:
    """One of the three ways to encode a data set: reads headers, writes elements."""

    def __init__(self, name: str, *, explicit: bool, big_endian: bool) -> None:
        order = ">" if big_endian else "<"
        self.name = name
        self.explicit = explicit
        self.big_endian = big_endian
        self._short = Struct(order + "HH2sH")
        self._plain = Struct(order + "HHL")
        self._long = Struct(order + "L")

    def head(self, data: Buffer, pos: int, end: int) -> Head:
        """The header at `pos`. Raises BrokenEncoding when it or its defined-length value passes `end`."""
        if pos + 8 > end:
            raise BrokenEncoding(Flaw.TRUNCATED, "an element header is cut short")
        group, element, vr, length = self._short.unpack_from(data, pos)
        value = pos + 8
        if vr not in SHORT_VRS or group == 0xFFFE or not self.explicit:
            vr, value, length = self._wide(data, pos, end)
        if length != UNDEFINED and value + length > end:
            raise BrokenEncoding(Flaw.TRUNCATED, f"the value of ({group:04X},{element:04X}) passes the end")
        return _new(Head, (group << 16 | element, vr, pos, value, length))

    def _wide(self, data: Buffer, pos: int, end: int) -> tuple[bytes, int, int]:
        """VR, position and length of a value whose length takes four bytes: of items, in implicit VR, of the long VRs."""
        group, element, vr, _ = self._short.unpack_from(data, pos)
        if group == 0xFFFE or not self.explicit:
            return b"", pos + 8, self._long.unpack_from(data, pos + 4)[0]
        if vr not in LONG_VRS:
            raise BrokenEncoding(Flaw.MALFORMED, f"an unknown VR in element ({group:04X},{element:04X})")
        if pos + 12 > end:
            raise BrokenEncoding(Flaw.TRUNCATED, "an element header is cut short")
        return vr, pos + 12, self._long.unpack_from(data, pos + 8)[0]

    def emit(self, tag: int, vr: bytes, value: bytes) -> bytes:
        """A whole element; odd values are padded as PS3.5 §6.2 asks.

        Raises BrokenEncoding when the VR cannot hold the value.
        """
        if len(value) & 1:
            value += b"\0" if vr in _NUL_PADDED else b" "
        group, element = tag >> 16, tag & 0xFFFF
        if not self.explicit:
            return self._plain.pack(group, element, len(value)) + value
        if vr in LONG_VRS:
            return self._short.pack(group, element, vr, 0) + self._long.pack(len(value)) + value
        if len(value) > 0xFFFE:
            raise BrokenEncoding(Flaw.MALFORMED, f"the value of ({group:04X},{element:04X}) is too long for its VR")
        return self._short.pack(group, element, vr, len(value)) + value

    def item(self, content: bytes) -> bytes:
        """A sequence item of defined length."""
        return self._plain.pack(0xFFFE, 0xE000, len(content)) + content


_NUL_PADDED = frozenset({b"UI", b"OB", b"UN"})

IMPLICIT_LE = Encoding("implicit VR little endian", explicit=False, big_endian=False)
EXPLICIT_LE = Encoding("explicit VR little endian", explicit=True, big_endian=False)
EXPLICIT_BE = Encoding("explicit VR big endian", explicit=True, big_endian=True)


def inner_encoding(encoding: Encoding, head: Head) -> Encoding:
    """How the items of a sequence are encoded: those of a UN element are implicit little endian (PS3.5 §6.2.2)."""
    return IMPLICIT_LE if head.vr == b"UN" else encoding


def elements(encoding: Encoding, data: Buffer, pos: int, end: int) -> Iterator[Head]:
    """Headers of one level, in order, nested content stepped over; PixelData is the last one given."""
    while pos < end:
        head = encoding.head(data, pos, end)
        tag, _, _, value, length = head
        if tag >= 0xFFFE0000:
            raise BrokenEncoding(Flaw.MALFORMED, "an item delimiter outside a sequence")
        yield head
        if tag == PIXEL_DATA:
            return
        pos = value + length if length != UNDEFINED else value_end(encoding, data, head, end)


def value_end(encoding: Encoding, data: Buffer, head: Head, end: int, depth: int = 0) -> int:
    """Where the element ends, delimiters included."""
    if head.length != UNDEFINED:
        return head.value + head.length
    if head.vr in {b"OB", b"OW"}:
        return list(fragments(encoding, data, head.value, end))[-1].value
    inner = inner_encoding(encoding, head)
    pos = head.value
    while True:
        item = inner.head(data, pos, end)
        if item.tag == SEQUENCE_END:
            return item.value
        pos = item_end(inner, data, item, end, depth + 1)


def item_end(encoding: Encoding, data: Buffer, item: Head, end: int, depth: int) -> int:
    """Where an item ends, its delimiter included."""
    require_item(item, depth)
    if item.length != UNDEFINED:
        return item.value + item.length
    pos = item.value
    while True:
        head = encoding.head(data, pos, end)
        if head.tag == ITEM_END:
            return head.value
        if head.tag >> 16 == 0xFFFE:
            raise BrokenEncoding(Flaw.MALFORMED, "a delimiter in the wrong place")
        pos = value_end(encoding, data, head, end, depth)


def require_item(item: Head, depth: int) -> None:
    """Refuse anything but an item, and nesting beyond MAX_DEPTH."""
    if item.tag != ITEM:
        raise BrokenEncoding(Flaw.MALFORMED, "a sequence holds something other than an item")
    if depth > MAX_DEPTH:
        raise BrokenEncoding(Flaw.NESTING, f"sequences nest deeper than {MAX_DEPTH}")


def let_go(data: Buffer, start: int, stop: int) -> None:
    """Give back the memory of what was read of a map, where the system knows how; it maps pages around each one read."""
    if sys.platform != "win32" and not isinstance(data, bytes):
        first = max(0, start - _AROUND) // mmap.PAGESIZE * mmap.PAGESIZE
        if stop > first:
            data.madvise(mmap.MADV_DONTNEED, first, stop - first)


_AROUND = 1 << 20


def _heads(data: Buffer, size: int, file: IO[bytes] | None) -> Callable[[int], tuple[int, int]]:
    """What reads tag and length of an item."""
    if sys.platform != "win32" and file is not None and size > HELD_MAX_BYTES:
        unpack, handle = _ITEM_HEAD.unpack, file.fileno()

        def read(pos: int) -> tuple[int, int]:
            raw = os.pread(handle, 8, pos)
            if len(raw) < 8:
                raise BrokenEncoding(Flaw.TRUNCATED, "encapsulated data is cut short")
            return unpack(raw)

        return read
    held = 0

    def look(pos: int) -> tuple[int, int]:
        nonlocal held
        if pos - held > HELD_MAX_BYTES:
            let_go(data, held, pos)
            held = pos
        return _ITEM_HEAD.unpack_from(data, pos)

    return look


class Fragments:
    """Where the fragments of encapsulated data (PS3.5 §A.4) lie: (start, length) of each value. 16 bytes of memory each."""

    def __init__(self, spans: array[int], end: int) -> None:
        self._spans = spans
        self.end = end  #: after the delimiter

    @classmethod
    def walk(cls, data: Buffer, pos: int, end: int, file: IO[bytes] | None = None) -> Self:
        """Of the items from `pos`, the offset table first. `file` is what `data` maps: a large one is then read item by item,
        which takes less time than mapping all of it and giving it back. Raises BrokenEncoding."""
        spans, head = array("Q"), _heads(data, end - pos, file)
        while pos + 8 <= end:
            tag, length = head(pos)
            pos += 8
            if tag != _ITEM_HEAD_TAG or length == UNDEFINED:
                if tag == _SEQUENCE_END_HEAD and spans:
                    return cls(spans, pos)
                raise BrokenEncoding(Flaw.MALFORMED, "encapsulated data holds something other than fragments")
            spans.append(pos)
            spans.append(length)
            pos += length
        raise BrokenEncoding(Flaw.TRUNCATED, "encapsulated data is cut short")

    @property
    def table(self) -> tuple[int, int]:
        """The basic offset table."""
        return self._spans[0], self._spans[1]

    def __len__(self) -> int:
        return len(self._spans) // 2 - 1

    def __getitem__(self, number: int) -> tuple[int, int]:
        return self._spans[2 * number + 2], self._spans[2 * number + 3]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._spans[2::2], self._spans[3::2], strict=True)

    def offsets(self) -> Iterator[int]:
        """Of each fragment's item from the first one's, as an offset table has them."""
        return (start - self._spans[2] for start in self._spans[2::2])


_ITEM_HEAD = Struct("<LL")  # group and element of a little endian tag as one number: the element in the upper half
_ITEM_HEAD_TAG, _SEQUENCE_END_HEAD = 0xE000FFFE, 0xE0DDFFFE


def fragments(encoding: Encoding, data: Buffer, pos: int, end: int) -> Iterator[Head]:
    """Items of encapsulated data (PS3.5 §A.4) from `pos`: the offset table, each fragment, last the delimiter."""
    while True:
        head = encoding.head(data, pos, end)
        if head.tag == SEQUENCE_END:
            yield head
            return
        if head.tag != ITEM or head.length == UNDEFINED:
            raise BrokenEncoding(Flaw.MALFORMED, "encapsulated data holds something other than fragments")
        yield head
        pos = head.value + head.length
