"""Which images of a study the model reads, and how their frames lie: from the archive's metadata alone."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from aegle.errors import BadDicom
from aegle.inference.blocks import Block
from aegle.inference.card import Card
from aegle.inference.pixels import PixelFormat
from aegle.ports import ArchiveReader
from aegle.records import RejectReason, StoredInstance

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
NOT_TISSUE = frozenset({"LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER"})  # PS3.3 C.8.12.4.1.1, value 3
BLOCK_PX = 1024  #: side of a block of a slide, before it is brought to the model's resolution
MAX_FRAMES = 200_000  #: of one level


@dataclass(frozen=True, kw_only=True)
class SourceImage:
    """One image to read: a still, or the level of a slide that is nearest the model's resolution."""

    instance: StoredInstance
    base: StoredInstance  #: carries the regions: the still itself, or the slide's highest resolution
    base_scale: float  #: pixels of `base` a pixel of `instance`
    height_px: int
    width_px: int
    mpp: float
    stored: PixelFormat
    places: tuple[tuple[int, int], ...]  #: (row, column) of each frame's top left, in frame order


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """No image can be read, and why."""

    reason: RejectReason
    detail: str


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    instance: StoredInstance
    header: Dataset
    mpp: float

    @property
    def is_slide(self) -> bool:
        return self.instance.sop_class == WHOLE_SLIDE


def choose_images(
    archive: ArchiveReader, instances: Sequence[StoredInstance], card: Card
) -> tuple[SourceImage, ...] | Unusable:
    """The images of a study that fit the card, in UID order. Raises what the archive raises, and BadDicom."""
    with_pixels = [one for one in instances if one.frames > 0]
    if not with_pixels:
        return Unusable(reason=RejectReason.NO_IMAGES, detail="The study holds no images.")
    allowed = [one for one in with_pixels if one.sop_class in card.input.sop_classes]
    if not allowed:
        return Unusable(reason=RejectReason.WRONG_CLASS, detail="The study holds no image of a kind this model reads.")
    candidates = [_candidate(archive, one) for one in sorted(allowed, key=lambda one: one.sop_uid)]
    candidates = [one for one in candidates if not NOT_TISSUE & set(one.header.get("ImageType", ()))]
    if not candidates:
        return Unusable(reason=RejectReason.NO_IMAGES, detail="The study holds labels and overviews only.")
    if all(one.header.get("SamplesPerPixel") != 3 for one in candidates):
        return Unusable(reason=RejectReason.WRONG_CLASS, detail="The study's images are grey; this model reads colour.")
    finest, coarsest = card.input.source_mpp
    fit = [one for one in candidates if finest <= one.mpp <= coarsest]
    if not fit:
        detail = f"No image is spaced between {finest:g} and {coarsest:g} micrometres a pixel."
        return Unusable(reason=RejectReason.WRONG_SPACING, detail=detail)
    return tuple(_sources(fit, candidates, card))


def blocks_of(image: SourceImage, card: Card) -> Iterator[tuple[Block, tuple[int, ...], tuple[int, int]]]:
    """The image in blocks: each with its frame numbers (1-based) and its top left (row, column) in the image."""
    rows, columns = image.stored.rows, image.stored.columns
    side_rows, side_columns = max(1, BLOCK_PX // rows) * rows, max(1, BLOCK_PX // columns) * columns
    members: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, (row, column) in enumerate(image.places, start=1):
        members[row // side_rows, column // side_columns].append(number)
    for (down, across), numbers in sorted(members.items()):
        top, left = down * side_rows, across * side_columns
        block = Block(
            height_px=min(side_rows, image.height_px - top),
            width_px=min(side_columns, image.width_px - left),
            places=tuple((image.places[n - 1][0] - top, image.places[n - 1][1] - left) for n in numbers),
            stored=image.stored,
            scale=image.mpp / card.input.mpp,
            tile_px=card.input.tile_px,
            stride_px=card.output.stride_px,
        )
        yield block, tuple(numbers), (top, left)


def _candidate(archive: ArchiveReader, instance: StoredInstance) -> _Candidate:
    header = _parsed(archive.metadata(instance))
    return _Candidate(instance=instance, header=header, mpp=_mpp(header))


def _parsed(metadata: Any) -> Dataset:
    try:
        return Dataset.from_json(metadata, bulk_data_uri_handler=lambda *_: None)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadDicom(f"an image's metadata is not the DICOM JSON model ({type(error).__name__})") from None


def _mpp(header: Dataset) -> float:
    """Micrometres per pixel; infinite where none is given or pixels are not square within 2 %."""
    spacing = header.get("PixelSpacing") or _shared_spacing(header) or ()
    if len(spacing) != 2 or not min(spacing) > 0 or max(spacing) / min(spacing) > 1.02:
        return math.inf
    return float(sum(spacing)) / 2 * 1000


def _shared_spacing(header: Dataset) -> Any:
    for groups in header.get("SharedFunctionalGroupsSequence", ()):
        for measures in groups.get("PixelMeasuresSequence", ()):
            return measures.get("PixelSpacing")
    return None


def _sources(fit: Sequence[_Candidate], every: Sequence[_Candidate], card: Card) -> Iterator[SourceImage]:
    slides: dict[str, list[_Candidate]] = defaultdict(list)
    for one in fit:
        if one.is_slide:
            slides[_slide_of(one)].append(one)
        else:
            yield _source(one, one)
    for slide, levels in sorted(slides.items()):
        nearest = min(levels, key=lambda one: (abs(math.log(one.mpp / card.input.mpp)), one.instance.sop_uid))
        base = min((one for one in every if one.is_slide and _slide_of(one) == slide), key=lambda one: one.mpp)
        yield _source(nearest, base)


def _slide_of(one: _Candidate) -> str:
    """Levels of one slide share a frame of reference (PS3.3 C.8.12.4)."""
    return str(one.header.get("FrameOfReferenceUID") or one.instance.series_uid)


def _source(chosen: _Candidate, base: _Candidate) -> SourceImage:
    header, instance = chosen.header, chosen.instance
    stored = _pixel_format(header, instance)
    height, width = _size(header)
    return SourceImage(
        instance=instance,
        base=base.instance,
        base_scale=_size(base.header)[1] / width,
        height_px=height,
        width_px=width,
        mpp=chosen.mpp,
        stored=stored,
        places=_places(header, stored, height, width) if chosen.is_slide else ((0, 0),),
    )


def _pixel_format(header: Dataset, instance: StoredInstance) -> PixelFormat:
    return PixelFormat(
        transfer_syntax=instance.transfer_syntax,
        rows=int(header.get("Rows") or 0),
        columns=int(header.get("Columns") or 0),
        samples=int(header.get("SamplesPerPixel") or 0),
        photometric=str(header.get("PhotometricInterpretation", "")),
        bits=int(header.get("BitsAllocated") or 0),
        planar=int(header.get("PlanarConfiguration") or 0),
    )


def _size(header: Dataset) -> tuple[int, int]:
    """Height and width of the whole image. Raises BadDicom."""
    height = int(header.get("TotalPixelMatrixRows") or header.get("Rows") or 0)
    width = int(header.get("TotalPixelMatrixColumns") or header.get("Columns") or 0)
    if height < 1 or width < 1 or not header.get("Rows") or not header.get("Columns"):
        raise BadDicom("an image says nothing of its size")
    return height, width


def _places(header: Dataset, stored: PixelFormat, height_px: int, width_px: int) -> tuple[tuple[int, int], ...]:
    """Where each frame of the first focal plane and optical path lies. Raises BadDicom."""
    across, down = -(-width_px // stored.columns), -(-height_px // stored.rows)
    if across * down > MAX_FRAMES:
        raise BadDicom(f"a slide of more than {MAX_FRAMES} frames is not read")
    if header.get("DimensionOrganizationType") == "TILED_FULL":  # PS3.3 C.7.6.17.3: rows of tiles, first plane first
        if int(header.get("NumberOfFrames") or 1) < across * down:
            raise BadDicom("a slide has fewer frames than its matrix needs")
        return tuple((row * stored.rows, column * stored.columns) for row in range(down) for column in range(across))
    places = tuple(_place(groups) for groups in header.get("PerFrameFunctionalGroupsSequence", ()))
    if not places or not all(0 <= row < height_px and 0 <= column < width_px for row, column in places):
        raise BadDicom("a slide's frames have no place in its matrix")
    return places


def _place(groups: Dataset) -> tuple[int, int]:
    for position in groups.get("PlanePositionSlideSequence", ()):
        row = position.get("RowPositionInTotalImagePixelMatrix")
        column = position.get("ColumnPositionInTotalImagePixelMatrix")
        if row and column:
            return int(row) - 1, int(column) - 1
    raise BadDicom("a frame of a slide says nothing of its place")
