"""Soft outlines, smooth noise and blur on numpy arrays: what synthetic cells are drawn with.

Lengths are in the caller's unit (micrometres in `pictures`) unless a name ends in `_px`.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ANGLES = 128  #: samples of one outline
_THETA = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)


def outline(
    rng: np.random.Generator, radius: float, *, waviness: float, stretch: float = 1.0, corners: float = 0.0
) -> Floats:
    """Radius at `ANGLES` equal angles. `waviness` and `corners` are relative; `stretch` is long over short axis."""
    shape = np.ones(ANGLES)
    for wave in range(2, 9):
        shape += waviness * rng.normal() / wave**0.8 * np.cos(wave * _THETA + rng.uniform(0, 2 * np.pi))
    if corners:
        count, turn = rng.integers(4, 7), rng.uniform(0, 2 * np.pi)
        shape *= 1 - corners * (np.abs(np.cos(count * (_THETA + turn) / 2)) ** 1.5 - 0.5)
    axis = _THETA - rng.uniform(0, 2 * np.pi)
    shape /= np.sqrt((np.cos(axis) / stretch) ** 2 + (np.sin(axis) * stretch) ** 2)
    return (np.clip(shape, 0.35, 2.2) * radius).astype(np.float32)


def depth(edge: Floats, down: Floats, across: Floats) -> Floats:
    """Signed distance along the ray to an outline centred on the origin: positive inside. Offsets broadcast."""
    turn = (np.arctan2(down, across) % (2 * np.pi)) * (ANGLES / (2 * np.pi))
    lower = turn.astype(np.int32)
    share = turn - lower
    lower %= ANGLES
    radius = edge[lower] * (1 - share) + edge[(lower + 1) % ANGLES] * share
    result: Floats = (radius - np.hypot(down, across)).astype(np.float32)
    return result


def soft(distance: Floats, width: float) -> Floats:
    """1 inside, 0 outside, a ramp of `width` between."""
    result: Floats = np.clip(distance / width + 0.5, 0, 1)
    return result


def polygon(edge: Floats, x: float, y: float) -> NDArray[np.float64]:
    """`[32, 2]` points (x, y) of an outline centred at (x, y)."""
    points = np.stack([x + edge * np.cos(_THETA), y + edge * np.sin(_THETA)], axis=1)
    return points[:: ANGLES // 32]


def smooth_noise(rng: np.random.Generator, height_px: int, width_px: int, grain_px: float) -> Floats:
    """Noise in [0, 1] whose features are about `grain_px` wide: random values on a grid, eased between."""
    rows, columns = (max(2, int(np.ceil(size / grain_px)) + 3) for size in (height_px, width_px))
    grid = rng.random((rows, columns), dtype=np.float32)
    across = _eased(grid, width_px, axis=1)
    return _eased(across, height_px, axis=0)


def _eased(grid: Floats, size_px: int, axis: int) -> Floats:
    place = np.linspace(0, grid.shape[axis] - 1.001, size_px, dtype=np.float32)
    lower = place.astype(np.int32)
    share = place - lower
    share = share * share * (3 - 2 * share)
    share = share[:, None] if axis == 0 else share[None, :]
    result: Floats = np.take(grid, lower, axis) * (1 - share) + np.take(grid, lower + 1, axis) * share
    return result


def blurred(picture: Floats, sigma_px: float) -> Floats:
    """Gaussian blur of `[H, W, C]`, edges repeated."""
    reach = max(1, int(3 * sigma_px))
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma_px**2)).astype(np.float32)
    weights /= weights.sum()
    for axis in (0, 1):
        margins = [(0, 0)] * picture.ndim
        margins[axis] = (reach, reach)
        padded = np.pad(picture, margins, mode="edge")
        size = picture.shape[axis]
        picture = np.zeros_like(picture)
        for start, weight in enumerate(weights):
            window = [slice(None)] * picture.ndim
            window[axis] = slice(start, start + size)
            picture += weight * padded[tuple(window)]
    return picture
