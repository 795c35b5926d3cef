"""Is this picture fit to be read? Focus, cells and stain, measured at the model's own resolution.

Defocus of 8 micrometres drops the reference model's accuracy to a third with no sign of it in the score, so the score
cannot be asked; the picture is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from aegle.inference.card import QualityLimits
from aegle.records import Quality, RejectReason

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
_SUMS = ("pixels", "tissue", "cells", "red", "green", "blue")

TISSUE_DENSITY = 0.10  #: mean optical density (natural log) above which a pixel is stained
NUCLEUS_DENSITY = 0.75  #: red optical density of the core of a nucleus
NUCLEUS_RADIUS_PX = 3  #: no two nuclei are nearer than this
DENSITY_CEILING = 1.6  #: beyond it the camera's noise outweighs the stain
EDGE_RADIUS_PX, EDGE_CONTRAST = 4, 0.3  #: where an edge's contrast is looked for, and how much it must have
SHARP_RATIO = 0.25  #: steepness over contrast, per pixel, of a picture in perfect focus
TILES_AT_ONCE = 16  #: measured together: what the processor's cache holds
MIN_TISSUE = 0.01  #: share of stained pixels below which there is nothing to focus on

#: optical density (natural log) of each pixel value
_DENSITY = np.minimum(-np.log((np.arange(256, dtype=np.float32) + 1) / 256), DENSITY_CEILING)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Sums over one part of an image; parts add up to the image."""

    pixels: int = 0
    tissue: int = 0  #: stained pixels
    cells: int = 0
    red: float = 0.0  #: sum of the optical density of tissue, likewise the next two
    green: float = 0.0
    blue: float = 0.0
    sharpness: tuple[float, ...] = ()  #: of each tile that has an edge to judge by, in [0, 1]

    @property
    def focus(self) -> float:
        """Relative sharpness in [0, 1] of the middle tile."""
        return float(np.median(self.sharpness)) if self.sharpness else 0.0

    @property
    def stain(self) -> tuple[float, float, float]:
        """Shares of red, green and blue in the tissue's optical density."""
        total = self.red + self.green + self.blue
        return (self.red / total, self.green / total, self.blue / total) if total else (0.0, 0.0, 0.0)


def total(parts: Sequence[Measures]) -> Measures:
    """Measures of the whole."""
    sums = {name: sum(getattr(part, name) for part in parts) for name in _SUMS}
    return Measures(sharpness=tuple(chain.from_iterable(part.sharpness for part in parts)), **sums)


def measure(picture: Pixels, tiles: Pixels) -> Measures:
    """Measure `[H, W, 3]` RGB at the model's resolution, and its tiles `[N, t, t, 3]`: 60 bytes of memory a pixel."""
    channels = [_density(picture[..., channel]) for channel in range(3)]
    stained = channels[0] + channels[1] + channels[2] > 3 * TISSUE_DENSITY
    red, green, blue = (float((channel * stained).sum(dtype=np.float64)) for channel in channels)
    return Measures(
        pixels=picture.shape[0] * picture.shape[1],
        tissue=int(stained.sum()),
        cells=_nuclei(channels[0]),
        red=red,
        green=green,
        blue=blue,
        sharpness=tuple(chain.from_iterable(_sharpness(_density(part[..., 0])) for part in _parts(tiles))),
    )


def _parts(tiles: Pixels) -> Iterator[Pixels]:
    return (tiles[start : start + TILES_AT_ONCE] for start in range(0, len(tiles), TILES_AT_ONCE))


def _density(pixels: Pixels) -> Floats:
    return _DENSITY[pixels]


def judge(measures: Measures, limits: QualityLimits, mpp: float) -> Quality:
    """What was measured against the bundle's limits; `mpp` is the resolution measured at."""
    area_mm2 = measures.pixels * mpp * mpp * 1e-6
    reason = ""
    if measures.tissue < MIN_TISSUE * measures.pixels:
        reason = RejectReason.TOO_FEW_CELLS.value
    elif measures.focus < limits.focus_min:
        reason = RejectReason.OUT_OF_FOCUS.value
    elif measures.cells < limits.cells_per_mm2_min * area_mm2:
        reason = RejectReason.TOO_FEW_CELLS.value
    elif not all(
        low <= share <= high
        for low, share, high in zip(limits.stain_min, measures.stain, limits.stain_max, strict=True)
    ):
        reason = RejectReason.WRONG_STAIN.value
    return Quality(accepted=not reason, focus=round(measures.focus, 4), cells=measures.cells, reason=reason)


def _sharpness(red: Floats) -> list[float]:
    """Steepness over contrast of each tile's edges `[N, t, t]`, weighted towards the steepest: those of nuclei.

    An edge blurred by sigma rises over about 2.5 sigma, so the ratio tells sigma whatever the stain. A tile without
    edges gives none.
    """
    smooth = _smoothed(red)  # else the camera's noise looks like sharp detail
    steep = np.hypot(np.gradient(smooth, axis=1), np.gradient(smooth, axis=2))
    contrast = _highest_near(smooth, EDGE_RADIUS_PX) + _highest_near(-smooth, EDGE_RADIUS_PX)
    weight = np.where(contrast > EDGE_CONTRAST, steep * steep, 0)
    steepness, contrasts = ((weight * part).sum(axis=(1, 2), dtype=np.float64) for part in (steep, contrast))
    judged = contrasts > 0
    return [min(1.0, float(ratio)) for ratio in steepness[judged] / contrasts[judged] / SHARP_RATIO]


def _nuclei(red: Floats) -> int:
    """Local maxima of the smoothed density, one a nucleus."""
    smooth = _smoothed(red)
    peaks = (smooth >= _highest_near(smooth, NUCLEUS_RADIUS_PX)) & (smooth > NUCLEUS_DENSITY)
    # A flat top counts once: keep a peak only when no peak stands just before it.
    peaks[:, 1:] &= ~peaks[:, :-1]
    peaks[1:] &= ~peaks[:-1]
    return int(peaks.sum())


def _smoothed(values: Floats) -> Floats:
    """Mean of each 3 x 3 px of `[..., H, W]`, edges repeated."""
    for axis in (-2, -1):
        first, middle, last = _shifted(values, 1, axis, (0, 1, 2))
        values = (first + middle + last) * np.float32(1 / 3)
    return values


def _highest_near(values: Floats, radius: int) -> Floats:
    """Maximum over the square of `2 * radius + 1` px around each pixel of `[..., H, W]`."""
    for axis in (-2, -1):
        windows = _shifted(values, radius, axis, range(2 * radius + 1))
        highest = next(windows).copy()
        for window in windows:
            np.maximum(highest, window, out=highest)
        values = highest
    return values


def _shifted(values: Floats, radius: int, axis: int, starts: Iterable[int]) -> Iterator[Floats]:
    """Views of the array moved along an axis, as wide as itself; edges are repeated `radius` times."""
    margins = [(0, 0)] * values.ndim
    margins[axis] = (radius, radius)
    padded = np.moveaxis(np.pad(values, margins, mode="edge"), axis, -1)
    size = values.shape[axis]
    for start in starts:
        yield np.moveaxis(padded[..., start : start + size], -1, axis)
