"""Connected areas of an evidence grid as outlines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Area:
    """One connected area: its convex outline in grid cells as (x, y), its strongest channel and its peak in [0, 1]."""

    outline: tuple[Point, ...]
    channel: int
    peak: float


def areas(grid: NDArray[np.float32], threshold: float, most: int) -> list[Area]:
    """Areas of `[K, rows, columns]` whose channels' sum reaches `threshold`: the `most` strongest, in order."""
    together = np.minimum(grid.sum(axis=0), 1.0)
    found = [_area(grid, together, cells) for cells in _connected(together >= threshold)]
    found.sort(key=lambda area: (-area.peak, area.outline))
    return found[:most]


def _area(grid: NDArray[np.float32], together: NDArray[np.float32], cells: Sequence[tuple[int, int]]) -> Area:
    rows, columns = zip(*cells, strict=True)
    channel = int(grid[:, rows, columns].sum(axis=1).argmax())
    return Area(outline=_hull(cells), channel=channel, peak=float(together[rows, columns].max()))


def _connected(lit: NDArray[np.bool_]) -> Iterator[list[tuple[int, int]]]:
    """Cells (row, column) of each area; corners touch."""
    left = {(int(row), int(column)) for row, column in np.argwhere(lit)}
    while left:
        waiting, cells = [left.pop()], []
        while waiting:
            row, column = waiting.pop()
            cells.append((row, column))
            near = {(row + dr, column + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)} & left
            left -= near
            waiting += near
        yield sorted(cells)


def _hull(cells: Sequence[tuple[int, int]]) -> tuple[Point, ...]:
    """Convex hull of the cells' corners, counter-clockwise in (x, y) (Andrew's monotone chain)."""
    corners = sorted({(float(c + dc), float(r + dr)) for r, c in cells for dr in (0, 1) for dc in (0, 1)})
    lower, upper = _chain(corners), _chain(corners[::-1])
    return tuple(lower[:-1] + upper[:-1])


def _chain(points: Sequence[Point]) -> list[Point]:
    chain: list[Point] = []
    for point in points:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
