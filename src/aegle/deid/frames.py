"""Frames for the children that decode: one at a time, and boxes painted over in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.utils import iter_pixels

from aegle.deid.masks import Box

FRAME_MAX_PIXELS = 100_000_000


def decoded(path: Path) -> Iterator[NDArray[Any]]:
    """Decoded frames, `[rows, columns(, 3)]`; colour as RGB. Raises ValueError for one beyond the bound."""
    described = dcmread(path, stop_before_pixels=True)
    if described.Rows * described.Columns > FRAME_MAX_PIXELS:
        raise ValueError("a frame beyond the bound")
    return iter_pixels(path)


def blacken(frame: NDArray[Any], boxes: Sequence[Box]) -> NDArray[Any]:
    """A copy of a frame in which the boxes are zero."""
    made = frame.copy()
    for box in boxes:
        made[box.top : box.top + box.height, box.left : box.left + box.width] = 0
    return made
