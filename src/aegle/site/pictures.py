"""Pictures out of the archive: levels and tiles for the viewer, and one picture of an image for a result object."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from aegle.dicom.results import ResultObject, build_results
from aegle.dicom.slide import Level, Metadata, first, level, levels
from aegle.errors import NotFound, Unreadable
from aegle.inference.process import PixelProcess
from aegle.ports import Archive
from aegle.records import Prediction, StoredInstance
from aegle.site.drawing import pixel_format

_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_LARGEST_TILE_PX = 64_000_000
_WIDEST_PICTURE_PX = 2_048

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Reads a site's own archive. Peak memory: one tile, or one picture of at most 2,048 pixels a side and its tiles."""

    archive: Archive
    decoder: PixelProcess = field(default_factory=PixelProcess)  #: foreign codestreams are decoded there, not here
    _known: Any = field(default_factory=lambda: lru_cache(maxsize=512)(lambda read, stored: read(stored)))

    def slide(self, study_uid: str, sop_uid: str) -> dict[str, Any]:
        """What the viewer needs: the levels of the series that holds `sop_uid`, or of the study's first slide or still.

        Raises NotFound where there is nothing to show."""
        for instances in self._series(study_uid, sop_uid):
            found = levels([self.metadata(item.sop_uid) for item in instances])
            if found and found[0].across * found[0].down == 1 and sop_uid:
                found = [item for item in found if item.sop_uid == sop_uid]
            if found:
                shown = [_facts(item) for item in found]
                return {"study": study_uid, "series": instances[0].series_uid, "levels": shown}
        raise NotFound("this study has no picture to show")

    def tile(self, study_uid: str, sop_uid: str, column: int, row: int) -> tuple[bytes, str]:
        """One tile and its media type: as stored where a browser can show it, else as PNG. Raises NotFound, Unreadable."""
        stored = self._stored(study_uid, sop_uid)
        metadata = self.metadata(sop_uid)
        grid = level(metadata)
        frame = grid.frame(column, row) if grid else None
        if frame is None:
            raise NotFound("the slide has no tile there")
        (content,) = self.archive.frames(stored, [frame])
        if stored.transfer_syntax == _JPEG_BASELINE and first(metadata, "00280004", "") != "RGB":
            return content, "image/jpeg"
        stream = io.BytesIO()
        pixels = self.decoder.decode(content, pixel_format(stored, metadata))
        Image.fromarray(pixels).save(
            stream, "PNG", compress_level=1
        )  # speed: it travels once and is kept by the browser
        return stream.getvalue(), "image/png"

    def picture(self, study_uid: str, sop_uid: str) -> Pixels:
        """`[H, W, 3] uint8 RGB` of the image: the widest level of at most 2,048 pixels, a larger still scaled down."""
        shown = self.slide(study_uid, sop_uid)["levels"]
        small = [item for item in shown if max(item["width"], item["height"]) <= _WIDEST_PICTURE_PX]
        grid = level(self.metadata((small[0] if small else shown[-1])["sop"]))
        if grid is None:
            raise NotFound("this image has no picture")
        canvas = self._assemble(study_uid, grid)
        if max(canvas.shape[:2]) <= _WIDEST_PICTURE_PX:
            return canvas
        scaled = Image.fromarray(canvas)
        scaled.thumbnail((_WIDEST_PICTURE_PX, _WIDEST_PICTURE_PX))
        return np.asarray(scaled)

    def close(self) -> None:
        """End the decoder's process."""
        self.decoder.close()

    def metadata(self, sop_uid: str) -> Metadata:
        """DICOM JSON of an instance, remembered as long as its bytes are the same."""
        stored = self.archive.find(sop_uid)
        if stored is None:
            raise NotFound("no such image here")
        found: Metadata = self._known(self.archive.metadata, stored)
        return found

    def _assemble(self, study_uid: str, grid: Level) -> Pixels:
        if grid.width * grid.height > _LARGEST_TILE_PX:
            raise Unreadable("the slide has no level small enough for a picture")
        stored = self._stored(study_uid, grid.sop_uid)
        layout = pixel_format(stored, self.metadata(grid.sop_uid))
        canvas = np.full((grid.down * grid.tile_height, grid.across * grid.tile_width, 3), 255, np.uint8)
        for row in range(grid.down):
            for column in range(grid.across):
                frame = grid.frame(column, row)
                if frame is None:
                    continue
                (content,) = self.archive.frames(stored, [frame])
                top, left = row * grid.tile_height, column * grid.tile_width
                tile = self.decoder.decode(content, layout)
                canvas[top : top + grid.tile_height, left : left + grid.tile_width] = tile
        return np.ascontiguousarray(canvas[: grid.height, : grid.width])

    def _series(self, study_uid: str, sop_uid: str) -> list[list[StoredInstance]]:
        """The study's images by series; only the one that holds `sop_uid` where that is given."""
        by_series: dict[str, list[StoredInstance]] = {}
        for item in self.archive.instances(study_uid):
            if item.frames and item.modality not in ("SR", "OT"):
                by_series.setdefault(item.series_uid, []).append(item)
        if not sop_uid:
            return sorted(by_series.values(), key=len, reverse=True)
        return [group for group in by_series.values() if any(item.sop_uid == sop_uid for item in group)]

    def _stored(self, study_uid: str, sop_uid: str) -> StoredInstance:
        stored = self.archive.find(sop_uid)
        if stored is None or stored.study_uid != study_uid:
            raise NotFound("no such image in this study")
        return stored


def build(pictures: Pictures, prediction: Prediction) -> Sequence[ResultObject]:
    """The result objects of a prediction in alias form; the same bytes every time."""
    shown_on = prediction.evidence[0].sop_uid if prediction.evidence else prediction.sources[0].sop_uid
    sources = {}
    for reference in prediction.sources:
        stored = pictures.archive.find(reference.sop_uid)
        if stored is None:
            raise NotFound("an image the model read is no longer in the archive")
        sources[reference.sop_uid] = pydicom.dcmread(pictures.archive.open(stored), stop_before_pixels=True)
    return build_results(prediction, sources, pictures.picture(prediction.study_uid, shown_on))


def _facts(item: Level) -> dict[str, Any]:
    return {
        "sop": item.sop_uid,
        "width": item.width,
        "height": item.height,
        "tile_width": item.tile_width,
        "tile_height": item.tile_height,
        "um": item.um,
    }
