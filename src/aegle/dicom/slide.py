"""Whole-slide images as levels and tiles (PS3.3 §C.8.12.4): which frame holds the tile at a place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"

Metadata = Mapping[str, Any]
"""The DICOM JSON model of one instance (PS3.18 Annex F)."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One resolution of an image as a grid of tiles. A still picture is one level of one tile."""

    sop_uid: str
    width: int  #: Total Pixel Matrix Columns
    height: int  #: Total Pixel Matrix Rows
    tile_width: int
    tile_height: int
    um: float | None = None  #: micrometres per pixel across, None where the image does not say
    sparse: Mapping[tuple[int, int], int] | None = None  #: (tile column, tile row) -> frame, for TILED_SPARSE

    @property
    def across(self) -> int:
        """Tiles in a row."""
        return ceil(self.width / self.tile_width)

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return ceil(self.height / self.tile_height)

    def frame(self, column: int, row: int) -> int | None:
        """The frame (1-based) of a tile, None where the slide has none there."""
        if not (0 <= column < self.across and 0 <= row < self.down):
            return None
        return self.sparse.get((column, row)) if self.sparse is not None else row * self.across + column + 1


def level(metadata: Metadata) -> Level | None:
    """The level an image instance is; None for one that is not part of the picture itself: LABEL, OVERVIEW, THUMBNAIL,
    or another focal plane or optical path than the first."""
    rows, columns = _number(metadata, "00280010"), _number(metadata, "00280011")
    if not rows or not columns:
        return None
    sop_uid = str(first(metadata, "00080018", ""))
    if str(first(metadata, "00080016", "")) != WHOLE_SLIDE:
        um = spacing_um(metadata)
        return Level(sop_uid=sop_uid, width=columns, height=rows, tile_width=columns, tile_height=rows, um=um)
    kinds = [str(value) for value in metadata.get("00080008", {}).get("Value", [])]
    if len(kinds) < 3 or kinds[2] != "VOLUME":
        return None
    width, height = _number(metadata, "00480006"), _number(metadata, "00480007")
    organisation = str(first(metadata, "00209311", "TILED_SPARSE"))
    sparse = None if organisation == "TILED_FULL" else _places(metadata, columns, rows)
    return Level(
        sop_uid=sop_uid,
        width=width,
        height=height,
        tile_width=columns,
        tile_height=rows,
        um=spacing_um(metadata),
        sparse=sparse,
    )


def levels(instances: Sequence[Metadata]) -> list[Level]:
    """The pyramid of a series, widest first; one level a width."""
    found = {item.width: item for item in map(level, instances) if item is not None}
    return sorted(found.values(), key=lambda item: -item.width)


def spacing_um(metadata: Metadata) -> float | None:
    """Micrometres from pixel to pixel across: Pixel Spacing of the image or of its shared Pixel Measures (PS3.3 §C.8.12.4)."""
    shared = first(metadata, "52009229", {})
    measures = first(shared, "00289110", {})
    values = (metadata.get("00280030") or measures.get("00280030") or {}).get("Value", [])
    across_mm = float(values[1]) if len(values) == 2 else 0.0  # row spacing first, column spacing second
    return across_mm * 1000 if across_mm > 0 else None


def _places(metadata: Metadata, tile_width: int, tile_height: int) -> dict[tuple[int, int], int]:
    """Per-frame positions (PS3.3 §C.8.12.6.1): 1-based pixel of the tile's upper left corner."""
    places: dict[tuple[int, int], int] = {}
    for number, group in enumerate(metadata.get("52009230", {}).get("Value", []), 1):
        position = first(group, "0048021A", {})
        column, row = _number(position, "0048021E"), _number(position, "0048021F")
        if column > 0 and row > 0:
            places.setdefault(((column - 1) // tile_width, (row - 1) // tile_height), number)
    return places


def first(metadata: Metadata, tag: str, default: Any) -> Any:
    """The first value of an element of the DICOM JSON model."""
    values = metadata.get(tag, {}).get("Value") or [default]
    return values[0]


def _number(metadata: Metadata, tag: str) -> int:
    return int(first(metadata, tag, 0))
