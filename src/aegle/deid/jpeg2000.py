"""Text inside JPEG 2000 and HTJ2K codestreams: comment segments (ISO 15444-1 Annex A), and lists of lengths that are none."""

from collections.abc import Iterable, Sequence
from itertools import chain
from struct import Struct

from aegle.deid.codestreams import Blank, after, next_marker, segment_length, unproven
from aegle.dicom.walk import Buffer

_SIZ = Struct(">HLLLL16xH")  #: capabilities, extent of the reference grid, where the picture begins on it, components
_EOC, _SOT, _SOD, _COM, _PLT = 0xD9, 0x90, 0x93, 0x64, 0x58
_PACKED_HEADERS = frozenset({0x60, 0x61})  #: with these a packet's length is told of its body alone, or of both
#: Segments of the main header and of tile-part headers (Table A.2, ISO 15444-2 Table A.1, ISO 15444-15 Annex A), SOT and
#: COM apart.
_SEGMENTS = frozenset(
    {*range(0x70, 0x7A), 0x50, 0x51, 0x52, 0x53, 0x55, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63}
)


class Jpeg2000Scan:
    """Finds what to blank in codestreams: the text of every COM, and what follows the end."""

    def __init__(self, data: Buffer, rows: int, columns: int, samples: int) -> None:
        self._data, self._size = data, (columns, rows, samples)

    def __call__(self, pos: int, end: int) -> Sequence[Blank]:
        """Of the codestream at `pos`. Raises Holding when it is not one."""
        data, found = self._data, list[Blank]()
        if data[pos : pos + 4] != b"\xff\x4f\xff\x51":
            raise unproven("a frame does not start as a JPEG 2000 codestream")
        if not _holds_picture(data, pos + 6, end, self._size):
            raise unproven("a frame has another size, or other samples, than the header says")
        pos, tile_end, tiles, told, is_packed = pos + 2, 0, 0, list[bytes](), False
        while True:
            pos, marker = next_marker(data, pos, end)
            if marker == _EOC:
                break
            if marker == _SOD:  # the tile-part's data follow its header
                if tile_end < pos:
                    raise unproven("a tile-part without its header")
                if told and not is_packed and _told_bytes(chain.from_iterable(told)) != tile_end - pos:
                    raise unproven("a tile-part tells other lengths than its packets can have")
                pos, tile_end, told = tile_end, 0, []
                continue
            length = segment_length(data, pos, end)
            if marker == _SOT:
                tile_end, tiles = _tile_part_end(data, pos, end), tiles + 1
            elif marker == _PLT:
                told.append(data[pos + 3 : pos + length])
            elif marker == _COM and length > 4:
                found.append((pos + 4, length - 4, b" "))
            elif marker not in _SEGMENTS | {_COM}:
                raise unproven("a frame holds a segment that no codestream has")
            is_packed = is_packed or marker in _PACKED_HEADERS
            pos += length
        if not tiles:
            raise unproven("a frame ends before its image does")
        found += after(data, pos, end)
        return found


def _holds_picture(data: Buffer, pos: int, end: int, size: tuple[int, int, int]) -> bool:
    """Whether the SIZ parameters at `pos` (§A.5.1) describe a picture of (columns, rows, samples)."""
    if pos + _SIZ.size > end:
        return False
    _, right, bottom, left, top, components = _SIZ.unpack_from(data, pos)
    return (right - left, bottom - top, components) == size


def _told_bytes(told: Iterable[int]) -> int:
    """The sum of packet lengths (§A.7.3), seven bits a byte, of which all but a length's last have the highest bit set."""
    total = length = 0
    for byte in told:
        length = length << 7 | byte & 0x7F
        if length >> 32:  # of no tile-part
            return -1
        if byte < 0x80:
            total, length = total + length, 0
    return total if not length else -1


def _tile_part_end(data: Buffer, pos: int, end: int) -> int:
    """End of the tile-part whose SOT parameters start at `pos`; length 0 means up to the end of the codestream."""
    length = int.from_bytes(data[pos + 4 : pos + 8], "big")
    stop = pos - 2 + length if length else data.rfind(b"\xff\xd9", pos, end)
    if not pos < stop <= end:
        raise unproven("a tile-part passes the end of its frame")
    return stop
