"""Raw bytes of two files compared and searched, in pieces, for the independent check."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import IO

import numpy as np

from aegle.deid.identifiers import Search

_PIECE = 1 << 20
_OVERLAP = 512  #: longer than any identifier in any encoding
_FRAGMENT_HEAD, _FRAGMENT_TAIL = 2048, 64  #: where compressed frames could carry words


@dataclass(frozen=True, kw_only=True)
class Region:
    """The pixel bytes of one file: `[start, end)`, and where each fragment starts when they are encapsulated."""

    path: Path
    start: int
    end: int
    fragments: tuple[int, ...]


def same_pixels(before: Region, after: Region, *, blanks: bool) -> bool:
    """Whether both regions hold the same bytes; with `blanks`, but for bytes that became a space or zero."""
    if before.end - before.start != after.end - after.start:
        return False
    pairs = zip_longest(_pieces(before), _pieces(after), fillvalue=b"")
    return all(old == new or (blanks and _only_blanked(old, new)) for old, new in pairs)


def _pieces(region: Region) -> Iterator[bytes]:
    with region.path.open("rb") as file:
        file.seek(region.start)
        left = region.end - region.start
        while left > 0:
            piece = file.read(min(_PIECE, left))
            if not piece:
                return
            left -= len(piece)
            yield piece


def _only_blanked(old: bytes, new: bytes) -> bool:
    if len(old) != len(new):
        return False
    was, now = np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8)
    changed = now[was != now]
    return bool(np.isin(changed, (0x00, 0x20)).all())


def sweep(region: Region, search: Search) -> str | None:
    """Where raw bytes of the file hold an identifier: in what surrounds the pixels, or in the head or tail of a
    compressed frame. Uncompressed pixels are not searched: they were compared with what the header describes."""
    if not search:
        return None
    with region.path.open("rb") as file:
        size = file.seek(0, 2)
        for start, end in ((0, region.start), (region.end, size)):
            if any(search.hits(_read(file, at - _OVERLAP, at + _PIECE, end)) for at in range(start, end, _PIECE)):
                return "raw bytes around the pixels"
        for start, end in pairwise((*region.fragments, region.end)):
            if search.hits(
                _read(file, start, start + _FRAGMENT_HEAD, end) + _read(file, end - _FRAGMENT_TAIL, end, end)
            ):
                return "a compressed frame"
    return None


def _read(file: IO[bytes], start: int, stop: int, end: int) -> bytes:
    file.seek(max(0, start))
    return file.read(min(stop, end) - max(0, start))
