"""The first look at an object: the few top-level facts that decide whether it may be de-identified at all."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

from aegle.deid.dates import offset_from_utc
from aegle.deid.identifiers import texts
from aegle.deid.masks import Box, Device
from aegle.deid.moments import PAIRS, TIMES
from aegle.deid.outcome import RESTORED, Identity
from aegle.deid.outline import Level, Outlines
from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason
from aegle.dicom.walk import (
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    Buffer,
    Encoding,
    Head,
    elements,
    inner_encoding,
    item_end,
    value_end,
)
from aegle.references import InstanceRef

_TERM = re.compile(r"[A-Za-z0-9_ .\-]*")

_CHARACTER_SET, IMAGE_TYPE, SOP_CLASS, _SOP_UID = 0x00080005, 0x00080008, 0x00080016, 0x00080018
_STUDY_UID, _SERIES_UID, BURNED_IN, RECOGNIZABLE = 0x0020000D, 0x0020000E, 0x00280301, 0x00280302
_PLANE = (0x00200032, 0x00200037)  #: Image Position and Image Orientation (Patient)
_FRAMES = (0x52009229, 0x52009230)  #: Shared and Per-frame Functional Groups: where the planes of many frames stand
_PATIENT_ID, _ISSUER, METHOD, LABEL_IN_IMAGE = 0x00100020, 0x00100021, 0x00120063, 0x00480010
_MANUFACTURER, _MODEL, _MODALITY, _REGIONS = 0x00080070, 0x00081090, 0x00080060, 0x00186011
_REGION_EDGES = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)  #: left, top, right, bottom; the last two are inside
_ZONE, _ACQUIRED = 0x00080201, 0x0008002A
_MOMENTS = {*PAIRS, *TIMES, _ZONE, _ACQUIRED}
_SHAPE = {"samples": 0x00280002, "frames": 0x00280008, "rows": 0x00280010, "columns": 0x00280011, "bits": 0x00280100}
PHOTOMETRIC, CONVERSION_TYPE, SERIES_DESCRIPTION = 0x00280004, 0x00080064, 0x0008103E
_WANTED = frozenset(
    {_CHARACTER_SET, IMAGE_TYPE, SOP_CLASS, _SOP_UID, _STUDY_UID, _SERIES_UID, BURNED_IN, RECOGNIZABLE}
    | {
        _PATIENT_ID,
        _ISSUER,
        METHOD,
        LABEL_IN_IMAGE,
        PHOTOMETRIC,
        CONVERSION_TYPE,
        SERIES_DESCRIPTION,
        *_SHAPE.values(),
        *RESTORED,
    }
    | {_MANUFACTURER, _MODEL, _MODALITY, 0x00280006, *_MOMENTS}
)
#: Wanted values that tell one object from the next, or one patient from another; nothing is judged by them.
_OF_ONE = frozenset({_SOP_UID, _STUDY_UID, _SERIES_UID, _PATIENT_ID, _ISSUER, *_MOMENTS, *RESTORED})
MARK = "Aegle PS3.15 2026d"  #: first value of (0012,0063) of what we wrote


class _Shared(dict[int, bytes]):
    """Values without those of one object alone: to ask for one of these is a mistake, not an absent value."""

    def get(self, tag: int, default: Any = None) -> Any:
        if tag in _OF_ONE:
            raise LookupError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is of one object, and no ground to judge many")
        return super().get(tag, default)


class Likeness(NamedTuple):
    """All of a survey but what is of one object alone: what is judged by it is judged for every object that is like it."""

    values: tuple[tuple[int, bytes], ...]
    big_endian: bool
    regions: tuple[Box, ...]
    overlay_in_pixels: bool
    has_plane: bool
    has_pixels: bool

    def survey(self) -> "Survey":
        """As a survey, which has no attributes to walk, and raises LookupError where it is asked for what is not in it."""
        pixels = Head(PIXEL_DATA, b"", 0, 0, 0) if self.has_pixels else None
        return Survey(
            level=Level((), (), pixels),
            values=_Shared(self.values),
            big_endian=self.big_endian,
            regions=self.regions,
            overlay_in_pixels=self.overlay_in_pixels,
            has_plane=self.has_plane,
        )


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Top-level values of one object, raw, and what follows from them."""

    level: Level  #: the top level up to PixelData
    values: Mapping[int, bytes]
    big_endian: bool
    regions: tuple[Box, ...]  #: Sequence of Ultrasound Regions
    overlay_in_pixels: bool  #: an overlay group without data of its own: its bits lie in the pixels (retired)
    has_plane: bool  #: it says where in the patient its picture lies, for all frames or for each

    @property
    def has_pixels(self) -> bool:
        """Whether there is Pixel Data."""
        return self.level.pixels is not None

    def readings(self, tag: int) -> tuple[str, ...]:
        """A value by the object's character set, and as UTF-8, which many write without saying so."""
        raw = self.values.get(tag, b"")
        return texts(raw, self.character_set), raw.decode(errors="replace")

    def text(self, tag: int) -> str:
        """A value of the default repertoire, without padding; empty when absent."""
        return self.values.get(tag, b"").decode("latin-1").strip("\0 ")

    def number(self, fact: str) -> int:
        """A US or IS value of the image's shape; 1 when absent. Raises Holding when it is not a number."""
        raw = self.values.get(_SHAPE[fact], b"")
        if fact == "frames":
            text = raw.decode("latin-1").strip("\0 ")
            if text and not text.isdecimal():
                raise Holding(HoldReason.MALFORMED, "Number of Frames is not a number")
            return int(text[:12] or 1)
        if raw and len(raw) != 2:
            raise Holding(HoldReason.MALFORMED, "a number that describes the image has the wrong length")
        return int.from_bytes(raw, "big" if self.big_endian else "little") if raw else 1

    @property
    def zone(self) -> int | None:
        """Minutes that the object's local time is ahead of UTC, by Timezone Offset From UTC or else by the moment of its
        acquisition; None where neither says."""
        if _ZONE in self.values and (stated := offset_from_utc(self.text(_ZONE))) is not None:
            return stated
        return offset_from_utc(self.text(_ACQUIRED)[-5:]) if _ACQUIRED in self.values else None

    @cached_property
    def source(self) -> InstanceRef:
        """The object's own UIDs."""
        return InstanceRef(
            study_uid=self.text(_STUDY_UID),
            series_uid=self.text(_SERIES_UID),
            sop_uid=self.text(_SOP_UID),
            sop_class=self.text(SOP_CLASS),
        )

    @cached_property
    def device(self) -> Device:
        """Where the picture comes from, and its size."""
        manufacturer, model, modality = (self.text(tag) for tag in (_MANUFACTURER, _MODEL, _MODALITY))
        columns, rows = self.number("columns"), self.number("rows")
        return Device(manufacturer=manufacturer, model=model, modality=modality, columns=columns, rows=rows)

    @cached_property
    def character_set(self) -> tuple[str, ...]:
        """Specific Character Set, one term a value."""
        return character_set_of(self.values.get(_CHARACTER_SET, b""))

    def require_character_set(self) -> None:
        """Raises Holding when the Specific Character Set is not made of names, so that no reader can look them up."""
        if not all(_TERM.fullmatch(term) for term in self.character_set):
            raise Holding(HoldReason.MALFORMED, "the Specific Character Set is not made of names")

    @property
    def identity(self) -> Identity:
        """What the vault keeps."""
        kept = {tag: self.values[tag].rstrip(b"\0 ") for tag in RESTORED if tag in self.values}
        return Identity(character_set=self.character_set, values=kept)

    @property
    def likeness(self) -> Likeness:
        """What it has in common with the other objects of its series."""
        values = tuple(item for item in self.values.items() if item[0] not in _OF_ONE)
        return Likeness(values, self.big_endian, self.regions, self.overlay_in_pixels, self.has_plane, self.has_pixels)

    @property
    def native_bytes(self) -> int:
        """How many bytes the described frames take uncompressed, padding apart; frames of single bits are not aligned."""
        return (self._frame_bits * self.number("frames") + 7) // 8

    @property
    def frame_bytes(self) -> int:
        """How many bytes one described frame takes uncompressed."""
        return (self._frame_bits + 7) // 8

    @property
    def _frame_bits(self) -> int:
        bits = self.number("rows") * self.number("columns") * self.number("samples") * self.number("bits")
        subsampled = self.text(PHOTOMETRIC) in {"YBR_FULL_422", "YBR_PARTIAL_422"}
        return bits * 2 // 3 if subsampled else bits


@lru_cache(maxsize=64)
def character_set_of(raw: bytes) -> tuple[str, ...]:
    """Of the value of a Specific Character Set, one term a value."""
    return tuple(term.strip() for term in raw.decode("latin-1").strip("\0 ").split("\\"))


def look(encoding: Encoding, data: Buffer, pos: int) -> Survey:
    """Survey the data set at `pos`. Raises BrokenEncoding, and Holding for tags out of order or too many of them."""
    level = _outlines(encoding).read(data, pos)
    overlays = [head.tag for head in level.between(0x60000000, 0x60FFFFFF)]
    with_data = {tag >> 16 for tag in overlays if tag & 0xFFFF == 0x3000}
    return Survey(
        level=level,
        values=level.facts,
        big_endian=encoding.big_endian,
        regions=tuple(box for head in level.between(_REGIONS, _REGIONS) for box in _regions(encoding, data, head)),
        overlay_in_pixels=any(tag >> 16 not in with_data for tag in overlays),
        has_plane=any(head.length for head in level.between(*_PLANE) if head.tag in _PLANE)
        or any(head.length for head in level.between(*_FRAMES)),
    )


@cache
def _outlines(encoding: Encoding) -> Outlines:
    return Outlines(encoding, _WANTED)


def _regions(encoding: Encoding, data: Buffer, sequence: Head) -> Iterator[Box]:
    """The boxes of a Sequence of Ultrasound Regions; a region without edges is none."""
    inner = inner_encoding(encoding, sequence)
    pos, end = sequence.value, value_end(encoding, data, sequence, len(data))
    while pos < end:
        item = inner.head(data, pos, end)
        if item.tag == SEQUENCE_END:
            return
        after = item_end(inner, data, item, end, 1)
        stop = after - 8 if item.length == UNDEFINED else after
        edges = {head.tag: _unsigned(encoding, data, head) for head in elements(inner, data, item.value, stop)}
        if edges.keys() >= set(_REGION_EDGES):
            left, top, right, bottom = (edges[tag] for tag in _REGION_EDGES)
            yield Box(left, top, right - left + 1, bottom - top + 1)
        pos = after


def _unsigned(encoding: Encoding, data: Buffer, head: Head) -> int:
    value = data[head.value : head.value + head.length] if head.length == 4 else b""
    return int.from_bytes(value, "big" if encoding.big_endian else "little")
