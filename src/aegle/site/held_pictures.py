"""The pictures of a held object, for the person who decides about it: blurred, until that person asks to see one as it is.

The object is identified, and may be hostile: it lies open in the site's private work folder while its header is read, and its
pixels are decoded and drawn by a child process without keys. Peak memory: the picture, here; a decoded frame, there.
"""

import base64
import io
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw

from aegle import durable
from aegle.deid.child import Child
from aegle.deid.engine import device_of
from aegle.deid.masks import Box, Device
from aegle.errors import NotFound, TooLarge
from aegle.intake.quarantine import Entry, Quarantine

_LARGEST_BYTES = 256_000_000
_WIDEST_PX = 1_600
_BLURRED_PX = 24  #: the picture's longer side before it is blown up again: shapes stay, no letter does


@dataclass(frozen=True, kw_only=True)
class HeldPictures:
    """Reads a site's quarantine."""

    quarantine: Quarantine
    work: Path
    reader: Child = field(default_factory=lambda: Child("aegle.deid.picture_reader"))

    def origin(self, entry: Entry) -> tuple[Device | None, int]:
        """Which device made the picture, and how many frames it has; None where the object does not say or is too large to
        be opened for it."""
        if entry.size_bytes > _LARGEST_BYTES:
            return None, 1
        with self._opened(entry) as path:
            answer = self.reader.ask({"path": str(path)})
            return device_of(path, self.work), max(answer["frames"], 1) if answer else 1

    def picture(self, entry: Entry, *, sharp: bool, frame: int = 1) -> bytes:
        """One frame, from 1, as PNG, with an outline about each place where the text detector saw text. Raises NotFound where
        there is no picture that can be shown, TooLarge."""
        if entry.size_bytes > _LARGEST_BYTES:
            raise TooLarge(f"objects of more than {_LARGEST_BYTES // 1_000_000} MB are not shown here")
        with self._opened(entry) as path:
            device = device_of(path, self.work)
            answer = self.reader.ask({"path": str(path), "widest_px": _WIDEST_PX, "frame": frame})
        if answer is None or device is None:
            raise NotFound("this object has no picture that can be shown")
        drawn = Image.open(io.BytesIO(base64.b64decode(answer["png"])))
        smaller = -(-max(device.columns, device.rows) // _WIDEST_PX)  # as `views.as_shown` makes it
        places = [place for place in entry.places if place.first == frame]
        return _png(_outlined(drawn if sharp else _blurred(drawn), places, smaller))

    def close(self) -> None:
        """End the child. Idempotent."""
        self.reader.close()

    @contextmanager
    def _opened(self, entry: Entry) -> Iterator[Path]:
        path = durable.private_folder(self.work) / f"{secrets.token_hex(8)}.held"
        try:
            with path.open("xb") as stream:
                stream.writelines(self.quarantine.read(entry.entry_id))
            yield path
        finally:
            path.unlink(missing_ok=True)


def _blurred(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((_BLURRED_PX, _BLURRED_PX), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def _outlined(picture: Image.Image, places: Sequence[Box], smaller: int) -> Image.Image:
    """A line about each place and not over it: yellow in black, which is seen on every ground."""
    if not places:
        return picture
    shown = picture.convert("RGB")
    pen = ImageDraw.Draw(shown)
    for place in places:
        right, bottom = place.left + place.width, place.top + place.height
        left, top, right, bottom = (edge // smaller for edge in (place.left, place.top, right, bottom))
        for gap, width, colour in ((7, 5, "black"), (5, 2, "yellow")):
            pen.rectangle((left - gap, top - gap, right + gap, bottom + gap), outline=colour, width=width)
    return shown


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
