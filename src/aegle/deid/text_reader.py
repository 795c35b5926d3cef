"""The child process of `second_look`: looks for text in pictures. Started with `python -m`, never imported.

One line of JSON in (`{"path": ...}`), one out (`{"places": [[left, top, width, height], ...]}`). What the text says stays
here.
"""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aegle.bounds import limit_memory
from aegle.deid.drawn_text import drawn_text
from aegle.deid.masks import Box
from aegle.deid.serving import serve
from aegle.deid.views import View, looks, tiles

MEMORY_BYTES = 6 << 30  #: of address space; not enforced on Windows
PROCESSOR_SECONDS = 120  #: for one object
LETTERS = 3  #: from which a find is text
SURE = 0.75  #: of the learnt reader, in [0, 1]
PLACES_MAX = 20  #: that are told; more tell nobody more

Reader = Callable[[View], list[Box]]


def main() -> None:
    """Answer until standard input ends."""
    limit_memory(MEMORY_BYTES)  # before a model is read, too
    learnt = _learnt()
    readers = [drawn_text, *learnt]

    def answer(wish: dict[str, Any]) -> dict[str, Any]:
        return {"places": _places(readers, Path(wish["path"]))}

    serve(answer, MEMORY_BYTES, PROCESSOR_SECONDS, copied=not learnt)  # the learnt one has threads


def _places(readers: list[Reader], path: Path) -> list[Box]:
    """Of the first view in which there is text: one is enough to have a person look."""
    for view in looks(path):
        for read in readers:
            if found := list(_found(read, view)):
                return found[:PLACES_MAX]
    return []


def _found(read: Reader, view: View) -> Iterator[Box]:
    for left, top, smaller, tile in tiles(view):
        if tile.min() < tile.max():
            for box in read(tile):
                yield Box(left + box.left * smaller, top + box.top * smaller, box.width * smaller, box.height * smaller)


def _learnt() -> list[Reader]:
    """The reader that learnt what text looks like, where the extra is installed."""
    if importlib.util.find_spec("rapidocr") is None:
        return []
    from rapidocr import RapidOCR

    threads = "EngineConfig.onnxruntime.intra_op_num_threads"
    learnt: Any = RapidOCR(params={"Global.log_level": "critical", threads: 1})

    def read(tile: View) -> list[Box]:
        picture = tile if tile.ndim == 3 else np.repeat(tile[..., None], 3, axis=2)
        found = learnt(picture)
        if found.boxes is None or found.txts is None:
            return []
        rows = zip(found.boxes, found.txts, found.scores, strict=True)
        return [_box(corners) for corners, text, score in rows if score >= SURE and _is_text(text)]

    return [read]


def _is_text(text: str) -> bool:
    return sum(letter.isalnum() for letter in text) >= LETTERS


def _box(corners: Any) -> Box:
    """The upright rectangle about four corners."""
    left, top = (int(edge) for edge in corners.min(axis=0))
    right, bottom = (int(edge) for edge in corners.max(axis=0))
    return Box(left, top, right - left, bottom - top)


if __name__ == "__main__":
    main()
