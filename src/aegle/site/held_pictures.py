"""The picture of a held object, for the person who decides about it: blurred, until that person asks to see it as it is.

The object is identified, and may be hostile: it lies open in the site's private work folder while its header is read, and its
pixels are decoded and drawn by a child process without keys. Peak memory: the picture, here; a decoded frame, there.
"""

import base64
import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from aegle import durable
from aegle.deid.child import Child
from aegle.deid.engine import device_of
from aegle.deid.masks import Device
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

    def device(self, entry: Entry) -> Device | None:
        """Which device made the picture; None where the object does not say or is too large to be opened for it."""
        if entry.size_bytes > _LARGEST_BYTES:
            return None
        with self._opened(entry) as path:
            return device_of(path, self.work)

    def picture(self, entry: Entry, *, sharp: bool) -> bytes:
        """The first frame as PNG. Raises NotFound where there is no picture that can be shown, TooLarge."""
        if entry.size_bytes > _LARGEST_BYTES:
            raise TooLarge(f"objects of more than {_LARGEST_BYTES // 1_000_000} MB are not shown here")
        with self._opened(entry) as path:
            answer = self.reader.ask({"path": str(path), "widest_px": _WIDEST_PX})
        if answer is None:
            raise NotFound("this object has no picture that can be shown")
        drawn = base64.b64decode(answer["png"])
        return drawn if sharp else _png(_blurred(Image.open(io.BytesIO(drawn))))

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


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
