"""Whether anything is written in a plane of single bits: an overlay, or what somebody drew on one.

A plane has no noise, so it is asked more strictly than a picture is (`deid.drawn_text`). Of a letter's size only a line, a cross
and an outline or a region without bays may be there, each by itself; whatever is larger must be met by few strokes of any line
through it, as an outline or an arrow is. Grids, scales and dotted lines count for writing, too. Not seen are letters lower than
five pixels, and what is written by hand, large, with a few long strokes: that is not told from an outline.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from aegle.deid.drawn_text import Ink, Marks, Numbers, marks_of, runs_of

_SMALLEST_PX, _LARGEST_PX = 4, 64  #: a letter's longer side; the larger one also an eighth of the plane's longer side
_MANY = 200  #: marks of a letter's size in one plane: nothing but writing, or nothing that is worth a look
_STROKE_PX = 3  #: thickness of the strokes of a line, or of a cross
_LEAST_FILL = 0.8  #: of what lies between two points of a shape in one row or column, by the shape and what it encloses
_MOST_STROKES, _SHARE = 4, 0.15  #: that a line through something large meets; share of the lines that must meet more
_ANGLES = 6  #: in a quarter of a circle, in which such lines are drawn


def is_written_on(plane: Ink) -> bool:
    """Whether there may be writing in `[rows, columns]` bits, light on dark or dark on light, in whatever direction."""
    looks = ((plane, False), (_bolder(plane), False), (~plane, True))
    return any(_has_writing(ink, is_paper=is_paper) for ink, is_paper in looks if ink.any())


def _bolder(ink: Ink) -> Ink:
    """Each mark a pixel wider on every side: dots become strokes."""
    rows = np.pad(ink, 1)
    wide = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    bold: Ink = wide[:-2] | wide[1:-1] | wide[2:]
    return bold


def _has_writing(ink: Ink, *, is_paper: bool) -> bool:
    """`is_paper` says that ink is what is left around marks: what touches the edge is none."""
    row, start, stop, mark = runs_of(ink)
    marks = marks_of(ink)
    counts = _longer(marks) >= _SMALLEST_PX
    if is_paper:
        counts &= (marks.top > 0) & (marks.left > 0) & (marks.bottom < ink.shape[0]) & (marks.right < ink.shape[1])
    small = counts & (_longer(marks) <= max(_LARGEST_PX, max(ink.shape) // 8))
    if np.count_nonzero(small) > _MANY or _are_near(marks.of(small)):
        return True
    runs = _Runs(row, start, stop, mark, marks)
    return any(not _is_simple(shape) for shape in runs.shapes(np.flatnonzero(small))) or any(
        _is_crossed(shape) for shape in runs.shapes(np.flatnonzero(counts & ~small))
    )


class _Runs:
    """The runs of a plane, sorted by mark."""

    def __init__(self, row: Numbers, start: Numbers, stop: Numbers, mark: Numbers, marks: Marks) -> None:
        self._marks = marks
        order = np.argsort(mark, kind="stable")
        self._row, self._start, self._stop = row[order], start[order], stop[order]
        self._first = np.searchsorted(mark[order], np.arange(len(marks.top) + 1))

    def shapes(self, numbers: Numbers) -> Iterator[Ink]:
        """Some marks by themselves, each in its box."""
        for number in numbers:
            top, left = self._marks.top[number], self._marks.left[number]
            shape = np.zeros((self._marks.height[number], self._marks.width[number]), bool)
            own = slice(self._first[number], self._first[number + 1])
            for row, start, stop in zip(
                self._row[own] - top, self._start[own] - left, self._stop[own] - left, strict=True
            ):
                shape[row, start:stop] = True
            yield shape


def _are_near(marks: Marks) -> bool:
    """Whether two marks are no farther from each other than the larger one is long."""
    reach = np.maximum.outer(_longer(marks), _longer(marks))
    near = np.maximum(_gaps(marks.left, marks.right), _gaps(marks.top, marks.bottom)) <= reach
    np.fill_diagonal(near, val=False)
    return bool(near.any())


def _longer(marks: Marks) -> Numbers:
    return np.maximum(marks.height, marks.width)


def _gaps(first: Numbers, behind: Numbers) -> Numbers:
    """Between each two stretches; below zero where they overlap."""
    between: Numbers = first[:, None] - behind[None, :]
    return np.maximum(between, between.T)


def _is_simple(shape: Ink) -> bool:
    """Whether something of a letter's size is a line, a cross, or an outline or region without bays."""
    return _is_cross(shape) or bool(
        max(_strokes(shape).max(), _strokes(shape.T).max()) <= 2
        and _filled(shape) >= _LEAST_FILL * np.count_nonzero(_between(shape) | _between(shape.T).T)
    )


def _is_cross(shape: Ink) -> bool:
    """Whether all of it lies in one stroke's rows and in one stroke's columns."""
    if min(shape.shape) <= _STROKE_PX:
        return True
    in_rows, in_columns = (_best_band(shape.sum(axis=axis)) for axis in (1, 0))
    rest = shape.copy()
    rest[in_rows] = False
    rest[:, in_columns] = False
    return not rest.any()


def _best_band(ink: Numbers) -> slice:
    """Of a stroke's thickness, with the most ink in it."""
    first = int(np.convolve(ink, np.ones(_STROKE_PX, int), "valid").argmax())
    return slice(first, first + _STROKE_PX)


def _strokes(shape: Ink) -> Numbers:
    """How many runs of ink each row has."""
    strokes: Numbers = np.count_nonzero(np.diff(np.pad(shape, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1, axis=1)
    return strokes


def _between(shape: Ink) -> Ink:
    """Each row from its first ink to its last."""
    after = np.logical_or.accumulate(shape, axis=1)
    before = np.logical_or.accumulate(shape[:, ::-1], axis=1)[:, ::-1]
    return after & before


def _filled(shape: Ink) -> int:
    """Pixels of a shape with what it encloses."""
    _, start, stop, mark = runs_of(~np.pad(shape, 1), by_corners=False)
    outside = int((stop - start)[mark == mark[0]].sum())
    return (len(shape) + 2) * (len(shape[0]) + 2) - outside


def _is_crossed(shape: Ink) -> bool:
    """Whether many lines in one direction meet more strokes of something large than what is not written has."""
    return any(np.mean(_strokes(turned) > _MOST_STROKES) >= _SHARE for turned in _turned(shape))


def _turned(shape: Ink) -> Iterator[Ink]:
    """In every direction; what is turned by no quarter of a circle is bolder, so that it has no holes. Rows without ink are
    left out."""
    rows, columns = np.nonzero(shape)
    for angle in np.arange(_ANGLES) * np.pi / 2 / _ANGLES:
        turned = shape
        if angle:
            along = columns * np.cos(angle) + rows * np.sin(angle)
            across = rows * np.cos(angle) - columns * np.sin(angle)
            turned = np.zeros((_span(across), _span(along)), bool)
            turned[_from_0(across), _from_0(along)] = True
            turned = _bolder(turned)
        yield from (way[way.any(axis=1)] for way in (turned, turned.T))


def _from_0(places: NDArray[np.float64]) -> Numbers:
    steps: Numbers = np.rint(places - places.min()).astype(np.int64)
    return steps


def _span(places: NDArray[np.float64]) -> int:
    return int(_from_0(places).max()) + 1
