"""Overlay planes (PS3.3 §C.9.2) under the Clean Graphics Option: one stays where nothing that is written is seen in it.

Any other plane is removed with its group, as the basic profile removes all of them. Curves always go.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from aegle.deid.rules import Action, Rule, rule_of

if TYPE_CHECKING:
    from aegle.deid.drawn_text import Ink

FIRST, LAST = 0x60000000, 0x601EFFFF  #: tags of overlay groups, every other of which is private
_VRS: Mapping[int, str] = {
    0x0010: "US",  # Rows
    0x0011: "US",  # Columns
    0x0015: "IS",  # Number of Frames in Overlay
    0x0022: "LO",  # Description
    0x0040: "CS",  # Type
    0x0045: "LO",  # Subtype
    0x0050: "SS",  # Origin
    0x0051: "US",  # Image Frame Origin
    0x0100: "US",  # Bits Allocated
    0x0102: "US",  # Bit Position
    0x1001: "CS",  # Activation Layer
    0x1301: "IS",  # ROI Area
    0x1302: "DS",  # ROI Mean
    0x1303: "DS",  # ROI Standard Deviation
    0x1500: "LO",  # Label
    0x3000: "OB or OW",  # Data
    0x4000: "LT",  # Comments
}
_ROWS, _COLUMNS, _FRAMES, _BITS, _BIT, _DATA = 0x0010, 0x0011, 0x0015, 0x0100, 0x0102, 0x3000
_MAX_PIXELS = 1 << 24  #: of all planes and frames of an object that are looked at, which takes seconds
_MAX_FRAMES = 256  #: of a plane


@cache
def overlay_rules() -> Mapping[int, Rule]:
    """The rules of the groups that stay, by tag."""
    groups = range(FIRST >> 16, LAST + 1 >> 16, 2)
    tags = ((group << 16 | element, vr) for group in groups for element, vr in _VRS.items())
    return MappingProxyType({tag: rule_of(Action.KEEP, vr) for tag, vr in tags})


class Plane(NamedTuple):
    """One overlay, by the values of its group; binary ones as they stand."""

    values: Mapping[int, bytes]  #: by the last four digits of the tag
    is_big_endian: bool
    vr: bytes  #: of the data; empty in implicit VR

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns; zeros of one that is not what it says."""
        frames = self._text(_FRAMES) or "1"
        is_plain = self._number(_BITS) == 1 and not self._number(_BIT) and self.vr in {b"", b"OB", b"OW"}
        if not (is_plain and frames.isdecimal()):
            return 0, 0, 0
        return int(frames), self._number(_ROWS), self._number(_COLUMNS)

    @property
    def frames(self) -> "Sequence[Ink] | None":
        """Its bits, a frame each; None of one that is not what it says, or has bits behind the last pixel."""
        import numpy as np  # nothing else of the engine needs it

        frames, rows, columns = self.shape
        size, data = frames * rows * columns, self.values.get(_DATA, b"")
        if not 0 < size <= _MAX_PIXELS or frames > _MAX_FRAMES or len(data) != (size + 15) // 16 * 2:
            return None
        bits = np.unpackbits(np.frombuffer(self._in_order(data), np.uint8), bitorder="little").astype(bool)
        return None if bits[size:].any() else [*bits[:size].reshape(frames, rows, columns)]

    def _in_order(self, data: bytes) -> bytes:
        """The first pixel in the lowest bit of the first byte, whatever the order of bytes (PS3.5 §8.1.2)."""
        if not (self.is_big_endian and self.vr == b"OW"):
            return data
        swapped = bytearray(data)
        swapped[::2], swapped[1::2] = data[1::2], data[::2]
        return bytes(swapped)

    def _number(self, element: int) -> int:
        """An unsigned value; 0 for one that is not there, or not of two bytes."""
        raw = self.values.get(element, b"")
        return int.from_bytes(raw, "big" if self.is_big_endian else "little") if len(raw) == 2 else 0

    def _text(self, element: int) -> str:
        return self.values.get(element, b"").decode("latin-1").strip("\0 ")[:8]


def planes(found: Iterable[tuple[int, bytes, bytes]], *, is_big_endian: bool) -> Mapping[int, Plane]:
    """By group, from elements of the top level: tag, VR (empty in implicit VR) and value of each."""
    values, vrs = dict[int, dict[int, bytes]](), dict[int, bytes]()
    for tag, vr, value in found:
        if tag in overlay_rules():
            values.setdefault(tag >> 16, {})[tag & 0xFFFF] = value
            if tag & 0xFFFF == _DATA:
                vrs[tag >> 16] = vr
    return {group: Plane(each, is_big_endian, vrs.get(group, b"")) for group, each in values.items()}


def clean_groups(found: Mapping[int, Plane]) -> frozenset[int]:
    """The groups in which nothing is written: in none of their frames, nor in all of them together."""
    if not found:
        return frozenset()
    from aegle.deid.writing import is_written_on

    looked_at: dict[int, Sequence[Ink]] = {}
    for group, plane in found.items():
        frames = plane.frames
        pixels = sum(each.size for others in looked_at.values() for each in others)
        if frames and pixels + sum(each.size for each in frames) <= _MAX_PIXELS and not is_written_on(frames):
            looked_at[group] = frames
    together = [frame for frames in looked_at.values() for frame in frames]
    return frozenset() if len(looked_at) > 1 and is_written_on(together) else frozenset(looked_at)


def clean_rules(found: Mapping[int, Plane]) -> dict[int, Rule]:
    """The rules for the groups of those that are clean."""
    clean = clean_groups(found)
    return {tag: rule for tag, rule in overlay_rules().items() if tag >> 16 in clean}
