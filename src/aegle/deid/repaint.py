"""Painting over compressed pictures: decode, paint, encode again without loss, in a child process with no keys.

Frames pass one at a time, so memory is one frame's, decoded. The child gets a path and boxes, nothing else of the site's; it
is bounded in memory, time and pixels, and whatever it does wrong holds the object. Every frame of the element is written
as JPEG 2000 lossless, so that what was not painted over is the picture as it was decoded before, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from aegle.deid.child import Children
from aegle.deid.masks import Box
from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason

SYNTAX = "1.2.840.10008.1.2.4.90"  #: JPEG 2000 Image Compression (Lossless Only)
SECONDS = 900.0  #: for one object


@dataclass(frozen=True, kw_only=True)
class Repainted:
    """A PixelData element in a file of its own, encoded as JPEG 2000 lossless in explicit VR little endian."""

    path: Path
    photometric: str  #: Photometric Interpretation of what it holds


def repaint(source: Path, element: Path, boxes: Sequence[Box]) -> Repainted:
    """Write the painted PixelData element of `source` to `element`. Raises Holding when a frame cannot be decoded."""
    decoders().begin()  # what is painted is looked at next
    wish = {"source": str(source), "element": str(element), "boxes": boxes}
    return Repainted(path=element, photometric=_answered(_painters().ask(wish))["photometric"])


def painted_well(source: Path, written: Path, boxes: Sequence[Box]) -> bool:
    """Whether both files decode to the same picture outside of the boxes, and to nothing but zero or black inside."""
    wish = {"source": str(source), "written": str(written), "boxes": boxes}
    return bool(_answered(decoders().ask(wish))["same"])


@lru_cache(maxsize=1)
def _painters() -> Children:
    return Children("aegle.deid.painter", SECONDS)


@lru_cache(maxsize=1)
def decoders() -> Children:
    """The check's: not those that painted, so that what a picture did to one of them does not judge what came of it."""
    return Children("aegle.deid.decoder", SECONDS)


def _answered(answer: dict[str, Any] | None) -> dict[str, Any]:
    if answer is None:
        raise Holding(HoldReason.PIXELS_UNPROVEN, "the picture cannot be decoded to be painted over")
    return answer
