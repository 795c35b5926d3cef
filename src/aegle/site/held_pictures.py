"""The picture of a held object, for the person who decides about it: blurred, until that person asks to see it as it is.

The object is identified, and may be hostile: it lies open in the site's private work folder while its header is read, and its
pixels are decoded by a child process without keys. Peak memory: one frame and its picture.
"""

import io
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aegle import durable
from aegle.deid.engine import device_of
from aegle.deid.masks import Device
from aegle.dicom.describe import describe
from aegle.errors import AegleError, NotFound, TooLarge
from aegle.inference.process import PixelProcess
from aegle.intake.quarantine import Entry, Quarantine
from aegle.site.drawing import pixel_format

_LARGEST_BYTES = 256_000_000
_WIDEST_PX = 1_600
_BLURRED_PX = 24  #: the picture's longer side before it is blown up again: shapes stay, no letter does


@dataclass(frozen=True, kw_only=True)
class HeldPictures:
    """Reads a site's quarantine."""

    quarantine: Quarantine
    work: Path
    decoder: PixelProcess

    def device(self, entry: Entry) -> Device | None:
        """Which device made the picture; None where the object does not say or is too large to be opened for it."""
        if entry.size_bytes > _LARGEST_BYTES:
            return None
        with self._opened(entry) as path:
            return device_of(path, self.work)

    def picture(self, entry: Entry, *, sharp: bool) -> bytes:
        """The first frame as PNG. Raises NotFound where there is no picture that can be shown, TooLarge, Unavailable."""
        if entry.size_bytes > _LARGEST_BYTES:
            raise TooLarge(f"objects of more than {_LARGEST_BYTES // 1_000_000} MB are not shown here")
        with self._opened(entry) as path:
            pixels = self._first_frame(path)
        shown = Image.fromarray(pixels)
        shown.thumbnail((_WIDEST_PX, _WIDEST_PX))
        return _png(shown if sharp else _blurred(shown))

    def _first_frame(self, path: Path) -> NDArray[np.uint8]:
        try:
            described = describe(path, forgets=True)
        except AegleError:
            raise NotFound("this object's header cannot be read, so it has no picture") from None
        if described.table is None or not len(described.table):
            raise NotFound("this object has no picture that can be shown")
        with path.open("rb") as stream:
            content = b"".join(_span(stream, *span) for span in described.table.of(1))
        return self.decoder.decode(content, pixel_format(described, json.loads(described.metadata)))

    @contextmanager
    def _opened(self, entry: Entry) -> Iterator[Path]:
        path = durable.private_folder(self.work) / f"{secrets.token_hex(8)}.held"
        try:
            with path.open("xb") as stream:
                stream.writelines(self.quarantine.read(entry.entry_id))
            yield path
        finally:
            path.unlink(missing_ok=True)


def _span(stream: io.BufferedReader, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(length)


def _blurred(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((_BLURRED_PX, _BLURRED_PX), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
