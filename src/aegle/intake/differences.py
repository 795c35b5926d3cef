"""In what two outputs of one instance differ, for whoever decides if one replaces the other: attributes, never values."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from pydicom.datadict import keyword_for_tag

from aegle.deid.reading import Part, Region, opened

_METHOD = 0x00120063  #: names the profile in force, which is no change of the object
_NAMED_MAX = 12
_PIECE_BYTES = 1 << 20


def differences(before: Path, now: Path) -> str:
    """The attributes of the top level that differ, and whether the pixels do, in words. Peak memory: both headers'.

    Raises whatever pydicom does over bytes that it cannot read."""
    with opened(before, whole=True) as old, opened(now, whole=True) as new:
        tags = sorted({*_changed(old.header, new.header), *_changed(old.after, new.after)} - {_METHOD})
        names = [keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in tags]
        more = [f"{len(names) - _NAMED_MAX} more"] if len(names) > _NAMED_MAX else []
        pixels = [] if _same(old.pixels, new.pixels) else ["the pixels"]
    found = [*pixels, *names[:_NAMED_MAX], *more]
    if not found:
        return "nothing that goes out differs: only what is removed or replaced, a name for instance"
    return f"of what goes out, {', '.join(found)} differ"


def _changed(old: Part, new: Part) -> set[int]:
    tags = old.elements.keys() | new.elements.keys()
    return {tag for tag in tags if _content(old, tag) != _content(new, tag)}


def _content(part: Part, tag: int) -> object:
    """What an element holds, wherever in its file it stands."""
    element = part.elements.get(tag)
    return None if element is None else (element.VR, part.value(tag) or str(element.value))


def _same(old: Region, new: Region) -> bool:
    if old.end - old.start != new.end - new.start:
        return False
    pieces = zip_longest(_pieces(old), _pieces(new))
    return all(one == other for one, other in pieces)


def _pieces(region: Region) -> Iterator[bytes]:
    for at in range(region.start, region.end, _PIECE_BYTES):
        yield region.data[at : min(at + _PIECE_BYTES, region.end)]
