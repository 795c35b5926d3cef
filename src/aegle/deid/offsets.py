"""The offset tables of encapsulated pixels (PS3.5 §A.4, PS3.3 §C.7.6.3.1.8): they may hold nothing but where frames lie."""

from array import array
from collections.abc import Sequence
from struct import Struct

from aegle.deid.codestreams import unproven
from aegle.dicom.walk import Buffer, Fragments, Head

EXTENDED = _OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002  #: the extended table's two attributes
_ENTRY = Struct("<Q")


def require_basic(data: Buffer, fragments: Fragments) -> None:
    """Refuse a basic offset table that holds anything but the offsets of fragments, in order."""
    start, length = fragments.table
    entries = array("I", data[start : start + length]) if length % 4 == 0 else None
    known = iter(fragments.offsets())
    if entries is None or not all(any(entry == offset for offset in known) for entry in entries):
        raise unproven("the offset table does not point to frames")


def require_extended(data: Buffer, tables: Sequence[Head], fragments: Fragments, firsts: Sequence[int]) -> None:
    """Refuse an extended offset table other than that of the frames, whose first fragments are given by number."""
    for head in tables:
        tag = head.tag
        raw = data[head.value : head.value + head.length]
        if len(raw) != 8 * len(firsts) or len(firsts) != len(fragments):
            raise unproven("an extended offset table other than the frames'")
        expected = fragments.offsets() if tag == _OFFSETS else (length for _, length in fragments)
        spare = int(tag == _LENGTHS)  # of lengths a byte of padding may be left out
        if not all(
            0 <= known - entry <= spare for known, (entry,) in zip(expected, _ENTRY.iter_unpack(raw), strict=True)
        ):
            raise unproven("an extended offset table other than the frames'")
