"""The pixel data as bytes: where they lie, and the proof that they hold the pictures and nothing else."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from aegle.deid.codestreams import Blank, Scan, unproven
from aegle.deid.jpeg import JpegScan
from aegle.deid.jpeg2000 import Jpeg2000Scan
from aegle.deid.offsets import EXTENDED, require_basic, require_extended
from aegle.deid.part10 import Holding, Syntax
from aegle.deid.reasons import HoldReason
from aegle.deid.runlength import RunLengthScan
from aegle.deid.survey import Survey
from aegle.dicom.walk import HELD_MAX_BYTES, UNDEFINED, Buffer, Fragments, Head, let_go

_MAGIC = {"jpeg": b"\xff\xd8\xff", "j2k": b"\xff\x4f\xff\x51"}
_SAMPLES = frozenset({1, 3})  #: a pixel; ARGB and CMYK, with four, are retired (PS3.3 §C.7.6.3.1.1)
_JOINED_MAX_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Where the PixelData element lies in the source, and its fragments where it has some."""

    start: int  #: of the element's header
    value: int
    end: int  #: after its value or delimiter
    swapped: bool  #: samples of 8 bits lie swapped in pairs: OW in big endian
    fragments: Fragments | None


class Blanks(Collection[Blank]):
    """Positions to overwrite, in order; 17 bytes of memory each."""

    def __init__(self, found: Sequence[Blank] = ()) -> None:
        self._spans, self._fills = array("Q"), bytearray()
        self.add(found)

    def add(self, found: Iterable[Blank]) -> None:
        """Append some, positions in the file."""
        for at, length, fill in found:
            self._spans.extend((at, length))
            self._fills += fill

    def __len__(self) -> int:
        return len(self._fills)

    def __iter__(self) -> Iterator[Blank]:
        for number in range(len(self)):
            yield self._spans[2 * number], self._spans[2 * number + 1], bytes((self._fills[number],))

    def __contains__(self, blank: object) -> bool:
        return any(blank == each for each in self)


def locate(data: Buffer, head: Head, syntax: Syntax, file: IO[bytes] | None = None) -> Extent:
    """Find the element's extent; `file` is what `data` maps, where it does. Raises Holding, BrokenEncoding."""
    encapsulated = head.length == UNDEFINED
    if encapsulated == (syntax.codec == "native"):
        raise unproven("fragments in an uncompressed transfer syntax, or none in a compressed one")
    fragments = Fragments.walk(data, head.value, len(data), file) if encapsulated else None
    end = fragments.end if fragments else head.value + head.length
    swapped = syntax.encoding.big_endian and head.vr == b"OW"
    return Extent(start=head.start, value=head.value, end=end, swapped=swapped, fragments=fragments)


def prove(data: Buffer, extent: Extent, syntax: Syntax, survey: Survey) -> Collection[Blank]:
    """Show that the pixel data are the image the survey describes; answers what must be blanked. Raises Holding."""
    if survey.number("samples") not in _SAMPLES:
        raise unproven("as many samples a pixel as no picture has that all viewers show: one of them could be a text")
    if extent.fragments is None:
        return _native(data, extent, survey)
    if not len(extent.fragments):
        raise unproven("no frame in the pixel data")
    require_basic(data, extent.fragments)
    return _encapsulated(data, extent.fragments, syntax, survey)


def _native(data: Buffer, extent: Extent, survey: Survey) -> Collection[Blank]:
    surplus = extent.end - extent.value - survey.native_bytes
    if surplus < 0:
        raise Holding(HoldReason.TRUNCATED, "fewer pixel bytes than the header describes")
    if surplus > 1 and any(data[extent.end - surplus : extent.end].strip(b"\0")):
        raise unproven("more pixel bytes than the header describes")
    return [(extent.end - (2 if extent.swapped else 1), 1, b"\0")] if surplus == 1 else []


def _encapsulated(data: Buffer, fragments: Fragments, syntax: Syntax, survey: Survey) -> Collection[Blank]:
    blanks, scan = Blanks(), _scan(data, syntax.codec, survey)
    firsts, held = array("L"), fragments.table[0]
    for first, last, start, end in _frames(data, fragments, _MAGIC.get(syntax.codec, b"")):
        firsts.append(first)
        if start - held > HELD_MAX_BYTES:
            let_go(data, held, start)
            held = start
        if last - first == 1:
            if found := scan(start, end):
                blanks.add(found)
        else:
            parts = [fragments[number] for number in range(first, last)]
            joined = _joined(data, parts)
            blanks.add(_split(parts, _scan(joined, syntax.codec, survey)(0, len(joined))))
    if len(firsts) != survey.number("frames"):
        raise unproven("more or fewer frames than the header describes")
    require_extended(data, survey.level.between(*EXTENDED), fragments, firsts)
    return blanks


def _scan(data: Buffer, codec: str, survey: Survey) -> Scan:
    rows, columns, samples = (survey.number(fact) for fact in ("rows", "columns", "samples"))
    if codec == "jpeg":
        return JpegScan(data, rows, columns, samples)
    if codec == "j2k":
        return Jpeg2000Scan(data, rows, columns, samples)
    if codec == "rle":
        bits = survey.number("bits")
        plane_bits = rows * columns * min(bits, 8)
        return RunLengthScan(data, samples * -(-bits // 8), -(-plane_bits // 8))
    return _RawScan(data, survey.frame_bytes)


class _RawScan:
    """Frames that are only encapsulated (PS3.5 §A.4.11): as long as the image's, padded to even length."""

    def __init__(self, data: Buffer, frame_bytes: int) -> None:
        self._data, self._frame_bytes = data, frame_bytes

    def __call__(self, pos: int, end: int) -> Sequence[Blank]:
        if not 0 <= end - pos - self._frame_bytes <= 1:
            raise unproven("a frame is longer or shorter than the header describes")
        return [(end - 1, 1, b"\0")] if end - pos > self._frame_bytes else []


def _frames(data: Buffer, fragments: Fragments, magic: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Runs of fragments that make one frame, and where the first of them lies: a frame begins where its codec's magic
    number stands."""
    size = len(magic)
    first, begin, end = 0, *fragments[0][:1], sum(fragments[0])
    for number, (start, length) in enumerate(fragments):
        if size and data[start : start + size] != magic:
            if not number:
                raise unproven("the first fragment does not begin a frame")
            continue
        if number:
            yield first, number, begin, end
        first, begin, end = number, start, start + length
    yield first, len(fragments), begin, end


def _joined(data: Buffer, parts: Sequence[tuple[int, int]]) -> bytes:
    if sum(length for _, length in parts) > _JOINED_MAX_BYTES:
        raise Holding(HoldReason.TOO_LARGE, "one frame in several fragments is beyond the bound")
    return b"".join(data[start : start + length] for start, length in parts)


def _split(parts: Sequence[tuple[int, int]], blanks: Sequence[Blank]) -> list[Blank]:
    """Blanks of a frame in several fragments, from positions in the joined frame to positions in the file."""
    result: list[Blank] = []
    begin = 0
    for start, size in parts:
        for at, length, fill in blanks:
            low, high = max(at, begin), min(at + length, begin + size)
            if low < high:
                result.append((start + low - begin, high - low, fill))
        begin += size
    return result
