"""Text inside compressed pixels: comments and application segments found, so that they can be blanked in place.

Nothing is decoded and no length changes, so frame offsets hold. A segment is (position, length, fill byte).
"""

import re
from collections.abc import Iterator
from struct import Struct

from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason
from aegle.dicom.walk import Buffer

Blank = tuple[int, int, bytes]

_U16 = Struct(">H")
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
#: A marker in entropy-coded data: not stuffing (00), not a restart, not a JPEG-LS stuffed bit (below 80).
_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_JFIF_BYTES = 14  #: of an APP0 segment without a thumbnail


def jpeg_blanks(data: Buffer, pos: int, end: int) -> Iterator[Blank]:
    """Segments to blank in the JPEG or JPEG-LS image at `pos`: COM, APPn but plain JFIF and Adobe, and what follows
    the end of the image. Raises Holding when it is not such an image."""
    if data[pos : pos + 2] != b"\xff\xd8":
        raise Holding(HoldReason.PIXELS_UNPROVEN, "a frame does not start as a JPEG image")
    pos += 2
    while True:
        pos, marker = _next_marker(data, pos, end)
        if marker == _EOI:
            yield from _after(data, pos, end)
            return
        if marker in _STANDALONE:
            continue
        length = _length(data, pos, end)
        if marker == _COM or (0xE0 <= marker <= 0xEF and not _needed(data, marker, pos, length)):
            yield pos + 2, length - 2, b" "
        pos += length
        if marker == _SOS:
            found = _MARKER.search(data, pos, end)
            pos = found.start() if found else end


def _next_marker(data: Buffer, pos: int, end: int) -> tuple[int, int]:
    while pos + 1 < end and data[pos : pos + 2] == b"\xff\xff":
        pos += 1
    if pos + 1 >= end:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "a frame ends before its image does")
    if data[pos] != 0xFF:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "a frame holds something other than JPEG segments")
    return pos + 2, data[pos + 1]


def _length(data: Buffer, pos: int, end: int) -> int:
    if pos + 2 > end:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "a frame ends before its image does")
    length: int = _U16.unpack_from(data, pos)[0]
    if length < 2 or pos + length > end:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "a segment of a frame passes its end")
    return length


def _needed(data: Buffer, marker: int, pos: int, length: int) -> bool:
    """Whether decoders need the segment and its form leaves no room for text."""
    if marker == 0xE0:
        return length == _JFIF_BYTES + 2 and data[pos + 2 : pos + 7] == b"JFIF\0"
    return marker == 0xEE and length == 14 and data[pos + 2 : pos + 7] == b"Adobe"


def _after(data: Buffer, pos: int, end: int) -> Iterator[Blank]:
    if pos < end:
        yield pos, end - pos, b"\0"


def j2k_blanks(data: Buffer, pos: int, end: int) -> Iterator[Blank]:
    """Segments to blank in the JPEG 2000 codestream at `pos` (ISO 15444-1 Annex A): the text of every COM in the main
    header and the tile-part headers, and what follows the end. Raises Holding when it is not such a codestream."""
    if data[pos : pos + 4] != b"\xff\x4f\xff\x51":
        raise Holding(HoldReason.PIXELS_UNPROVEN, "a frame does not start as a JPEG 2000 codestream")
    pos, tile_end = pos + 2, end
    while True:
        pos, marker = _next_marker(data, pos, end)
        if marker == _EOI:
            yield from _after(data, pos, end)
            return
        if marker == 0x93:  # SOD: the tile-part's data follow its header
            pos = tile_end
            continue
        length = _length(data, pos, end)
        if marker == 0x90:  # SOT: where this tile-part ends
            tile_end = _tile_part_end(data, pos, end)
        elif marker == 0x64 and length > 4:
            yield pos + 4, length - 4, b" "
        pos += length


def _tile_part_end(data: Buffer, pos: int, end: int) -> int:
    """End of the tile-part whose SOT parameters start at `pos`; length 0 means up to the end of the codestream."""
    length = int.from_bytes(data[pos + 4 : pos + 8], "big")
    stop = pos - 2 + length if length else data.rfind(b"\xff\xd9", pos, end)
    if not pos < stop <= end:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "a tile-part passes the end of its frame")
    return stop
