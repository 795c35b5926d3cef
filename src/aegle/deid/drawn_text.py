"""Text that a machine drew into a picture, found without a model: letters are thin, stand out evenly, and stand in line.

It asks what all drawn text has in common: marks of about one height on one line, close together, of thin strokes, none
like the next, each far from its surroundings in brightness. Cells, speckle, grids and rulers lack one of these. What a
person wrote by hand, or what hardly stands out, is for a detector that learnt it. Peak memory: about 60 bytes a pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aegle.deid.masks import Box

LEAST_LETTERS = 5  #: in line, from which they are a text
_SMALLEST_PX, _LARGEST_PX = 5, 64  #: a letter's longer side
_COARSER = 4  #: pixels of the second scale's, for larger letters
_AROUND_PX = 12  #: radius of what a pixel is compared with
_ABOVE, _ABOVE_SPREAD = 20.0, 0.4  #: levels of 256, and standard deviations, that ink lies off its surroundings
_STANDS_OUT, _STANDS_OUT_SPREAD = 35.0, 4.0  #: the same of a whole letter
_WIDEST, _GAP, _OVERLAP, _OFF_LINE = 2.2, 1.2, 0.3, 0.3  #: in heights of a letter
_EXACTLY, _NEARLY_ALL = 0.08, 0.75  #: in heights of a letter; share of the letters
_THINNEST_FILL, _THICKEST = 0.8, 0.4  #: median share of a letter's box that is ink, and median stroke in heights

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Ink = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Connected marks of ink, an array for each fact: edges in pixels (bottom and right outside), area, mean length of its
    horizontal runs."""

    top: Numbers
    bottom: Numbers
    left: Numbers
    right: Numbers
    area: Floats
    stroke: Floats

    @property
    def height(self) -> Numbers:
        return self.bottom - self.top

    @property
    def width(self) -> Numbers:
        return self.right - self.left

    def of(self, chosen: Ink | Numbers) -> "Marks":
        """Some of them."""
        return Marks(**{name: values[chosen] for name, values in vars(self).items()})


def drawn_text(picture: NDArray[np.uint8]) -> list[Box]:
    """Where letters stand in line in `[rows, columns]` or `[rows, columns, 3]`, upright or turned by quarters; each place
    once."""
    places: list[Box] = []
    for grey in _greys(picture):
        for scale in (1, _COARSER):
            for found in _in_grey(_coarser(grey, scale)):
                box = Box(*(edge * scale for edge in found[:4]))
                if not any(_overlap(box, place) for place in places):
                    places.append(box)
    return places


def _coarser(grey: Floats, scale: int) -> Floats:
    """The means of squares of so many pixels: large letters become small ones."""
    rows, columns = (size // scale for size in grey.shape)
    squares = grey[: rows * scale, : columns * scale].reshape(rows, scale, columns, scale)
    means: Floats = squares.mean(axis=(1, 3))
    return means


def _overlap(one: Box, other: Box) -> bool:
    apart = one.left >= other.left + other.width or other.left >= one.left + one.width
    return not apart and one.top < other.top + other.height and other.top < one.top + one.height


def _greys(picture: NDArray[np.uint8]) -> Iterator[Floats]:
    """Brightness and, of a picture with colours, how far each pixel is from grey."""
    if picture.ndim == 2:
        yield picture.astype(np.float64)
        return
    yield picture.mean(axis=2)
    chroma = picture.max(axis=2) - picture.min(axis=2)
    if chroma.any():
        yield chroma.astype(np.float64)


def _in_grey(grey: Floats) -> Iterator[Box]:
    if min(grey.shape) < _SMALLEST_PX:
        return
    off, limit = _off_surroundings(grey)
    for sign in (1, -1):
        marks = _letters(sign * grey, sign * off > limit)
        for turned in range(4):
            for letters in _lines(_turned(marks, turned)):
                yield _box(_turned(letters, -turned))


def _off_surroundings(grey: Floats) -> tuple[Floats, Floats]:
    """How much brighter each pixel is than its surroundings, and by how much ink has to be."""
    mean = _mean_around(grey)
    variance = _mean_around(grey * grey) - mean * mean
    return grey - mean, np.maximum(_ABOVE, _ABOVE_SPREAD * np.sqrt(np.maximum(variance, 0)))


def _mean_around(values: Floats) -> Floats:
    """Of each pixel's square of surroundings, by sums of rows and columns."""
    rows, columns = values.shape
    side = 2 * _AROUND_PX + 1
    sums = np.pad(values, _AROUND_PX + 1, mode="edge").cumsum(0).cumsum(1)
    low, high, left, right = slice(0, rows), slice(side, side + rows), slice(0, columns), slice(side, side + columns)
    total: Floats = sums[high, right] - sums[low, right] - sums[high, left] + sums[low, left]
    return total / side**2


def _letters(light: Floats, ink: Ink) -> Marks:
    """Marks of a letter's size and thinness that stand out evenly."""
    marks = marks_of(ink)
    longer = np.maximum(marks.height, marks.width)
    thin = np.minimum(marks.stroke, marks.area / np.maximum(marks.width, 1)) <= 0.6 * longer
    marks = marks.of((longer >= _SMALLEST_PX) & (longer <= _LARGEST_PX) & (marks.area > _SMALLEST_PX) & thin)
    edges = np.stack([marks.top, marks.bottom, marks.left, marks.right], axis=1).tolist()
    return marks.of(np.array([_stands_out(light, ink, *each) for each in edges], bool))


def _stands_out(light: Floats, ink: Ink, top: int, bottom: int, left: int, right: int) -> bool:
    """Whether a mark is far brighter than what is around it, however that varies."""
    around = slice(max(top - 2, 0), bottom + 2), slice(max(left - 2, 0), right + 2)
    within, values = ink[around], light[around]
    paper = values[~within]
    if len(paper) < 4:
        return False
    level = float(np.median(paper))
    contrast = float(np.percentile(values[within], 60)) - level
    spread = float(np.percentile(np.abs(paper - level), 60)) + 1
    return contrast > max(_STANDS_OUT, _STANDS_OUT_SPREAD * spread)


class Runs(NamedTuple):
    """The runs of ink in the rows of a picture, an array for each fact."""

    row: Numbers
    start: Numbers
    stop: Numbers  #: the first column behind it
    mark: Numbers  #: the number of the mark that it belongs to


def runs_of(ink: Ink, *, by_corners: bool = True) -> Runs:
    """All of them. `by_corners` joins to one mark also what touches at a corner alone."""
    columns = ink.shape[1]
    steps = np.diff(np.pad(ink, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(steps == 1)
    stop = np.nonzero(steps == -1)[1]
    reach = int(by_corners)  # a run behind whose last column another one may begin
    joined = _joined(row * (columns + 2) + start, row * (columns + 2) + stop - 1 + reach, columns + 2)
    return Runs(row, start, stop, np.unique(joined, return_inverse=True)[1])


def marks_of(ink: Ink, runs: Runs | None = None) -> Marks:
    """Connected marks, corners included, from the runs of ink in each row."""
    row, start, stop, mark = runs or runs_of(ink)
    rows, columns = ink.shape
    count = int(mark.max(initial=-1)) + 1
    top, left = np.full(count, rows), np.full(count, columns)
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(top, mark, row)
    np.maximum.at(bottom, mark, row + 1)
    np.minimum.at(left, mark, start)
    np.maximum.at(right, mark, stop)
    area = np.bincount(mark, stop - start, count).astype(np.float64)
    lengths = np.bincount(mark, minlength=count)
    return Marks(top=top, bottom=bottom, left=left, right=right, area=area, stroke=area / np.maximum(lengths, 1))


def _joined(start: Numbers, stop: Numbers, pitch: int) -> Numbers:
    """A number for each run that it shares with all runs that touch it; positions count rows of `pitch`."""
    first = np.searchsorted(stop, start + pitch, side="left")
    count = np.maximum(np.searchsorted(start, stop + pitch, side="right") - first, 0)
    one = np.repeat(np.arange(len(start)), count)
    other = np.arange(len(one)) - np.repeat(count.cumsum() - count, count) + np.repeat(first, count)
    label = np.arange(len(start))
    while True:
        least = np.minimum(label[one], label[other])
        lower = label.copy()
        for run in (label[one], label[other], one, other):
            np.minimum.at(lower, run, least)
        lower = lower[lower]
        if np.array_equal(lower, label):
            return label
        label = lower


def _turned(marks: Marks, quarters: int) -> Marks:
    """The marks of the picture turned by so many quarters of a circle, about the origin."""
    for _ in range(quarters % 4):
        marks = replace(marks, top=-marks.right, bottom=-marks.left, left=marks.top, right=marks.bottom)
    return marks


def _lines(marks: Marks) -> Iterator[Marks]:
    """Letters that stand in line, of those that are not much wider than high."""
    marks = marks.of((marks.width <= _WIDEST * marks.height) & (marks.height >= _SMALLEST_PX))
    marks = marks.of(np.argsort(marks.left, kind="stable"))
    left = marks.left
    taken = np.zeros(len(left), bool)
    for first in range(len(left)):
        if taken[first]:
            continue
        line = _line(marks, first, taken)
        if len(line) >= LEAST_LETTERS and _reads(marks.of(line)):
            taken[line] = True
            yield marks.of(line)


def _line(marks: Marks, first: int, taken: Ink) -> Numbers:
    """The letters that follow one of them, each close to the one before and on its line."""
    line = [first]
    while True:
        last, height = line[-1], float(np.median(marks.height[line]))
        foot, edge = float(np.median(marks.bottom[line])), float(marks.right[last])
        near = np.arange(last + 1, np.searchsorted(marks.left, edge + _GAP * height, side="right"))
        fits = (marks.left[near] >= edge - _OVERLAP * height) & (
            np.abs(marks.bottom[near] - foot) <= _OFF_LINE * height
        )
        fits &= (marks.height[near] >= height / 2) & (marks.height[near] <= height * 2) & ~taken[near]
        if not fits.any():
            return np.array(line)
        line.append(int(near[fits][0]))


def _reads(letters: Marks) -> bool:
    """Whether marks in line are set like letters, and as unlike each other, as open and as thin; a ruler's and a row of
    cells are not."""
    fill = letters.area / (letters.height * letters.width)
    stroke = np.minimum(letters.stroke, letters.area / letters.width) / letters.height
    broad = np.count_nonzero(letters.width > 0.35 * letters.height)
    varied = bool(fill.std() > 0.04 and broad >= 3)
    return varied and bool(np.median(fill) < _THINNEST_FILL and np.median(stroke) < _THICKEST) and _is_set(letters)


def _is_set(letters: Marks) -> bool:
    """Whether nearly all letters stand on one line to the pixel, and are of few heights."""
    exact = max(1.0, _EXACTLY * float(np.median(letters.height)))
    on_line = np.abs(letters.bottom - np.median(letters.bottom)) <= exact
    alike = (np.abs(letters.height[:, None] - letters.height[None, :]) <= exact).sum(axis=1) > 1
    return bool(on_line.mean() >= _NEARLY_ALL and alike.mean() >= _NEARLY_ALL)


def _box(letters: Marks) -> Box:
    top, left = int(letters.top.min()), int(letters.left.min())
    return Box(left, top, int(letters.right.max()) - left, int(letters.bottom.max()) - top)
