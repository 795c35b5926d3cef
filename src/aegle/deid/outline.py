"""The top level of an object in stretches: elements that the object before it had, too, byte for byte, and the others alone.

The objects of a series differ in a dozen of their hundred attributes, and what lies between those is the same for all: it is
compared, and neither parsed nor treated again. An element's own bytes say how it is read, so the same bytes in the same
encoding are the same elements, whichever object they were met in.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason
from aegle.dicom.walk import PIXEL_DATA, Buffer, Encoding, Head, value_end

ELEMENTS_MAX = 65_536  #: attributes of the top level; real objects have hundreds
_STRETCH_MAX_BYTES = 8 << 10  #: of a stretch of several elements
_ELEMENT_MAX_BYTES = 1 << 10  #: of an element that may repeat
_COMPARED_ELEMENTS = 1024  #: of an object with which the next one is compared
_FACT_MAX_BYTES = 64 * 1024  #: a top-level fact longer than this is not a fact


class Stretch(NamedTuple):
    """Elements that follow one another."""

    raw: bytes  #: all their bytes; none of one that is too long to be compared
    size: int
    first: int  #: the first tag
    last: int  #: the last tag
    heads: tuple[Head, ...]  #: positions from the stretch's first byte
    facts: Mapping[int, bytes]  #: the wanted values

    def at(self, start: int) -> Iterator[Head]:
        """Its elements' headers where it lies at `start`."""
        return (_moved(head, start) for head in self.heads)


@dataclass(frozen=True)
class Level:
    """The top level of one object up to PixelData or to its end."""

    stretches: Sequence[tuple[int, Stretch]]  #: each with its position
    repeated: Collection[int]  #: which of them the object before had, too
    pixels: Head | None  #: of PixelData

    @property
    def facts(self) -> dict[int, bytes]:
        """The wanted values of all of it."""
        found: dict[int, bytes] = {}
        for _, stretch in self.stretches:
            if stretch.facts:
                found.update(stretch.facts)
        return found

    def between(self, lowest: int, highest: int) -> list[Head]:
        """The elements with these tags."""
        near = [each for each in self.stretches if each[1].first <= highest and each[1].last >= lowest]
        return [_moved(head, at) for at, stretch in near for head in _between(stretch.heads, lowest, highest)]


class Outlines:
    """Reads top levels in one encoding, with the last one in mind. Safe to share between threads."""

    def __init__(self, encoding: Encoding, wanted: Collection[int]) -> None:
        """`wanted` are the tags whose values are answered."""
        self._encoding, self._wanted = encoding, wanted
        self._before: Sequence[Stretch] = ()

    def read(self, data: Buffer, pos: int) -> Level:
        """The level at `pos`. Raises BrokenEncoding, and Holding for tags out of order or too many of them."""
        found, met = list[tuple[int, Stretch]](), set[int]()
        known, end = iter(self._before), len(data)
        ahead, last, count, pixels = next(known, None), -1, 0, None
        while pos < end:
            while ahead is not None and ahead.first <= last:
                ahead = next(known, None)
            if ahead is not None and data[pos : pos + ahead.size] == ahead.raw:
                stretch = ahead
                met.add(len(found))
            else:
                head = self._encoding.head(data, pos, end)
                if not last < head.tag < 0xFFFE0000:
                    raise Holding(HoldReason.MALFORMED, "attributes out of order or twice, or a delimiter among them")
                if head.tag == PIXEL_DATA:
                    pixels = head
                    break
                stretch = self._alone(data, head)
            found.append((pos, stretch))
            pos, last, count = pos + stretch.size, stretch.last, count + len(stretch.heads)
            if count > ELEMENTS_MAX:
                raise Holding(HoldReason.TOO_LARGE, "more attributes than any real object has")
        if count <= _COMPARED_ELEMENTS:
            self._before = _joined(found, met)
        return Level(found, met, pixels)

    def _alone(self, data: Buffer, head: Head) -> Stretch:
        """A stretch of one element."""
        tag, _, start, value, length = head
        size = value_end(self._encoding, data, head, len(data)) - start
        raw = data[start : start + size] if size <= _ELEMENT_MAX_BYTES else b""
        facts = {tag: data[value : value + length]} if tag in self._wanted and length <= _FACT_MAX_BYTES else {}
        return Stretch(raw, size, tag, tag, (_moved(head, -start),), facts)


def _moved(head: Head, by: int) -> Head:
    tag, vr, at, value, length = head
    return Head(tag, vr, at + by, value + by, length)


def _joined(found: Sequence[tuple[int, Stretch]], met: Collection[int]) -> Sequence[Stretch]:
    """What to compare the next object with: neighbours that were met again become one."""
    result: list[Stretch] = []
    for number, (_, stretch) in enumerate(found):
        if number in met and number - 1 in met and result[-1].size + stretch.size <= _STRETCH_MAX_BYTES:
            result[-1] = _join(result[-1], stretch)
        elif stretch.raw:
            result.append(stretch)
    return result


def _between(heads: Sequence[Head], lowest: int, highest: int) -> Sequence[Head]:
    """Those with these tags, of some in order."""
    return heads[bisect_left(heads, lowest, key=_TAG) : bisect_left(heads, highest + 1, key=_TAG)]


_TAG = itemgetter(0)


def _join(one: Stretch, other: Stretch) -> Stretch:
    heads, facts = (*one.heads, *other.at(one.size)), {**one.facts, **other.facts}
    return Stretch(one.raw + other.raw, one.size + other.size, one.first, other.last, heads, facts)
