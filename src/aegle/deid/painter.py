"""The child process of `repaint`: decodes, paints, encodes. Started with `python -m`, never imported.

A question is `{"source": ..., "element": ..., "boxes": [...]}`, its answer `{"photometric": ...}`.
"""

import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset, dcmread
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import JPEG2000Lossless

from aegle.deid.frames import blacken, decoded
from aegle.deid.masks import Box
from aegle.deid.serving import serve

MEMORY_BYTES = 4 << 30  #: of address space, most of it never touched; not enforced on Windows
PROCESSOR_SECONDS = 600  #: for one object


def answer(wish: dict[str, Any]) -> dict[str, Any]:
    """The element painted and written."""
    source, boxes = Path(wish["source"]), [Box(*box) for box in wish["boxes"]]
    described = dcmread(source, stop_before_pixels=True)
    with Path(wish["element"]).open("wb") as file:
        file.write(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
        file.write(struct.pack("<HHL", 0xFFFE, 0xE000, 0))  # no offset table
        count = int(described.get("NumberOfFrames") or 1)
        for number, frame in enumerate(decoded(source), 1):
            made = blacken(frame, [box for box in boxes if box.is_on(number, count)])
            _write_item(file, _encoded(made, described))
        file.write(struct.pack("<HHL", 0xFFFE, 0xE0DD, 0))
    return {"photometric": _photometric(described)}


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


if __name__ == "__main__":
    serve(answer, MEMORY_BYTES, PROCESSOR_SECONDS)
