"""Painting over parts of a picture in place: uncompressed samples set to zero, no other byte touched."""

from collections.abc import Iterator, Sequence

from aegle.deid.codestreams import Blank
from aegle.deid.masks import Box
from aegle.deid.part10 import Syntax
from aegle.deid.pixels import Extent
from aegle.deid.survey import PHOTOMETRIC, Survey

#: In these a sample of zero is black, white or the first colour of a palette; in YBR it would be green.
_ZERO_IS_PLAIN = frozenset({"MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR"})
_PLANAR = 0x00280006


def in_place(survey: Survey, syntax: Syntax) -> bool:
    """Whether the samples lie in whole bytes, one after the other, so that boxes can be painted without decoding."""
    whole = survey.number("bits") in {8, 16, 32} and survey.number("samples") in {1, 3}
    swapped = survey.big_endian and survey.number("bits") == 8
    return syntax.codec == "native" and whole and not swapped and survey.text(PHOTOMETRIC) in _ZERO_IS_PLAIN


def painted(boxes: Sequence[Box], survey: Survey, extent: Extent) -> Iterator[Blank]:
    """The bytes of the boxes in each of their frames, in order of position; rows that touch are one run."""
    columns, rows, frames = (survey.number(fact) for fact in ("columns", "rows", "frames"))
    planes = survey.number("samples") if survey.values.get(_PLANAR, b"\0\0").strip(b"\0") else 1
    sample = survey.number("bits") // 8 * survey.number("samples") // planes
    runs: dict[tuple[Box, ...], list[tuple[int, int]]] = {}
    for plane in range(frames * planes):
        start = extent.value + plane * rows * columns * sample
        here = tuple(box for box in boxes if box.is_on(plane // planes + 1, frames))
        if here not in runs:
            runs[here] = list(_runs(here, columns, rows))
        for first, length in runs[here]:
            yield start + first * sample, length * sample, b"\0"


def _runs(boxes: Sequence[Box], columns: int, rows: int) -> Iterator[tuple[int, int]]:
    """Runs of (first, length) positions in one frame, row by row, that the boxes cover."""
    spans = sorted(
        (row * columns + box.left, row * columns + box.left + box.width)
        for box in boxes
        for row in range(max(box.top, 0), min(box.top + box.height, rows))
    )
    first, reached = -1, -1
    for start, stop in spans:
        if start > reached:
            if first >= 0:
                yield first, reached - first
            first = start
        reached = max(reached, stop)
    if first >= 0:
        yield first, reached - first
