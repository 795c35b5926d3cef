"""Run-length frames walked byte run by byte run (PS3.5 Annex G): nothing may stand between, inside or after segments."""

from collections.abc import Sequence
from struct import Struct

from aegle.deid.codestreams import Blank, after, unproven
from aegle.dicom.walk import Buffer

_HEADER = Struct("<16L")
_NO_OPERATION = 0x80


class RunLengthScan:
    """Finds what to blank in run-length frames: bytes that no pixel comes from."""

    def __init__(self, data: Buffer, segments: int, plane_bytes: int) -> None:
        """Each frame has so many segments (samples a pixel x bytes a sample) of so many bytes each, unpacked."""
        self._data = data
        self._segments, self._plane_bytes = segments, plane_bytes

    def __call__(self, pos: int, end: int) -> Sequence[Blank]:
        """Of the frame at `pos`. Raises Holding when it is not one, or holds fewer pixels than it should."""
        if pos + _HEADER.size > end:
            raise unproven("a run-length frame without its header")
        count, *offsets = _HEADER.unpack_from(self._data, pos)
        if count != self._segments or offsets[0] != _HEADER.size or any(offsets[count:]):
            raise unproven("a run-length header other than the image's")
        stops = [*offsets[1:count], end - pos]
        found: list[Blank] = []
        for start, stop in zip(offsets[:count], stops, strict=True):
            if not start <= stop <= end - pos:
                raise unproven("segments of a run-length frame out of order")
            used = self._unpacked(bytes(self._data[pos + start : pos + stop]))
            found += after(self._data, pos + start + used, pos + stop)
        return found

    def _unpacked(self, segment: bytes) -> int:
        """How many bytes of a segment its pixels come from."""
        at, left, size = 0, self._plane_bytes, len(segment)
        while left > 0 and at < size:
            control = segment[at]
            if control > _NO_OPERATION:
                left -= 257 - control
                at += 2
            elif control < _NO_OPERATION:
                left -= control + 1
                at += control + 2
            else:
                at += 1
        if left or at > size:
            raise unproven("a run-length segment holds fewer or more pixels than the image")
        return at
