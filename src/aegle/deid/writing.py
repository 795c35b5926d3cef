"""Whether anything is written in planes of single bits: overlays, or what somebody drew on them.

A plane has no noise, so it is asked more strictly than a picture is (`deid.drawn_text`): everything in it must be a line, a
cross, or an outline or a region without bays, of whatever size, and stand apart from the others. Of what is joined to an outline
the lines through it tell: they meet more strokes than two. So an open arrow, a heart, a scale or a grid counts for writing, too.
Not seen are letters lower than six pixels, ones of dots more than two pixels apart, and ones far from each other of which each
is a shape by itself (O, I, L).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aegle.deid.drawn_text import Ink, Marks, Numbers, Runs, marks_of, runs_of

_SMALLEST_PX, _LARGEST_PX = 4, 64  #: a letter's longer side; the larger one also an eighth of the plane's longer side
_NEAR, _NEAR_LARGE = 2.0, 0.5  #: lengths of the longer one of two marks between them, of a letter's size and beyond
_MOST_MARKS, _MOST_RUNS, _MOST_BOXES = 100, 100_000, 2  #: of a plane that is looked at; boxes in planes' sizes
_STROKE_PX = 3  #: thickness of the strokes of a line, or of a cross
_LEAST_FILL = 0.8  #: of what lies between two points of a shape in one row or column, by the shape and what it encloses
_MOST_STROKES = 2  #: that a line through a shape meets
_WAVERING_PX = 3  #: lines side by side that may meet more of them, where a large outline wavers


def is_written_on(planes: Sequence[Ink]) -> bool:
    """Whether there may be writing in planes of `[rows, columns]` bits, in one of them or in all together, light on dark or dark
    on light, in whatever direction."""
    if any(map(_is_written_on, planes)):
        return True
    return len(planes) > 1 and _is_written_on(_together(planes))


def _together(planes: Sequence[Ink]) -> Ink:
    """What all of them show, each from the upper left corner."""
    every = np.zeros((max(len(plane) for plane in planes), max(len(plane[0]) for plane in planes)), bool)
    for plane in planes:
        every[: len(plane), : len(plane[0])] |= plane
    return every


def _is_written_on(plane: Ink) -> bool:
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
    if np.count_nonzero(ink[:, 1:] & ~ink[:, :-1]) > _MOST_RUNS:
        return True
    runs = runs_of(ink)
    marks = marks_of(ink, runs)
    counts = _longer(marks) >= _SMALLEST_PX
    if is_paper:
        counts &= (marks.top > 0) & (marks.left > 0) & (marks.bottom < ink.shape[0]) & (marks.right < ink.shape[1])
    if np.count_nonzero(counts) > _MOST_MARKS or np.sum((marks.height * marks.width)[counts]) > _MOST_BOXES * ink.size:
        return True
    return _are_near(marks.of(counts), ink) or not all(map(_is_simple, _shapes(runs, marks, np.flatnonzero(counts))))


def _shapes(runs: Runs, marks: Marks, numbers: Numbers) -> Iterator[Ink]:
    """Some marks by themselves, each in its box."""
    order = np.argsort(runs.mark, kind="stable")
    row, start, stop = runs.row[order], runs.start[order], runs.stop[order]
    first = np.searchsorted(runs.mark[order], np.arange(len(marks.top) + 1))
    for number in numbers:
        shape = np.zeros((marks.height[number], marks.width[number]), bool)
        own = slice(first[number], first[number + 1])
        at, left = row[own] - marks.top[number], marks.left[number]
        for line, begin, end in zip(at, start[own] - left, stop[own] - left, strict=True):
            shape[line, begin:end] = True
        yield shape


def _are_near(marks: Marks, ink: Ink) -> bool:
    """Whether two marks are as near to each other as letters of a word."""
    longer = _longer(marks)
    is_small = longer <= max(_LARGEST_PX, max(ink.shape) // 8)
    reach = np.where(is_small[:, None] & is_small[None, :], _NEAR, _NEAR_LARGE) * np.maximum.outer(longer, longer)
    near = np.maximum(_gaps(marks.left, marks.right), _gaps(marks.top, marks.bottom)) <= reach
    near &= ~(_holds(marks) | _holds(marks).T)
    np.fill_diagonal(near, val=False)
    return bool(near.any())


def _holds(marks: Marks) -> NDArray[np.bool_]:
    """Whether the first of each two lies within the box of the second."""
    inside = (marks.top[:, None] > marks.top) & (marks.bottom[:, None] < marks.bottom)
    return inside & (marks.left[:, None] > marks.left) & (marks.right[:, None] < marks.right)


def _longer(marks: Marks) -> Numbers:
    return np.maximum(marks.height, marks.width)


def _gaps(first: Numbers, behind: Numbers) -> Numbers:
    """Between each two stretches; below zero where they overlap."""
    between: Numbers = first[:, None] - behind[None, :]
    return np.maximum(between, between.T)


def _is_simple(shape: Ink) -> bool:
    """Whether something is a line, a cross, or an outline or region without bays."""
    return _is_cross(shape) or bool(
        not _is_crossed(shape)
        and not _is_crossed(shape.T)
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


def _is_crossed(shape: Ink) -> bool:
    """Whether rows side by side meet more strokes than those of an outline, and more of them than where one wavers."""
    begins = np.count_nonzero(np.diff(np.pad(shape, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1, axis=1)
    wavering = _WAVERING_PX if max(shape.shape) > _LARGEST_PX else 0
    many = np.concatenate(([0], (begins > _MOST_STROKES).cumsum()))
    return bool((many[wavering + 1 :] - many[: -wavering - 1] > wavering).any())


def _between(shape: Ink) -> Ink:
    """Each row from its first ink to its last."""
    after = np.logical_or.accumulate(shape, axis=1)
    before = np.logical_or.accumulate(shape[:, ::-1], axis=1)[:, ::-1]
    return after & before


def _filled(shape: Ink) -> int:
    """Pixels of a shape with what it encloses."""
    runs = runs_of(~np.pad(shape, 1), by_corners=False)
    outside = int((runs.stop - runs.start)[runs.mark == runs.mark[0]].sum())
    return (len(shape) + 2) * (len(shape[0]) + 2) - outside
