"""Is this picture fit to be read? Focus, cells and stain, measured at the model's own resolution.

Defocus of 8 micrometres drops the reference model's accuracy to a third with no sign of it in the score, so the score
cannot be asked; the picture is.
"""

from collections.abc import Sequence
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
MIN_TISSUE = 0.01  #: share of stained pixels below which there is nothing to focus on


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
    density = _density(picture)
    stained = density[density.mean(axis=2) > TISSUE_DENSITY]
    red, green, blue = (float(value) for value in stained.sum(axis=0, dtype=np.float64))
    return Measures(
        pixels=picture.shape[0] * picture.shape[1],
        tissue=len(stained),
        cells=_nuclei(density[..., 0]),
        red=red,
        green=green,
        blue=blue,
        sharpness=tuple(value for tile in tiles if (value := _sharpness(_density(tile[..., :1])[..., 0])) is not None),
    )


def _density(pixels: Pixels) -> Floats:
    return np.minimum(-np.log((pixels.astype(np.float32) + 1) / 256), DENSITY_CEILING)


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


def _sharpness(red: Floats) -> float | None:
    """Steepness over contrast of a tile's edges, weighted towards the steepest: those of nuclei. None without edges.

    An edge blurred by sigma rises over about 2.5 sigma, so the ratio tells sigma whatever the stain.
    """
    smooth = _box(red, 1)  # else the camera's noise looks like sharp detail
    steep = np.hypot(np.gradient(smooth, axis=0), np.gradient(smooth, axis=1))
    highest, lowest = smooth, -smooth
    for axis in (0, 1):
        highest, lowest = (_sliding_maximum(side, EDGE_RADIUS_PX, axis) for side in (highest, lowest))
    contrast = highest + lowest
    weight = np.where(contrast > EDGE_CONTRAST, steep * steep, 0)
    total_contrast = float((weight * contrast).sum(dtype=np.float64))
    if not total_contrast:
        return None
    return min(1.0, float((weight * steep).sum(dtype=np.float64)) / total_contrast / SHARP_RATIO)


def _nuclei(red: Floats) -> int:
    """Local maxima of the smoothed density, one a nucleus."""
    smooth = _box(red, 1)
    highest = smooth
    for axis in (0, 1):
        highest = _sliding_maximum(highest, NUCLEUS_RADIUS_PX, axis)
    peaks = (smooth >= highest) & (smooth > NUCLEUS_DENSITY)
    # A flat top counts once: keep a peak only when no peak stands just before it.
    peaks[:, 1:] &= ~peaks[:, :-1]
    peaks[1:] &= ~peaks[:-1]
    return int(peaks.sum())


def _box(values: Floats, radius: int) -> Floats:
    """Mean over a square of `2 * radius + 1` px, edges repeated."""
    for axis in (0, 1):
        margins = [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)]
        sums = np.cumsum(np.pad(values, margins, mode="edge"), axis=axis, dtype=np.float64)
        width = 2 * radius + 1
        upper, lower = (np.take(sums, range(start, start + values.shape[axis]), axis) for start in (width, 0))
        values = ((upper - lower) / width).astype(np.float32)
    return values


def _sliding_maximum(values: Floats, radius: int, axis: int) -> Floats:
    margins = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
    padded = np.pad(values, margins, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
    highest: Floats = windows.max(axis=-1)
    return highest
