"""Raw bytes of two files compared and searched, in pieces, for the independent check."""

from collections.abc import Iterator

from aegle.deid.identifiers import Search
from aegle.deid.reading import Region
from aegle.deid.spare_bits import SpareBits
from aegle.dicom.walk import HELD_MAX_BYTES, let_go

_PIECE = 1 << 20
_COMPARED = (
    1 << 16
)  #: bytes at a time: larger ones cost fresh memory from the system each time, more than the comparison
_OVERLAP = 512  #: longer than any identifier in any encoding
_FRAME_HEAD, _FRAME_TAIL = 2048, 64  #: bytes at the ends of a compressed frame that could carry words
_DATA_FOLLOW = (b"\xff\xda", b"\xff\x93")  #: SOS of JPEG, SOD of JPEG 2000: after them stand samples


AROUND = "raw bytes around the pixels"  #: where an identifier was found that no value holds as such


def same_pixels(before: Region, after: Region, *, blanks: bool, spare: SpareBits) -> bool:
    """Whether both regions hold the same bytes; with `blanks`, but for bytes that became a space or zero. On the way
    `spare` meets what stands beside the pixels' own bits."""
    size = before.end - before.start
    if size != after.end - after.start:
        return False
    pieces = map(spare.met, _pieces(after)) if spare else _pieces(after)
    pairs = zip(_pieces(before), pieces, strict=True)
    return all(old == new or (blanks and _only_blanked(old, new)) for old, new in pairs)


def hidden_bits(region: Region, spare: SpareBits, *, met: bool) -> bool:
    """Whether bits beside the pixels' own hold something; when all were `met` they are read again only where one was set."""
    if spare and not met:
        for piece in _pieces(region):
            spare.met(piece)
    return spare.any_set and spare.hold_more(_pieces(region)) and not spare.are_noise(_pieces(region))


def _pieces(region: Region) -> Iterator[bytes]:
    region.file.seek(region.start)
    for at in range(region.start, region.end, _COMPARED):
        yield region.file.read(min(_COMPARED, region.end - at))


def _only_blanked(old: bytes, new: bytes) -> bool:
    import numpy as np  # where something was blanked, and nowhere else

    was, now = np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8)
    changed = now[was != now]
    return bool(np.isin(changed, (0x00, 0x20)).all())


def sweep(region: Region, around: Search, within: Search) -> str | None:
    """Where raw bytes of the data hold an identifier: in what surrounds the pixels (`around`), or in the head or tail of a
    compressed frame (`within`). Uncompressed pixels are not searched: they were compared with what the header describes."""
    for start, end in ((0, region.start), (region.end, len(region.data))):
        for at in range(start, end, _PIECE):
            if around and around.hits(region.data[max(0, at - _OVERLAP) : min(at + _PIECE, end)]):
                return AROUND
    return "a compressed frame" if within and any(map(within.hits, _frame_ends(region))) else None


def _frame_ends(region: Region) -> Iterator[bytes]:
    """What could hold words in frames, joined to pieces of about a megabyte; a head like the one before it once."""
    data, parts, size, known, held = region.data, list[bytes](), 0, b"", region.start
    for start, length in region.fragments or ():
        stop = start + length
        if not known or length < len(known) or data[start : start + len(known)] != known:
            head = data[start : min(stop, start + _FRAME_HEAD)]
            known = _before_samples(head)
            parts.append(known or head)
            size += len(known or head)
        parts.append(data[max(start, stop - _FRAME_TAIL) : stop])
        size += _FRAME_TAIL
        if size > _PIECE:
            yield b"\n".join(parts)
            parts, size = [], 0
        if stop - held > HELD_MAX_BYTES:
            let_go(data, held, stop)
            held = stop
    yield b"\n".join(parts)


def _before_samples(head: bytes) -> bytes:
    """The head up to the mark before its samples, and with it; empty where it has none. A frame that begins so has no other
    words in its head."""
    ends = [at + len(mark) for mark in _DATA_FOLLOW if (at := head.find(mark)) >= 0]
    return head[: min(ends, default=0)]
