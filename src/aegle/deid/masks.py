"""Pixel rules: what somebody who looked at one device's pictures knows of them, and what to paint over (PS3.15 §E.3.1).

A rule names a device by manufacturer, model and picture size, and says that nothing is burned in, that rectangles are to be
painted over in all frames or in some, or that only the declared ultrasound regions may stay. Without a rule a picture that may
hold text is held.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in some frames, in pixels from the upper left."""

    left: int
    top: int
    width: int
    height: int
    first: int = 1  #: of the frames it lies in, from 1; 0 is the last one there is
    last: int = 0

    def __repr__(self) -> str:
        """As it was before boxes named frames, for one in all of them: digests of profiles are made of this."""
        frames = "" if self[4:] == (1, 0) else f", first={self.first}, last={self.last}"
        return f"Box(left={self.left}, top={self.top}, width={self.width}, height={self.height}{frames})"

    def is_on(self, number: int, count: int) -> bool:
        """Whether it lies in frame `number` of `count`, from 1."""
        return (self.first or count) <= number <= (self.last or count)


_FRAMES = re.compile(r"(first|last|[1-9]\d{0,8})(?:-(last|[1-9]\d{0,8}))?")


def frames_named(text: str) -> tuple[int, int] | None:
    """First and last of the frames that `first`, `last`, `7`, `2-9` or `2-last` name, for a Box; None for another text."""
    found = _FRAMES.fullmatch(text)
    if found is None:
        return None
    first, last = (_NAMED.get(word) if word in _NAMED else int(word) for word in (found[1], found[2] or found[1]))
    return None if first is None or last is None or (last and not 0 < first <= last) else (first, last)


_NAMED = {"first": 1, "last": 0}


class Keep(StrEnum):
    """What of a device's pictures may leave."""

    ALL = "all"  #: the device burns nothing in, although it does not say so
    UNMASKED = "unmasked"  #: all but the rule's boxes
    REGIONS = "regions"  #: the declared ultrasound regions (PS3.3 §C.8.5.5), less the rule's boxes


@dataclass(frozen=True, kw_only=True)
class PixelRule:
    """What one person decided on one device's pictures."""

    manufacturer: str
    model: str
    modality: str = ""  #: empty: any
    columns: int = 0  #: 0: any size; boxes need one
    rows: int = 0
    keep: Keep
    boxes: tuple[Box, ...] = ()
    by: str  #: who looked at the pictures

    @property
    def told(self) -> str:
        """In words, for whoever is to agree: `Lumenoptik Colpo 3 (640x480): keep unmasked, 2 place(s) painted over`."""
        size = f" ({self.columns}x{self.rows})" if self.columns else ""
        painted = f", {len(self.boxes)} place(s) painted over" if self.boxes else ""
        return f"{self.manufacturer} {self.model}{size}: keep {self.keep}{painted}"

    def fits(self, device: "Device") -> bool:
        """Whether the rule was made for pictures like this one; capitals and outer spaces do not matter."""
        named = (self.manufacturer, device.manufacturer), (self.model, device.model)
        size = (self.columns, self.rows) in {(0, 0), (device.columns, device.rows)}
        modality = not self.modality or self.modality.upper() == device.modality.upper()
        return size and modality and all(ours.strip().casefold() == its.strip().casefold() for ours, its in named)


@dataclass(frozen=True, kw_only=True)
class Device:
    """What an object says of where its picture comes from."""

    manufacturer: str
    model: str
    modality: str
    columns: int
    rows: int


def fitting(rules: Iterable[PixelRule], device: Device) -> PixelRule | None:
    """The first rule that was made for this device; never one for a device that does not name itself."""
    if not device.manufacturer.strip() or not device.model.strip():
        return None
    return next((rule for rule in rules if rule.fits(device)), None)


def outside(regions: Sequence[Box], columns: int, rows: int) -> tuple[Box, ...]:
    """The parts of a frame that no region covers, as boxes that do not overlap."""
    clipped = [region for region in (clip(region, columns, rows) for region in regions) if region is not None]
    edges = sorted({0, rows, *(box.top for box in clipped), *(box.top + box.height for box in clipped)})
    return tuple(box for top, bottom in pairwise(edges) for box in _gaps(clipped, columns, top, bottom))


def _gaps(regions: Sequence[Box], columns: int, top: int, bottom: int) -> Iterator[Box]:
    """What is not covered between two rows between which no region begins or ends."""
    spans = sorted((box.left, box.left + box.width) for box in regions if box.top <= top < box.top + box.height)
    reached = 0
    for left, right in [*spans, (columns, columns)]:
        if left > reached:
            yield Box(reached, top, left - reached, bottom - top)
        reached = max(reached, right)


def clip(box: Box, columns: int, rows: int) -> Box | None:
    """The part of a box that lies in the frame; None when there is none."""
    left, top = max(box.left, 0), max(box.top, 0)
    right, bottom = min(box.left + box.width, columns), min(box.top + box.height, rows)
    return Box(left, top, right - left, bottom - top, *box[4:]) if right > left and bottom > top else None
