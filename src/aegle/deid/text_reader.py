"""The child process of `second_look`: looks for text in pictures. Started with `python -m`, never imported.

One line of JSON in (`{"path": ...}`), one out (`{"places": [[left, top, width, height], ...]}`). What the text says stays
here.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.processing import apply_windowing
from pydicom.pixels.utils import pixel_array
from rapidocr import RapidOCR

from aegle.bounds import limit_memory

MEMORY_BYTES = 6 << 30  #: of address space; not enforced on Windows
FRAME_MAX_PIXELS = 100_000_000
LETTERS = 3  #: from which a find is text
SURE = 0.75  #: of the reader, in [0, 1]


def main() -> None:
    """Answer until standard input ends."""
    limit_memory(MEMORY_BYTES)
    reader = RapidOCR(params={"Global.log_level": "critical"})
    json.dump({"ready": True}, sys.stdout)
    print(flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        places = [place for frame in _frames(Path(json.loads(line)["path"])) for place in _text_in(reader, frame)]
        json.dump({"places": places}, sys.stdout)
        print(flush=True)  # noqa: T201


def _frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The first, the middle and the last frame as 8-bit RGB, `[rows, columns, 3]`."""
    described = dcmread(path, defer_size=1 << 20)
    if described.Rows * described.Columns > FRAME_MAX_PIXELS:
        raise ValueError("a frame beyond the bound")
    count = int(described.get("NumberOfFrames") or 1)
    for index in sorted({0, count // 2, count - 1}):
        frame = pixel_array(described, index=index)
        yield _grey(frame, described) if frame.ndim == 2 else frame.astype(np.uint8)


def _grey(frame: NDArray[Any], described: Any) -> NDArray[np.uint8]:
    """Stretched over its own range: text is drawn at an end of it."""
    shown = apply_windowing(frame, described) if "WindowWidth" in described else frame
    low, high = float(shown.min()), float(shown.max())
    stretched = (shown - low) * (255.0 / (high - low or 1.0))
    grey = np.asarray(stretched, np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _text_in(reader: RapidOCR, frame: NDArray[np.uint8]) -> Iterator[list[int]]:
    found: Any = reader(frame, use_cls=False)
    if found.boxes is None or found.txts is None:
        return
    for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        if score >= SURE and sum(letter.isalnum() for letter in text) >= LETTERS:
            left, top = corners.min(axis=0)
            right, bottom = corners.max(axis=0)
            yield [int(left), int(top), int(right - left), int(bottom - top)]


if __name__ == "__main__":
    main()
