"""One block of an image, made of frames: brought to the model's resolution, cut into tiles, put back as evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aegle.inference.pixels import RGB, PixelFormat

BACKGROUND = 246  #: grey of glass, where a block has no frame


@dataclass(frozen=True, kw_only=True)
class Block:
    """What the model process is told about one block. Places are (row, column) of a frame's top left, in pixels."""

    height_px: int
    width_px: int
    places: tuple[tuple[int, int], ...]
    stored: PixelFormat
    scale: float  #: pixels of the model a pixel of the image: image mpp / model mpp
    tile_px: int
    stride_px: int

    def facts(self) -> dict[str, Any]:
        """For the head of a message."""
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Block":
        """From the head of a message."""
        places = tuple((int(row), int(column)) for row, column in facts["places"])
        return cls(**{**facts, "places": places, "stored": PixelFormat.from_facts(facts["stored"])})


def compose(frames: Sequence[RGB], block: Block) -> RGB:
    """The block's picture, frames laid in place and cut at its edge."""
    picture = np.full((block.height_px, block.width_px, 3), BACKGROUND, np.uint8)
    for (row, column), frame in zip(block.places, frames, strict=True):
        room = picture[row : row + frame.shape[0], column : column + frame.shape[1]]
        room[...] = frame[: room.shape[0], : room.shape[1]]
    return picture


def resample(picture: RGB, scale: float, least_px: int) -> RGB:
    """The picture at `scale`, by area when it shrinks; padded by its own edge to `least_px` a side."""
    height, width = (max(1, round(size * scale)) for size in picture.shape[:2])
    if (height, width) != picture.shape[:2]:
        filter_ = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
        picture = np.asarray(Image.fromarray(picture).resize((width, height), filter_))
    below, right = max(0, least_px - height), max(0, least_px - width)
    return np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else picture


def tile_places(height_px: int, width_px: int, tile_px: int, stride_px: int) -> list[tuple[int, int]]:
    """Top left of each tile: side by side, the last ones drawn back to the edge (on the evidence grid) to overlap."""
    rows, columns = (_starts(size, tile_px, stride_px) for size in (height_px, width_px))
    return [(row, column) for row in rows for column in columns]


def _starts(size_px: int, tile_px: int, stride_px: int) -> list[int]:
    last = (size_px - tile_px) // stride_px * stride_px
    return [*range(0, last, tile_px), last]


def tiles_at(picture: RGB, places: Sequence[tuple[int, int]], tile_px: int) -> RGB:
    """`[N, tile_px, tile_px, 3]`."""
    return np.stack([picture[row : row + tile_px, column : column + tile_px] for row, column in places])


def evidence_grid(
    evidence: NDArray[np.float32], places: Sequence[tuple[int, int]], height_px: int, width_px: int, stride_px: int
) -> NDArray[np.float32]:
    """Tiles' evidence `[N, K, g, g]` as one grid `[K, rows, columns]` of the block; the greater wins in overlaps."""
    rows, columns = -(-height_px // stride_px), -(-width_px // stride_px)
    grid = np.zeros((evidence.shape[1], rows, columns), np.float32)
    side = evidence.shape[2]
    for (row, column), cells in zip(places, evidence, strict=True):
        top, left = row // stride_px, column // stride_px
        room = grid[:, top : top + side, left : left + side]
        np.maximum(room, cells[:, : room.shape[1], : room.shape[2]], out=room)
    return grid
