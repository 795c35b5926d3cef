"""The child process of `second_look`: looks for text in pictures. Started with `python -m`, never imported.

One line of JSON in (`{"path": ...}`), one out (`{"frames": 10, "places": [[left, top, width, height, frame, frame], ...]}`).
What the text says stays here.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aegle.bounds import limit_memory
from aegle.deid.drawn_text import drawn_text
from aegle.deid.masks import Box
from aegle.deid.serving import serve
from aegle.deid.views import Look, View, each_frame, frame_count, looks, tiles

MEMORY_BYTES = 6 << 30  #: of address space; not enforced on Windows
PROCESSOR_SECONDS = 120  #: for one object
LETTERS = 3  #: from which a find is text
SURE = 0.75  #: of the learnt reader, in [0, 1]
PLACES_MAX = 20  #: of one view that are told; more tell nobody more
AROUND_PX = 24  #: that are shown about a place to a reader which is to find it again
ENOUGH_SECONDS = 40  #: of looking, once there is something to be held for

Reader = Callable[[View], list[Box]]


def main() -> None:
    """Answer until standard input ends."""
    limit_memory(MEMORY_BYTES)  # before a model is read, too
    learnt = _learnt()
    readers = [drawn_text, *learnt]

    def answer(wish: dict[str, Any]) -> dict[str, Any]:
        path = Path(wish["path"])
        return {"frames": frame_count(path), "places": _places(readers, path)}

    serve(answer, MEMORY_BYTES, PROCESSOR_SECONDS, copied=not learnt)  # the learnt one has threads


def _places(readers: list[Reader], path: Path) -> list[Box]:
    """Every place in which there is text, with its frame: whoever lets the object in must have seen all of them."""
    places: list[Box] = []
    begun = time.monotonic()
    for look in sorted(looks(path), key=_is_of_several):  # what one frame shows tells the frame
        if places and time.monotonic() - begun > ENOUGH_SECONDS:
            break
        found = [box for box in _text_in(readers, look.view) if not any(_is_known(box, look, one) for one in places)]
        if not _is_of_several(look):
            places += [box._replace(first=look.first, last=look.first) for box in found]
        elif found:
            places += _in_its_frames(readers, path, look, found, begun + ENOUGH_SECONDS)
    return sorted(places, key=lambda place: place.first)


def _in_its_frames(readers: list[Reader], path: Path, look: Look, found: list[Box], until: float) -> list[Box]:
    """In which of several frames each place is: those that show text there by themselves; all of them, where none does, or
    where the time is up."""
    frames: dict[Box, list[int]] = {box: [] for box in found}
    for number, view in each_frame(path, look):
        for box, numbers in frames.items():
            if time.monotonic() > until or any(_text_in(readers, _about(box, view))):
                numbers.append(number)
    every = list(range(look.first, look.last + 1))
    return [box._replace(first=number, last=number) for box, numbers in frames.items() for number in numbers or every]


def _text_in(readers: list[Reader], view: View) -> list[Box]:
    return next((boxes for read in readers if (boxes := list(_found(read, view)))), [])[:PLACES_MAX]


def _about(box: Box, view: View) -> View:
    above, before = max(box.top - AROUND_PX, 0), max(box.left - AROUND_PX, 0)
    return view[above : box.top + box.height + AROUND_PX, before : box.left + box.width + AROUND_PX]


def _is_of_several(look: Look) -> bool:
    return look.last > look.first


def _is_known(box: Box, look: Look, place: Box) -> bool:
    across = box.left < place.left + place.width and place.left < box.left + box.width
    down = box.top < place.top + place.height and place.top < box.top + box.height
    return look.first <= place.first <= look.last and across and down


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
