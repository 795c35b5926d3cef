"""One study read by one model: images chosen, quality checked, network run, finding decided."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from aegle.errors import BadDicom, Unreadable
from aegle.inference.bundle import Bundle
from aegle.inference.card import Card
from aegle.inference.images import SourceImage, Unusable, blocks_of, choose_images
from aegle.inference.process import BlockReading, ModelProcess
from aegle.inference.quality import Measures, judge, total
from aegle.inference.regions import areas
from aegle.ports import ArchiveReader
from aegle.records import (
    EvidenceMap,
    InstanceRef,
    OperatingPoint,
    Prediction,
    Quality,
    Region,
    Rejection,
    RejectReason,
    Request,
    Score,
    StoredInstance,
)

MAX_REGIONS = 50  #: of a prediction: 500 take seconds to write as a structured report
MAP_SIDE = 128  #: most cells a side of an evidence map
REGION_THRESHOLD = 0.5  #: evidence at which a cell belongs to a region
MAX_STILL_PX = 40_000_000  #: of a frame; a slide's frames are far smaller
MAX_CELLS = 16_000_000  #: of an image's evidence: at 16 micrometres a cell, twice the largest glass slide


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the model found in a study; `predicted` makes a Prediction of it."""

    finding: str
    score: float
    scores: tuple[Score, ...]
    quality: Quality
    regions: tuple[Region, ...]
    evidence: tuple[EvidenceMap, ...]  #: one an image, the most suspect image first
    sources: tuple[InstanceRef, ...]
    operating_point: OperatingPoint


@dataclass(frozen=True, kw_only=True)
class Unfit:
    """A study the model may not read."""

    reason: RejectReason
    detail: str  #: one plain sentence of facts
    quality: Quality | None = None


@dataclass(frozen=True, kw_only=True)
class _Survey:
    """What one image gave."""

    image: SourceImage
    probability: NDArray[np.float32]  #: `[tiles, C]`
    evidence: NDArray[np.float32]  #: `[K, rows, columns]`
    measures: Measures

    @property
    def peak(self) -> float:
        """The strongest evidence in the image."""
        return float(np.minimum(self.evidence.sum(axis=0), 1.0).max())


_WORDS = {
    RejectReason.OUT_OF_FOCUS: "The picture is out of focus: sharpness {quality.focus:.2f}, not {limits.focus_min:g}.",
    RejectReason.TOO_FEW_CELLS: "The picture shows too few cells: {quality.cells} were counted.",
    RejectReason.WRONG_STAIN: "The stain's colours are not those this model was made for.",
}  # fmt: skip


def read_study(
    archive: ArchiveReader,
    instances: Sequence[StoredInstance],
    bundle: Bundle,
    process: ModelProcess,
    operating_point: OperatingPoint,
) -> Reading | Unfit:
    """Read one study. The same study, bundle and operating point give the same numbers.

    Peak memory: one block of frames and an evidence grid, whatever the slide's size. Raises what the archive raises,
    BadBundle when the model itself fails, Unavailable when its process cannot start.
    """
    card = bundle.card
    try:
        chosen = choose_images(archive, instances, card)
        if isinstance(chosen, Unusable):
            return Unfit(reason=chosen.reason, detail=chosen.detail)
        surveys = [_survey(archive, image, card, process) for image in chosen]
        surveys.sort(key=lambda survey: -survey.peak)  # what is most suspect is shown first
    except (Unreadable, BadDicom) as error:
        return Unfit(reason=RejectReason.UNREADABLE_PIXELS, detail=f"The pixels cannot be read: {error}.")
    quality = judge(total([survey.measures for survey in surveys]), card.quality, card.input.mpp)
    if not quality.accepted:
        reason = RejectReason(quality.reason)
        return Unfit(reason=reason, detail=_WORDS[reason].format(quality=quality, limits=card.quality), quality=quality)
    return _decide(surveys, card, quality, operating_point)


def _survey(archive: ArchiveReader, image: SourceImage, card: Card, process: ModelProcess) -> _Survey:
    if image.stored.rows * image.stored.columns > MAX_STILL_PX:
        raise Unreadable(f"a frame of more than {MAX_STILL_PX} px is not read")
    stride, scale = card.output.stride_px, image.mpp / card.input.mpp
    rows, columns = (-(-round(size * scale) // stride) for size in (image.height_px, image.width_px))
    if rows * columns > MAX_CELLS:
        raise Unreadable("an image larger than any slide is not read")
    grid = np.zeros((len(card.abnormal_codes), max(1, rows), max(1, columns)), np.float32)
    readings = []
    for block, numbers, (top, left) in blocks_of(image, card):
        reading = process.read(block, archive.frames(image.instance, numbers))
        _lay(grid, reading, round(top * scale / stride), round(left * scale / stride))
        readings.append(reading)
    return _Survey(
        image=image,
        probability=np.concatenate([reading.probability for reading in readings]),
        evidence=grid,
        measures=total([reading.measures for reading in readings]),
    )


def _lay(grid: NDArray[np.float32], reading: BlockReading, top: int, left: int) -> None:
    room = grid[:, top : top + reading.evidence.shape[1], left : left + reading.evidence.shape[2]]
    np.maximum(room, reading.evidence[:, : room.shape[1], : room.shape[2]], out=room)


def _decide(surveys: Sequence[_Survey], card: Card, quality: Quality, point: OperatingPoint) -> Reading:
    pooled = _pooled(np.concatenate([survey.probability for survey in surveys]), card)
    score = round(float(1 - pooled[card.normal]), 6)
    abnormal = [place for place in range(len(card.classes)) if place != card.normal]
    likeliest = card.classes[max(abnormal, key=lambda place: pooled[place])].code
    called = score >= point.threshold
    return Reading(
        finding=likeliest if called else card.classes[card.normal].code,
        score=score,
        scores=tuple(
            Score(code=one.code, value=round(float(value), 6)) for one, value in zip(card.classes, pooled, strict=True)
        ),
        quality=quality,
        regions=tuple(_regions(surveys, card)) if called else (),
        evidence=tuple(_evidence_map(survey, likeliest) for survey in surveys),
        sources=tuple(dict.fromkeys(_ref(one) for survey in surveys for one in _held(survey.image))),
        operating_point=point,
    )


def _pooled(probability: NDArray[np.float32], card: Card) -> NDArray[np.float64]:
    """Mean over the most abnormal tiles (`card.pooling`): a slide is as abnormal as its worst part, not its average."""
    count = max(card.pooling.least, round(card.pooling.share * len(probability)))
    worst = np.argsort(probability[:, card.normal], kind="stable")[:count]
    mean: NDArray[np.float64] = probability[worst].astype(np.float64).mean(axis=0)
    mean /= mean.sum()
    return mean


def _regions(surveys: Iterable[_Survey], card: Card) -> list[Region]:
    """The strongest areas of all images, in pixels of the image that carries them."""
    found = [region for survey in surveys for region in _regions_of(survey, card)]
    found.sort(key=lambda region: -region.score)
    return found[:MAX_REGIONS]


def _regions_of(survey: _Survey, card: Card) -> list[Region]:
    image = survey.image
    cell_px = card.output.stride_px * card.input.mpp / image.mpp * image.base_scale
    right, bottom = image.width_px * image.base_scale, image.height_px * image.base_scale
    return [
        Region(
            sop_uid=image.base.sop_uid,
            polygon_px=tuple((min(x * cell_px, right), min(y * cell_px, bottom)) for x, y in area.outline),
            code=card.abnormal_codes[area.channel],
            score=round(area.peak, 6),
        )
        for area in areas(survey.evidence, REGION_THRESHOLD, MAX_REGIONS)
    ]


def _evidence_map(survey: _Survey, code: str) -> EvidenceMap:
    """Evidence of any abnormality, shrunk by maximum so that a small spot is not lost."""
    together = np.minimum(survey.evidence.sum(axis=0), 1.0)
    step = -(-max(together.shape) // MAP_SIDE)
    padded = np.pad(together, [(0, -size % step) for size in together.shape])
    coarse = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).max(axis=(1, 3))
    values = np.rint(coarse * 255).astype(np.uint8)
    rows, columns = values.shape
    return EvidenceMap(
        sop_uid=survey.image.base.sop_uid,
        code=code,
        rows=rows,
        columns=columns,
        values_b64=base64.b64encode(values.tobytes()).decode(),
    )


def _held(image: SourceImage) -> tuple[StoredInstance, StoredInstance]:
    """What a result must refer to: the image that carries the regions, and the level that was read."""
    return image.base, image.instance


def _ref(instance: StoredInstance) -> InstanceRef:
    return InstanceRef(
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        sop_uid=instance.sop_uid,
        sop_class=instance.sop_class,
    )


def predicted(reading: Reading, request: Request, *, prediction_id: str, decided_at: datetime) -> Prediction:
    """The record of a reading."""
    return Prediction(
        prediction_id=prediction_id,
        request_id=request.request_id,
        site=request.site,
        study_uid=request.study_uid,
        input_digest=request.input_digest,
        sources=reading.sources,
        bundle=request.bundle,
        operating_point=reading.operating_point,
        finding=reading.finding,
        score=reading.score,
        scores=reading.scores,
        quality=reading.quality,
        regions=reading.regions,
        evidence=reading.evidence,
        decided_at=decided_at,
    )


def rejected(unfit: Unfit, request: Request, *, decided_at: datetime) -> Rejection:
    """The record of a study that may not be read."""
    return Rejection(
        request_id=request.request_id,
        site=request.site,
        study_uid=request.study_uid,
        input_digest=request.input_digest,
        bundle=request.bundle,
        reason=unfit.reason,
        detail=unfit.detail,
        quality=unfit.quality,
        decided_at=decided_at,
    )
