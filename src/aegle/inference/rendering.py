"""One frame as a JPEG or PNG that anybody can show: decoded, windowed, cut and scaled in the pixel process (PS3.18 §8.3.5)."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRBigEndian

from aegle.errors import Unreadable
from aegle.inference.pixels import NATIVE, PixelFormat, decode

VIEWPORT_MAX_PX = 4_096  #: of either side

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """How a frame is wanted. Lengths are pixels of the frame for `region` (left, top, width, height), else of the answer."""

    media_type: str  #: image/jpeg or image/png
    quality: int = 90  #: of JPEG, 1 to 100
    viewport: tuple[int, int] | None = None  #: width and height that the answer fits into; None: as large as it is
    region: tuple[int, int, int, int] | None = None
    window: tuple[float, float, str] | None = None  #: centre, width, function (PS3.3 §C.11.2.1.2)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Rendering":
        """From the head of a message, which has lists for tuples."""
        made: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in facts.items()}
        return cls(**made)


@dataclass(frozen=True, kw_only=True)
class Greys:
    """What grey values stand for (PS3.3 §C.11.1)."""

    bits_stored: int = 8
    signed: bool = False
    slope: float = 1.0
    intercept: float = 0.0


def render(frame: bytes, stored: PixelFormat, greys: Greys, how: Rendering, *, max_pixels: int) -> bytes:
    """The picture. Raises Unreadable."""
    if stored.rows * stored.columns > max_pixels:
        raise Unreadable(f"a frame of {stored.columns} x {stored.rows} px is over the bound of {max_pixels} px")
    plain = stored.bits == 8 and (stored.samples == 3 or (how.window is None and not greys.signed))
    picture = Image.fromarray(
        decode(frame, stored, max_pixels=max_pixels) if plain else _shown(_values(frame, stored, greys), stored, how)
    )
    stream = io.BytesIO()
    shaped = _shaped(picture, how)
    if how.media_type == "image/png":
        shaped.save(stream, "PNG", compress_level=1)
    else:
        shaped.save(stream, "JPEG", quality=how.quality)
    return stream.getvalue()


def _shaped(picture: Image.Image, how: Rendering) -> Image.Image:
    if how.region is not None:
        left, top, width, height = how.region
        if left + width > picture.width or top + height > picture.height:
            raise Unreadable("the region asked for lies outside the frame")
        picture = picture.crop((left, top, left + width, top + height))
    if how.viewport is None:
        return picture
    scale = min(how.viewport[0] / picture.width, how.viewport[1] / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _values(frame: bytes, stored: PixelFormat, greys: Greys) -> Values:
    """`[rows, columns]` in the units of the modality."""
    if stored.samples != 1 or stored.bits not in (8, 16) or not stored.photometric.startswith("MONOCHROME"):
        raise Unreadable(f"frames of {stored.samples} samples of {stored.bits} bits are not rendered")
    try:
        raw = _native(frame, stored, greys) if stored.transfer_syntax in NATIVE else _by_pydicom(frame, stored, greys)
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile bytes; this is the process's edge
        raise Unreadable(f"a frame does not decode ({type(error).__name__})") from None
    if raw.shape != (stored.rows, stored.columns):
        raise Unreadable("a frame decodes to another size than its header says")
    return raw.astype(np.float32) * np.float32(greys.slope) + np.float32(greys.intercept)


def _native(frame: bytes, stored: PixelFormat, greys: Greys) -> NDArray[Any]:
    order = ">" if stored.transfer_syntax == ExplicitVRBigEndian else "<"
    kind = np.dtype(f"{order}{'i' if greys.signed else 'u'}{stored.bits // 8}")
    count = stored.rows * stored.columns
    if len(frame) < count * kind.itemsize:
        raise Unreadable("a frame is cut short")
    return np.frombuffer(frame, kind, count=count).reshape(stored.rows, stored.columns)


def _by_pydicom(frame: bytes, stored: PixelFormat, greys: Greys) -> NDArray[Any]:
    options: dict[str, Any] = {
        "rows": stored.rows,
        "columns": stored.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": stored.photometric,
        "bits_allocated": stored.bits,
        "bits_stored": greys.bits_stored,
        "pixel_representation": int(greys.signed),
        "pixel_keyword": "PixelData",
    }
    pixels: NDArray[Any] = get_decoder(UID(stored.transfer_syntax)).as_array(encapsulate([frame]), **options)[0]
    return pixels


def _shown(values: Values, stored: PixelFormat, how: Rendering) -> NDArray[np.uint8]:
    if how.window is None:
        low, high = float(values.min()), float(values.max())
        share = (values - low) / max(high - low, 1.0)
    else:
        share = _windowed(values, *how.window)
    share = 1 - share if stored.photometric == "MONOCHROME1" else share
    shown: NDArray[np.uint8] = np.clip(share * 255 + 0.5, 0, 255).astype(np.uint8)
    return shown


def _windowed(values: Values, centre: float, width: float, function: str) -> Values:
    """Share of full brightness, by PS3.3 §C.11.2.1.2 and §C.11.2.1.3."""
    if function == "sigmoid":
        bent: Values = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -80, 80)))
        return bent
    if function == "linear-exact":
        return (values - centre) / width + 0.5
    if width <= 1:
        return (values > centre - 0.5).astype(np.float32)
    return (values - (centre - 0.5)) / (width - 1) + 0.5
