"""The child process of `repaint`: decodes, paints, encodes, compares. Started with `python -m`, never imported."""

import json
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset, dcmread
from pydicom.pixels.encoders.base import get_encoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import JPEG2000Lossless

from aegle.bounds import limit_memory
from aegle.deid.masks import Box

MEMORY_BYTES = 4 << 30  #: of address space, most of it never touched; not enforced on Windows
FRAME_MAX_PIXELS = 100_000_000


def main() -> None:
    """The child: one wish on standard input, one answer on standard output."""
    limit_memory(MEMORY_BYTES)
    wish = json.load(sys.stdin)
    source, other = Path(wish["source"]), Path(wish["other"])
    boxes = [Box(*box) for box in wish["boxes"]]
    answer = _paint(source, other, boxes) if wish["what"] == "paint" else {"same": _same(source, other, boxes)}
    json.dump(answer, sys.stdout)


def _frames(path: Path) -> Iterator[NDArray[Any]]:
    """Decoded frames, `[rows, columns(, 3)]`; colour as RGB."""
    described = dcmread(path, stop_before_pixels=True)
    if described.Rows * described.Columns > FRAME_MAX_PIXELS:
        raise ValueError("a frame beyond the bound")
    return iter_pixels(path)


def _paint(source: Path, element: Path, boxes: Sequence[Box]) -> dict[str, str]:
    described = dcmread(source, stop_before_pixels=True)
    with element.open("wb") as file:
        file.write(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
        file.write(struct.pack("<HHL", 0xFFFE, 0xE000, 0))  # no offset table
        count = int(described.get("NumberOfFrames") or 1)
        for number, frame in enumerate(_frames(source), 1):
            made = frame.copy()
            _blacken(made, [box for box in boxes if box.is_on(number, count)])
            _write_item(file, _encoded(made, described))
        file.write(struct.pack("<HHL", 0xFFFE, 0xE0DD, 0))
    return {"photometric": _photometric(described)}


def _blacken(frame: NDArray[Any], boxes: Sequence[Box]) -> None:
    for box in boxes:
        frame[box.top : box.top + box.height, box.left : box.left + box.width] = 0


def _write_item(file: IO[bytes], stream: bytes) -> None:
    padded = stream + b"\0" * (len(stream) % 2)
    file.write(struct.pack("<HHL", 0xFFFE, 0xE000, len(padded)) + padded)


def _photometric(described: FileDataset) -> str:
    return "YBR_RCT" if described.SamplesPerPixel == 3 else str(described.PhotometricInterpretation)


def _encoded(frame: NDArray[Any], described: FileDataset) -> bytes:
    return bytes(
        get_encoder(JPEG2000Lossless).encode(
            np.ascontiguousarray(frame),
            rows=frame.shape[0],
            columns=frame.shape[1],
            samples_per_pixel=described.SamplesPerPixel,
            bits_allocated=described.BitsAllocated,
            bits_stored=described.BitsStored,
            pixel_representation=described.PixelRepresentation,
            photometric_interpretation=_photometric(described),
            number_of_frames=1,
            planar_configuration=0,
        )
    )


def _same(source: Path, written: Path, boxes: Sequence[Box]) -> bool:
    before, after = _frames(source), _frames(written)
    count = int(dcmread(source, stop_before_pixels=True).get("NumberOfFrames") or 1)
    for number, (was, now) in enumerate(zip(before, after, strict=True), 1):
        wanted = was.copy()
        _blacken(wanted, [box for box in boxes if box.is_on(number, count)])
        if not np.array_equal(wanted, now):
            return False
    return True


if __name__ == "__main__":
    main()
