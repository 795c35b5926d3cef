"""Bits beside the stored ones in compressed frames: told from the codestream's own header, and looked at where it leaves room.

A codestream that counts as many bits a sample as Bits Stored has none to spare. Encoders that keep the whole word count more
(dcmtk's do, of every slice of 12 bits): their frames are decoded by a child process and looked at as uncompressed ones are.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from aegle.deid.codestreams import next_marker, segment_length
from aegle.deid.reading import Reading, Region
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.repaint import decoders
from aegle.deid.spare_bits import SpareBits
from aegle.dicom.walk import HELD_MAX_BYTES, Buffer, let_go

_TRANSFER_SYNTAX = 0x00020010
_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_COMPONENTS = (
    40  #: where SIZ counts them (ISO 15444-1 §A.5.1), from the codestream's beginning; three bytes each follow
)
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})  #: markers of JPEG and JPEG-LS frame headers
_RLE, _ENCAPSULATED = b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.1.98"
_RUNS_HEAD, _NO_OPERATION = Struct("<16L"), 0x80  #: PS3.5 §G.3, §G.5
_WIDEST = 38  #: bits a sample that any codestream can have


def held_for_spare_bits(written: Reading, path: Path) -> Held | None:
    """Why compressed frames must not leave for what may stand beside their samples' own bits; None for nearly all. Raises
    Holding for a frame without a header."""
    spare = SpareBits(written, decoded=True)
    if written.pixels.fragments is None or not spare:
        return None
    if written.meta.value(_TRANSFER_SYNTAX) == _ENCAPSULATED:
        hidden = spare.hide_something(lambda: _frames(written.pixels))
    elif not _leaves_room(written, spare):
        return None
    elif (answer := decoders().ask({"path": str(path)})) is None:
        return Held(reason=HoldReason.PIXELS_UNPROVEN, detail="the picture cannot be decoded to be looked at")
    else:
        hidden = bool(answer["hidden"])
    return (
        Held(reason=HoldReason.HIDDEN_BITS, detail="bits beside those that Bits Stored names are in use")
        if hidden
        else None
    )


def _frames(region: Region) -> Iterator[bytes]:
    for start, length in region.fragments or ():
        yield region.data[start : start + length]


def _leaves_room(written: Reading, spare: SpareBits) -> bool:
    """Whether any frame has room for more bits a sample than the header says it uses."""
    region, runs = written.pixels, written.meta.value(_TRANSFER_SYNTAX) == _RLE
    held = region.start
    for start, length in region.fragments or ():
        if start - held > HELD_MAX_BYTES:
            let_go(region.data, held, start)
            held = start
        stop = start + length
        bits = bits_of_runs(region.data[start:stop], spare) if runs else precision(region.data, start, stop)
        if bits > spare.stored:
            return True
    return False


def precision(data: Buffer, start: int, end: int) -> int:
    """Bits a sample that the codestream at `[start, end)` counts; 0 for a fragment that goes on with another's, and the most
    there can be for what is no codestream."""
    if data[start : start + 4] == _JPEG_2000:
        count = int.from_bytes(data[start + _COMPONENTS : start + _COMPONENTS + 2], "big")
        depths = data[start + _COMPONENTS + 2 : min(start + _COMPONENTS + 2 + 3 * count, end) : 3]
        return max(((depth & 0x7F) + 1 for depth in depths), default=_WIDEST)
    if data[start : start + 2] == _JPEG:
        return _of_jpeg(data, start + 2, end)
    return 0


def _of_jpeg(data: Buffer, pos: int, end: int) -> int:
    while True:
        pos, marker = next_marker(data, pos, end)
        length = segment_length(data, pos, end)
        if marker in _FRAMES:
            return int(data[pos + 2])
        pos += length


def bits_of_runs(frame: bytes, spare: SpareBits) -> int:
    """The most bits that a sample of a run-length frame uses, as far as planes above the stored bits tell: the most
    significant plane of a sample comes first."""
    if len(frame) < _RUNS_HEAD.size:
        return _WIDEST
    count, *offsets = _RUNS_HEAD.unpack_from(frame)
    most = 0
    for number, start in enumerate(offsets[:count]):
        below = 8 * (spare.planes - 1 - number % spare.planes)
        if below + 8 > spare.stored:
            stop = offsets[number + 1] if number + 1 < count else len(frame)
            value = _largest(frame[start:stop])
            most = max(most, below + value.bit_length() if value else 0)
    return most


def _largest(segment: bytes) -> int:
    """Of the bytes that a segment unpacks to."""
    at, size, values = 0, len(segment) - 1, bytearray()
    while at < size:
        control = segment[at]
        if control > _NO_OPERATION:
            values.append(segment[at + 1])
            at += 2
        elif control < _NO_OPERATION:
            values += segment[at + 1 : at + control + 2]
            at += control + 2
        else:
            at += 1
    return max(values, default=0)
