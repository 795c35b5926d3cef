"""Rendered images of the archive's endpoint: decoded and drawn by a pixel process of their own."""

from dataclasses import asdict, dataclass, field

from aegle.dicom.describe import Description
from aegle.dicom.slide import Metadata, first
from aegle.inference.pixels import PixelFormat
from aegle.inference.process import PixelProcess
from aegle.inference.rendering import Greys, Rendering
from aegle.ports import Archive
from aegle.protocols.rendered import Wanted
from aegle.records import StoredInstance


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draws frames of an archive. Peak memory here: the frame as stored and the picture; pixels are the process's."""

    archive: Archive
    process: PixelProcess = field(
        default_factory=PixelProcess
    )  #: apart from the pages', which no caller here keeps waiting

    def __call__(self, item: StoredInstance, frame: int, wanted: Wanted) -> bytes:
        """The image file. Raises NotFound, Unreadable, Unavailable."""
        (content,) = self.archive.frames(item, [frame])
        metadata = self.archive.metadata(item)
        how = Rendering(**(asdict(wanted) | {"window": wanted.window or _own_window(metadata)}))
        return self.process.render(content, pixel_format(item, metadata), _greys(metadata), how)

    def close(self) -> None:
        """End the process."""
        self.process.close()


def pixel_format(item: StoredInstance | Description, metadata: Metadata) -> PixelFormat:
    """How the frames of an image are stored, by its header."""
    return PixelFormat(
        transfer_syntax=item.transfer_syntax,
        rows=item.rows,
        columns=item.columns,
        samples=int(first(metadata, "00280002", 1)),
        photometric=str(first(metadata, "00280004", "")),
        bits=int(first(metadata, "00280100", 8)),
        planar=int(first(metadata, "00280006", 0)),
    )


def _greys(metadata: Metadata) -> Greys:
    return Greys(
        bits_stored=int(first(metadata, "00280101", 8)),
        signed=bool(first(metadata, "00280103", 0)),
        slope=float(first(metadata, "00281053", 1)),
        intercept=float(first(metadata, "00281052", 0)),
    )


def _own_window(metadata: Metadata) -> tuple[float, float, str] | None:
    """The first that the image proposes."""
    centre, width = first(metadata, "00281050", None), first(metadata, "00281051", None)
    if centre is None or width is None or float(width) < 1:
        return None
    function = str(first(metadata, "00281056", "LINEAR")).lower().replace("_", "-")
    return float(centre), float(width), function if function in ("linear-exact", "sigmoid") else "linear"
