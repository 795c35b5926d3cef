"""Frames to RGB pixels, inside the model process: hostile bytes meet a decoder here and nowhere else."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from aegle.errors import Unreadable

RGB = NDArray[np.uint8]
NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})
_BY_PILLOW = frozenset(
    {
        "1.2.840.10008.1.2.4.50",  # JPEG baseline
        "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
        "1.2.840.10008.1.2.4.91",  # JPEG 2000
    }
)


@dataclass(frozen=True, kw_only=True)
class PixelFormat:
    """How the frames of one image are stored (PS3.3 C.7.6.3)."""

    transfer_syntax: str
    rows: int
    columns: int
    samples: int
    photometric: str
    bits: int
    planar: int = 0

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "PixelFormat":
        """From the head of a message."""
        return cls(**facts)


def decode(frame: bytes, stored: PixelFormat, *, max_pixels: int) -> RGB:
    """`[rows, columns, 3] uint8 RGB` of one frame. Raises Unreadable; memory is bounded by the process's own limit."""
    if stored.rows * stored.columns > max_pixels:
        raise Unreadable(f"a frame of {stored.columns} x {stored.rows} px is over the bound of {max_pixels} px")
    if stored.bits != 8 or stored.samples not in (1, 3):
        raise Unreadable(
            f"frames of {stored.samples} samples of {stored.bits} bits are not read, only 8-bit RGB or grey"
        )
    try:
        pixels = _decoded(frame, stored)
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile bytes; this is the process's edge
        raise Unreadable(f"a frame does not decode ({type(error).__name__})") from None
    if pixels.shape != (stored.rows, stored.columns, 3):
        raise Unreadable("a frame decodes to another size than its header says")
    return pixels


def _decoded(frame: bytes, stored: PixelFormat) -> RGB:
    if stored.transfer_syntax in NATIVE:
        return _native(frame, stored)
    if stored.transfer_syntax in _BY_PILLOW:
        return _by_pillow(frame, stored)
    return _by_pydicom(frame, stored)


def _native(frame: bytes, stored: PixelFormat) -> RGB:
    size = stored.rows * stored.columns * stored.samples
    if len(frame) < size:
        raise Unreadable("a frame is cut short")
    flat = np.frombuffer(frame, np.uint8, count=size)
    if stored.planar and stored.samples == 3:
        pixels = flat.reshape(3, stored.rows, stored.columns).transpose(1, 2, 0)
    else:
        pixels = flat.reshape(stored.rows, stored.columns, stored.samples)
    return _to_rgb(np.ascontiguousarray(pixels), stored.photometric)


def _by_pillow(frame: bytes, stored: PixelFormat) -> RGB:
    image = Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000"))
    if image.size != (stored.columns, stored.rows):  # from the codestream's head, before anything is unpacked
        raise Unreadable("a frame's codestream has another size than its header says")
    jpeg2000 = image.format == "JPEG2000"
    if not jpeg2000 and stored.photometric == "RGB" and not {"jfif", "adobe"} & image.info.keys():
        return _by_pydicom(frame, stored)  # without a marker Pillow would take the samples for YCbCr
    image.load()
    if jpeg2000 and stored.photometric == "YBR_FULL":
        return _to_rgb(np.asarray(image), stored.photometric)
    return np.asarray(image.convert("RGB"))


def _by_pydicom(frame: bytes, stored: PixelFormat) -> RGB:
    options: dict[str, Any] = {
        "rows": stored.rows,
        "columns": stored.columns,
        "number_of_frames": 1,
        "samples_per_pixel": stored.samples,
        "photometric_interpretation": stored.photometric,
        "planar_configuration": stored.planar,
        "bits_allocated": 8,
        "bits_stored": 8,
        "pixel_representation": 0,
        "pixel_keyword": "PixelData",
        "as_rgb": True,
    }
    pixels, facts = get_decoder(UID(stored.transfer_syntax)).as_array(encapsulate([frame]), **options)
    return _to_rgb(pixels.astype(np.uint8, copy=False), str(facts.get("photometric_interpretation", "RGB")))


def _to_rgb(pixels: NDArray[np.uint8], photometric: str) -> RGB:
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        grey = pixels.reshape(pixels.shape[:2])
        grey = 255 - grey if photometric == "MONOCHROME1" else grey
        return np.repeat(grey[..., None], 3, axis=2)
    if photometric == "YBR_FULL":
        return np.asarray(Image.frombytes("YCbCr", pixels.shape[1::-1], pixels.tobytes()).convert("RGB"))
    if photometric not in ("RGB", "YBR_RCT", "YBR_ICT"):
        raise Unreadable(f"photometric interpretation {photometric} is not read")
    return pixels
