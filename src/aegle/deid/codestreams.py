"""What scans of compressed frames share. A scan finds what can be blanked in place, and holds whatever is not an image.

Nothing is decoded and no length changes, so frame offsets hold.
"""

from collections.abc import Callable, Sequence
from struct import Struct

from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason
from aegle.dicom.walk import Buffer

Blank = tuple[int, int, bytes]  #: position, length, fill byte
Scan = Callable[[int, int], Sequence[Blank]]  #: what to blank in the frame at `[pos, end)`; raises Holding

_U16 = Struct(">H")


def unproven(detail: str) -> Holding:
    """The reason to hold a frame that is not an image from its first byte to its last."""
    return Holding(HoldReason.PIXELS_UNPROVEN, detail)


def next_marker(data: Buffer, pos: int, end: int) -> tuple[int, int]:
    """The second byte of the marker at `pos`, fill bytes skipped, and the position after it."""
    while pos + 1 < end and data[pos : pos + 2] == b"\xff\xff":
        pos += 1
    if pos + 1 >= end:
        raise unproven("a frame ends before its image does")
    if data[pos] != 0xFF:
        raise unproven("a frame holds something other than segments")
    return pos + 2, data[pos + 1]


def segment_length(data: Buffer, pos: int, end: int) -> int:
    """The length of the segment whose length field stands at `pos`, that field included."""
    if pos + 2 > end:
        raise unproven("a frame ends before its image does")
    length: int = _U16.unpack_from(data, pos)[0]
    if length < 2 or pos + length > end:
        raise unproven("a segment of a frame passes its end")
    return length


def after(data: Buffer, pos: int, end: int) -> Sequence[Blank]:
    """What follows an image in its frame becomes zeros, where it is not."""
    return [(pos, end - pos, b"\0")] if data[pos:end].strip(b"\0") else []
