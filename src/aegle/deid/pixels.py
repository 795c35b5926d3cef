"""The pixel data as bytes: where they lie, and the proof that they hold the pictures and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from aegle.deid.codestreams import Blank, j2k_blanks, jpeg_blanks
from aegle.deid.part10 import Holding, Syntax
from aegle.deid.reasons import HoldReason
from aegle.deid.survey import Survey
from aegle.dicom.walk import UNDEFINED, Buffer, Head, fragments

_MAGIC = {"jpeg": b"\xff\xd8\xff", "j2k": b"\xff\x4f\xff\x51"}
_JOINED_MAX_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The PixelData element of the source, to be spliced into the target as it is but for `blanks`."""

    start: int  #: of the element's header
    end: int  #: after its value or delimiter
    blanks: tuple[Blank, ...]


def prove(data: Buffer, head: Head, syntax: Syntax, survey: Survey) -> Pixels:
    """Find the extent and what must be blanked. Raises Holding, BrokenEncoding."""
    if head.length != UNDEFINED:
        if syntax.codec not in {"native"}:
            raise Holding(HoldReason.PIXELS_UNPROVEN, "compressed pixel data of defined length")
        return _native(data, head, survey)
    if syntax.codec == "native":
        raise Holding(HoldReason.PIXELS_UNPROVEN, "fragments in an uncompressed transfer syntax")
    return _encapsulated(data, head, syntax)


def _native(data: Buffer, head: Head, survey: Survey) -> Pixels:
    surplus = head.length - survey.native_bytes
    if surplus < 0:
        raise Holding(HoldReason.TRUNCATED, "fewer pixel bytes than the header describes")
    end = head.value + head.length
    if surplus > 1 and any(data[end - surplus : end].strip(b"\0")):
        raise Holding(HoldReason.PIXELS_UNPROVEN, "more pixel bytes than the header describes")
    swapped = survey.big_endian and head.vr == b"OW"  # 8-bit samples are swapped in pairs there
    pad = ((end - 2 if swapped else end - 1, 1, b"\0"),) if surplus == 1 else ()
    return Pixels(start=head.start, end=end, blanks=pad)


def _encapsulated(data: Buffer, head: Head, syntax: Syntax) -> Pixels:
    table, *parts, delimiter = fragments(syntax.encoding, data, head.value, len(data))
    if not parts:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "no frame in the pixel data")
    _require_offsets(data, table, parts)
    blanks: list[Blank] = []
    for first, last in _frames(data, parts, syntax.codec):
        blanks += _blanks(data, parts[first:last], syntax.codec)
    return Pixels(start=head.start, end=delimiter.value, blanks=tuple(blanks))


def _require_offsets(data: Buffer, table: Head, parts: list[Head]) -> None:
    """Refuse a basic offset table that holds anything but the offsets of fragments, in order."""
    starts = {part.start - parts[0].start for part in parts}
    raw = data[table.value : table.value + table.length]
    entries = [int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4)]
    if len(raw) % 4 or not starts.issuperset(entries) or entries != sorted(entries):
        raise Holding(HoldReason.PIXELS_UNPROVEN, "the offset table does not point to frames")


def _frames(data: Buffer, parts: list[Head], codec: str) -> Iterator[tuple[int, int]]:
    """Runs of fragments that make one frame: a frame begins where its codec's magic number stands."""
    if codec not in _MAGIC:
        return iter(())
    magic = _MAGIC[codec]
    starts = [n for n, part in enumerate(parts) if data[part.value : part.value + len(magic)] == magic]
    if not starts or starts[0]:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "the first fragment does not begin a frame")
    return pairwise([*starts, len(parts)])


def _blanks(data: Buffer, parts: list[Head], codec: str) -> list[Blank]:
    scan = jpeg_blanks if codec == "jpeg" else j2k_blanks
    if len(parts) == 1:
        return list(scan(data, parts[0].value, parts[0].value + parts[0].length))
    return _split_blanks(data, parts, list(scan(*_joined(data, parts))))


def _joined(data: Buffer, parts: list[Head]) -> tuple[bytes, int, int]:
    if sum(part.length for part in parts) > _JOINED_MAX_BYTES:
        raise Holding(HoldReason.TOO_LARGE, "one frame in several fragments is beyond the bound")
    whole = b"".join(data[part.value : part.value + part.length] for part in parts)
    return whole, 0, len(whole)


def _split_blanks(data: Buffer, parts: list[Head], blanks: list[Blank]) -> list[Blank]:
    """Blanks of a frame in several fragments, from positions in the joined frame to positions in the file."""
    result: list[Blank] = []
    begin = 0
    for part in parts:
        for at, length, fill in blanks:
            low, high = max(at, begin), min(at + length, begin + part.length)
            if low < high:
                result.append((part.value + low - begin, high - low, fill))
        begin += part.length
    return result
