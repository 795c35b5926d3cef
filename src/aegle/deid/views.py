"""What a second look is given of a picture: its frames as a viewer shows them, and so that nothing can hide from one.

A text may show only in the window, only outside of it, only by the palette, or only in its indices: each is a view. Of a
loop the first and the last frame are taken, the frames most unlike the one before, and what is brightest and what is
darkest in each half of it, so that also a text in one frame of many is there to be seen. Peak memory: some twenty frames.
"""

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset, dcmread
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import iter_pixels

FRAME_MAX_PIXELS = 100_000_000
SHOWN_MAX_BYTES = 64 << 20  #: of a frame that is drawn, decoded: three times as much memory, at the worst
PICTURE_MAX_BYTES = 2 << 30  #: of all frames, unpacked
EACH = 6  #: frames up to which every one is looked at by itself
ODDEST = 4  #: of more frames, how many are looked at for being unlike the one before
TILE_PX, SHARED_PX = 1024, 96  #: what is looked at in one piece, and what neighbours share
_TILES_MAX = 4  #: along a side; a picture beyond them is made smaller
_ALIKE, _ALIKE_PX = 24, 30  #: levels of 256 by which more than so many pixels must differ for two views to be two
_INNER = (2.0, 98.0)  #: percentiles between which an inner view is stretched
_THUMB = 32  #: pixels along a thumbnail's side

View = NDArray[np.uint8]  #: `[rows, columns]` or `[rows, columns, 3]`


class Look(NamedTuple):
    """One view, and of which frames it is: of one, or of what is brightest or darkest in several."""

    view: View
    first: int  #: from 1
    last: int
    kind: int = 0  #: which of a frame's views


def looks(path: Path) -> Iterator[Look]:
    """Everything that is to be looked at. Raises ValueError beyond the bounds, and whatever a decoder does."""
    described = dcmread(path, defer_size=1 << 20)
    frames, samples = int(described.get("NumberOfFrames") or 1), described.SamplesPerPixel
    pixels = described.Rows * described.Columns
    if pixels > FRAME_MAX_PIXELS or pixels * frames * samples * described.BitsAllocated // 8 > PICTURE_MAX_BYTES:
        raise ValueError("a picture beyond the bounds")
    views = (_views(frame, described) for frame in iter_pixels(path))
    chosen = _chosen(views, frames) if frames > EACH else ((n, n, seen) for n, seen in enumerate(views, 1))
    yield from _distinct(
        Look(view, first, last, kind) for first, last, seen in chosen for kind, view in enumerate(seen)
    )


def each_frame(path: Path, look: Look) -> Iterator[tuple[int, View]]:
    """The frames that a look is of, by number, each as that look shows it. Peak memory: a frame."""
    described, numbers = dcmread(path, defer_size=1 << 20), range(look.first, look.last + 1)
    for number, frame in zip(numbers, iter_pixels(path, indices=[n - 1 for n in numbers]), strict=True):
        yield number, _views(frame, described)[look.kind]


def frame_count(path: Path) -> int:
    """How many frames an object says that it has."""
    return int(dcmread(path, stop_before_pixels=True).get("NumberOfFrames") or 1)


def as_shown(path: Path, widest_px: int, number: int = 1) -> View:
    """Frame `number`, from 1, as a viewer shows it, its longer side about `widest_px` at most. Peak memory: the frame,
    decoded. Raises as `looks` does."""
    described = dcmread(path, defer_size=1 << 20)
    if described.Rows * described.Columns * described.SamplesPerPixel * described.BitsAllocated // 8 > SHOWN_MAX_BYTES:
        raise ValueError("a picture beyond the bounds")
    frame = next(iter_pixels(path, indices=[number - 1]))
    step = -(-max(frame.shape[:2]) // widest_px)
    views = _views(frame[::step, ::step].copy(), described)
    shown = views[-1] if described.PhotometricInterpretation.startswith("MONOCHROME") and len(views) > 2 else views[0]
    return 255 - shown if described.PhotometricInterpretation == "MONOCHROME1" else shown


def tiles(view: View) -> Iterator[tuple[int, int, int, View]]:
    """Pieces of a view that share a margin: left, top and how much smaller they are than the picture."""
    smaller = -(-max(view.shape[:2]) // (TILE_PX * _TILES_MAX))
    shown = view[::smaller, ::smaller] if smaller > 1 else view
    for top in _starts(shown.shape[0]):
        for left in _starts(shown.shape[1]):
            yield left * smaller, top * smaller, smaller, shown[top : top + TILE_PX, left : left + TILE_PX]


def _starts(size: int) -> range:
    return range(0, max(size - SHARED_PX, 1), TILE_PX - SHARED_PX)


def _views(frame: NDArray[Any], described: FileDataset) -> list[View]:
    """One frame in its views, always as many for one file."""
    if frame.ndim == 3:
        return [_shallow(frame[..., :3], described.BitsStored)]
    if described.PhotometricInterpretation == "PALETTE COLOR":
        coloured = apply_color_lut(frame, described)
        return [
            _shallow(coloured, coloured.dtype.itemsize * 8),
            _stretched(frame, float(frame.min()), float(frame.max())),
        ]
    seen = [_stretched(frame, float(frame.min()), float(frame.max())), _stretched(frame, *np.percentile(frame, _INNER))]
    if "WindowWidth" in described or "VOILUTSequence" in described:
        shown = apply_voi_lut(apply_modality_lut(frame, described), described)
        seen.append(_stretched(shown, float(shown.min()), float(shown.max())))
    return seen


def _shallow(frame: NDArray[Any], bits: int) -> View:
    shallow: View = (frame >> (bits - 8) if bits > 8 else frame).astype(np.uint8)
    return shallow


def _stretched(frame: NDArray[Any], low: float, high: float) -> View:
    """From black at `low` to white at `high`."""
    levels = (frame.astype(np.float32) - low) * (255.0 / (high - low or 1.0))
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def _distinct(seen: Iterable[Look]) -> Iterator[Look]:
    """Views that hold something, less those that look like another."""
    kept: list[View] = []
    for look in seen:
        if look.view.min() < look.view.max() and not any(_alike(look.view, other) for other in kept):
            kept.append(look.view)
            yield look


def _alike(one: View, other: View) -> bool:
    if one.shape != other.shape:
        return False
    difference = np.maximum(one, other) - np.minimum(one, other)
    return int(np.count_nonzero(difference > _ALIKE)) <= _ALIKE_PX


def _chosen(frames: Iterable[list[View]], count: int) -> Iterator[tuple[int, int, list[View]]]:
    """First, last and odd frames of a loop, and the brightest and the darkest of its halves; each with its frames."""
    oddest: list[tuple[float, int, list[View]]] = []
    bright: list[View] = []
    dark: list[View] = []
    before: NDArray[np.float32] | None = None
    begun = 1
    for number, views in enumerate(frames):
        thumb = _thumbnail(views[0])
        strange = 0.0 if before is None or before.shape != thumb.shape else float(np.abs(thumb - before).max())
        before = thumb
        heapq.heappush(oddest, (strange, number, views))
        if len(oddest) > ODDEST:
            heapq.heappop(oddest)
        bright = [np.maximum(most, view) for most, view in zip(bright, views, strict=True)] if bright else views
        dark = [np.minimum(least, view) for least, view in zip(dark, views, strict=True)] if dark else views
        if number in {0, count - 1}:
            yield number + 1, number + 1, views
        if number in {count // 2, count - 1}:
            yield begun, number + 1, bright
            yield begun, number + 1, dark
            bright, dark, begun = [], [], number + 2
    yield from ((number + 1, number + 1, views) for _, number, views in oddest)


def _thumbnail(view: View) -> NDArray[np.float32]:
    """The means of some thousand squares of a view."""
    rows, columns = (max(size // _THUMB, 1) for size in view.shape[:2])
    grey = view if view.ndim == 2 else view[..., 1]
    high, wide = grey.shape[0] // rows * rows, grey.shape[1] // columns * columns
    squares = grey[:high, :wide].reshape(high // rows, rows, wide // columns, columns)
    return np.asarray(squares.mean(axis=(1, 3)), np.float32)
