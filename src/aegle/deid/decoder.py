"""The child process of the check that decodes frames, apart from the one that paints over them. Started with `python -m`,
never imported.

Two questions: whether spare bits hold something (`{"path": ...}`, answered by `{"hidden": true}`), and whether two files show
the same picture but for boxes that are black in the second (`{"source": ..., "written": ..., "boxes": [...]}`,
`{"same": true}`). Frames pass one at a time.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.pixels.utils import iter_pixels

from aegle.deid.frames import FRAME_MAX_PIXELS, blacken, decoded
from aegle.deid.masks import Box
from aegle.deid.reading import opened
from aegle.deid.serving import serve
from aegle.deid.spare_bits import SpareBits

MEMORY_BYTES = 4 << 30  #: of address space; not enforced on Windows
PROCESSOR_SECONDS = 600  #: for one answer


def answer(wish: dict[str, Any]) -> dict[str, Any]:
    """One of the two."""
    if "path" in wish:
        return {"hidden": _hidden(Path(wish["path"]))}
    return {"same": _same(Path(wish["source"]), Path(wish["written"]), [Box(*box) for box in wish["boxes"]])}


def _hidden(path: Path) -> bool:
    with opened(path, whole=True) as reading:
        spare = SpareBits(reading, decoded=True)
    return spare.hide_something(partial(_samples, path))


def _samples(path: Path) -> Iterator[bytes]:
    """The samples of each frame with every bit that was allocated: by Bits Stored the decoder would clear the others."""
    described = dcmread(path)
    if described.Rows * described.Columns > FRAME_MAX_PIXELS:
        raise ValueError("a frame beyond the bound")
    described.BitsStored, described.HighBit = described.BitsAllocated, described.BitsAllocated - 1
    for frame in iter_pixels(described, raw=True):
        yield frame.astype(frame.dtype.newbyteorder("<")).tobytes()


def _same(source: Path, written: Path, boxes: list[Box]) -> bool:
    before, after = decoded(source), decoded(written)
    count = int(dcmread(source, stop_before_pixels=True).get("NumberOfFrames") or 1)
    for number, (was, now) in enumerate(zip(before, after, strict=True), 1):
        if not np.array_equal(blacken(was, [box for box in boxes if box.is_on(number, count)]), now):
            return False
    return True


if __name__ == "__main__":
    serve(answer, MEMORY_BYTES, PROCESSOR_SECONDS)
