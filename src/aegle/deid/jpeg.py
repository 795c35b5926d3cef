"""Text inside JPEG and JPEG-LS frames: comments and application segments (ISO 10918-1 Annex B, ISO 14495-1 Annex C).

Peak memory: one window.
"""

import re
from collections.abc import Callable, Sequence
from struct import Struct

from aegle import late
from aegle.deid.codestreams import Blank, after, next_marker, segment_length, unproven
from aegle.dicom.walk import Buffer

WINDOW = 1 << 18  #: bytes looked through at a time
_EOI, _SOS, _COM = 0xD9, 0xDA, 0xFE
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
#: Segments an image may have: frame and scan headers, tables, those of JPEG-LS (F7, F8), APPn and COM.
_JPEG_SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xF7, 0xF8, _COM}) - {0xC8}
_SIZE, _NO_LINES = Struct(">HHB"), b"\0\0"  #: lines may be told after the first scan (DNL, §B.2.5)
_HEAD_MAX_BYTES = 1 << 16  #: of a header that is remembered
_JFIF_BYTES = 14  #: of an APP0 segment without a thumbnail
_PLAIN_ENDS = frozenset({b"\xff\xd9", b"\xff\xd9\0"})  #: EOI, and the pad of an image of odd length
#: A marker in entropy-coded data: its second byte is not stuffing (00), a restart, or a JPEG-LS stuffed bit (below 80).
_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_WORTH_NUMPY = 1 << 28  #: bytes of an object from which NumPy's better speed is worth its loading


class Markers:
    """The markers in entropy-coded data."""

    def __init__(self, data: Buffer) -> None:
        self._data = data

    def find(self, pos: int, end: int) -> int:
        """Position of the first one from `pos`, or `end`."""
        found = _MARKER.search(self._data, pos, min(end + 1, len(self._data)))
        return min(found.start(), end) if found else end


class NumpyMarkers(Markers):
    """The same in a third of the time: NumPy tells, a window at a time, where FF is followed by 80 or more."""

    def __init__(self, data: Buffer) -> None:
        import numpy as np  # a tenth of a second

        super().__init__(data)
        self._np = np
        self._start = self._stop = 0
        self._suspects = bytearray(WINDOW)  #: FF where a marker may begin

    def find(self, pos: int, end: int) -> int:
        """As of `Markers`."""
        pairs_end = min(end, len(self._data) - 1)
        while pos < pairs_end:
            if not self._start <= pos < self._stop:
                self._look(pos)
            stop = min(self._stop, end)
            at = self._suspects.find(b"\xff", pos - self._start, stop - self._start)
            if at >= 0:  # a marker, or a restart, or filling
                found = super().find(self._start + at, stop)
                if found < stop:
                    return found
            pos = stop
        return end

    def _look(self, pos: int) -> None:
        np = self._np
        self._start, self._stop = pos, min(pos + WINDOW, len(self._data) - 1)
        size = self._stop - pos
        first, second = (np.frombuffer(self._data, np.uint8, size, start) for start in (pos, pos + 1))
        suspects = np.frombuffer(self._suspects, np.uint8, size)
        np.bitwise_or(second, 0x7F, out=suspects)
        np.bitwise_and(suspects, first, out=suspects)


class JpegScan:
    """Finds what to blank in JPEG and JPEG-LS images: COM, APPn but plain JFIF and Adobe, and what follows the end.

    Images that follow one another mostly have the same header: it is read once.
    """

    def __init__(self, data: Buffer, rows: int, columns: int, samples: int) -> None:
        self._data, self._size = data, _SIZE.pack(rows, columns, samples)
        fast = len(data) >= _WORTH_NUMPY or late.is_loaded("numpy")
        self._markers = NumpyMarkers(data) if fast else Markers(data)
        self._head, self._head_blanks = b"", list[Blank]()

    def __call__(self, pos: int, end: int) -> Sequence[Blank]:
        """Of the image at `pos`. Raises Holding when it is not one."""
        data, start = self._data, pos + len(self._head)
        if start > end or data[pos:start] != self._head or start == pos:
            found = list[Blank]()
            return self._scans(self._header(pos, end, found), end, found)
        found = [(pos + at, length, fill) for at, length, fill in self._head_blanks]
        at = self._markers.find(start, end)
        if data[at:end] in _PLAIN_ENDS:  # one scan up to the end, as nearly every image has it
            return found
        return self._scans(start, end, found)

    def _header(self, pos: int, end: int, found: list[Blank]) -> int:
        """Up to the data of the first scan."""
        if self._data[pos : pos + 2] != b"\xff\xd8":
            raise unproven("a frame does not start as a JPEG image")
        stop, ended = self._segments(pos + 2, end, found)
        if ended:
            raise unproven("a frame ends before its image does")
        self._head = self._data[pos:stop] if stop - pos <= _HEAD_MAX_BYTES else b""
        self._head_blanks = [(at - pos, length, fill) for at, length, fill in found]
        return stop

    def _scans(self, pos: int, end: int, found: list[Blank]) -> Sequence[Blank]:
        ended = False
        while not ended:
            pos, ended = self._segments(self._markers.find(pos, end), end, found)
        found += after(self._data, pos, end)
        return found

    def _segments(self, pos: int, end: int, found: list[Blank]) -> tuple[int, bool]:
        """Walk segments up to the data of a scan, or to the image's end; answers where, and whether it is the end."""
        while True:
            pos, marker = next_marker(self._data, pos, end)
            if marker == _EOI or marker in _STANDALONE:
                if marker == _EOI:
                    return pos, True
                continue
            length = segment_length(self._data, pos, end)
            if marker not in _JPEG_SEGMENTS or not _fits(marker, self._data[pos + 2 : pos + length]):
                raise unproven("a frame holds a segment that no image has")
            if _starts_frame(marker) and self._data[pos + 3 : pos + 8] not in {self._size, _NO_LINES + self._size[2:]}:
                raise unproven("a frame has another size, or other samples, than the header says")
            if marker == _COM or (0xE0 <= marker <= 0xEF and not _needed(self._data, marker, pos, length)):
                found.append((pos + 2, length - 2, b" "))
            pos += length
            if marker == _SOS:
                return pos, False


def _starts_frame(marker: int) -> bool:
    """SOF of JPEG and of JPEG-LS: bits a sample, lines, samples a line, components."""
    return (0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xCC}) or marker == 0xF7


def _fits(marker: int, content: bytes) -> bool:
    """Whether a table or header segment is as long as what it declares, so that nothing can follow it unread."""
    if marker == 0xDB:
        return _tables_fit(content, lambda at: 64 << (content[at] >> 4 & 1))
    if marker == 0xC4:
        return _tables_fit(content, lambda at: 16 + sum(content[at + 1 : at + 17]))
    if marker == 0xCC:
        return len(content) % 2 == 0 and all(map(_conditions, content[::2], content[1::2]))
    if marker == _SOS:
        return len(content) >= 1 and len(content) == 4 + 2 * content[0]
    if _starts_frame(marker):
        return len(content) >= 6 and len(content) == 6 + 3 * content[5]
    return marker not in {0xDC, 0xDD} or len(content) == 2


def _conditions(table: int, value: int) -> bool:
    """Whether two bytes condition an arithmetic coder (§B.2.4.3): class and number of a table, and its bounds."""
    if table > 0x13 or table & 0x0F > 3:
        return False
    return 1 <= value <= 63 if table >> 4 else value & 0x0F <= value >> 4


def _tables_fit(content: bytes, size: Callable[[int], int]) -> bool:
    at = 0
    while at < len(content):
        at += 1 + size(at)
    return at == len(content)


def _needed(data: Buffer, marker: int, pos: int, length: int) -> bool:
    """Whether decoders need the segment and its form leaves no room for text."""
    if marker == 0xE0:
        return length == _JFIF_BYTES + 2 and data[pos + 2 : pos + 7] == b"JFIF\0"
    return marker == 0xEE and length == 14 and data[pos + 2 : pos + 7] == b"Adobe"
