"""A study is read, or is unfit for a stated reason; never anything between."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from archive_fake import MemoryArchive

from aegle.demo.studies import write_slide, write_still
from aegle.inference.bundle import Bundle
from aegle.inference.process import ModelProcess
from aegle.inference.reading import Reading, Unfit, predicted, read_study, rejected
from aegle.records import OperatingPoint, RejectReason, Request, RequestState, StoredInstance


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> MemoryArchive:
    return MemoryArchive(write_still(tmp_path_factory.mktemp("still"), seed=52, finding="HSIL"))


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> MemoryArchive:
    return MemoryArchive(write_slide(tmp_path_factory.mktemp("slide"), seed=92, finding="HSIL", size_px=2500))


def reading_of(archive: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint) -> Reading:
    reading = read_study(archive, archive.every, bundle, process, point)
    assert isinstance(reading, Reading)
    return reading


def test_an_abnormal_still_is_called_with_regions_inside_it(
    still: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    reading = reading_of(still, bundle, process, point)
    assert reading.finding == "HSIL"
    assert reading.score >= point.threshold
    assert reading.regions
    for region in reading.regions:
        assert all(0 <= x <= 1024 and 0 <= y <= 768 for x, y in region.polygon_px)


def test_scores_sum_to_one_and_regions_come_strongest_first(
    still: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    reading = reading_of(still, bundle, process, point)
    assert sum(score.value for score in reading.scores) == pytest.approx(1, abs=1e-5)
    strengths = [region.score for region in reading.regions]
    assert strengths == sorted(strengths, reverse=True)
    assert len(strengths) <= 50


def test_the_same_study_gives_the_same_reading(
    still: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    assert reading_of(still, bundle, process, point) == reading_of(still, bundle, process, point)


def test_the_operating_point_decides_what_is_called(
    still: MemoryArchive, bundle: Bundle, process: ModelProcess
) -> None:
    strict = reading_of(still, bundle, process, OperatingPoint(threshold=0.9999, policy="test"))
    assert strict.finding == "NILM"
    assert strict.regions == ()
    assert strict.operating_point.policy == "test"


def test_a_slide_is_read_at_the_level_nearest_the_model_and_marked_at_its_base(
    slide: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    reading = reading_of(slide, bundle, process, point)
    columns = {one.sop_uid: slide.metadata(one)["00480006"]["Value"][0] for one in slide.every}
    assert [columns[source.sop_uid] for source in reading.sources] == [2500, 1250]
    assert {columns[region.sop_uid] for region in reading.regions} == {2500}
    assert max(x for region in reading.regions for x, _ in region.polygon_px) > 1250


def test_the_evidence_of_a_slide_is_coarse_and_covers_it(
    slide: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    (evidence,) = reading_of(slide, bundle, process, point).evidence
    assert max(evidence.rows, evidence.columns) <= 128
    values = np.frombuffer(base64.b64decode(evidence.values_b64), np.uint8)
    assert values.size == evidence.rows * evidence.columns
    assert values.max() > 200


def test_label_and_thumbnail_are_never_fetched(
    slide: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    class Watched(MemoryArchive):
        fetched: set[str]

        def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
            self.fetched.add(str(self.metadata(instance)["00080008"]["Value"][2]))
            return super().frames(instance, numbers)

    watched = Watched([slide._paths[one.sop_uid] for one in slide.every])
    watched.fetched = set()
    reading_of(watched, bundle, process, point)
    assert watched.fetched == {"VOLUME"}


def test_of_several_images_the_most_suspect_comes_first(
    tmp_path: Path, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    paths = [write_still(tmp_path, seed=seed, finding=finding)[0] for seed, finding in ((50, "NILM"), (52, "HSIL"))]
    uids = [str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths]
    reading = reading_of(MemoryArchive(paths), bundle, process, point)
    assert [evidence.sop_uid for evidence in reading.evidence] == uids[::-1]
    assert {region.sop_uid for region in reading.regions} == {uids[1]}


@pytest.mark.parametrize(
    ("fault", "reason"), [("blurred", RejectReason.OUT_OF_FOCUS), ("empty", RejectReason.TOO_FEW_CELLS)]
)
def test_an_unfit_study_is_never_scored(
    tmp_path: Path, bundle: Bundle, process: ModelProcess, point: OperatingPoint, fault: str, reason: RejectReason
) -> None:
    still = write_still(tmp_path, seed=5, finding="HSIL", fault=fault)
    slide = write_slide(tmp_path, seed=5, finding="HSIL", fault=fault, size_px=1500)
    for archive in (MemoryArchive(still), MemoryArchive(slide)):
        unfit = read_study(archive, archive.every, bundle, process, point)
        assert isinstance(unfit, Unfit)
        assert unfit.reason == reason
        assert unfit.quality is not None
        assert not unfit.quality.accepted


def rewritten(archive: MemoryArchive, folder: Path, **values: object) -> MemoryArchive:
    paths = []
    for number, one in enumerate(archive.every):
        whole = pydicom.dcmread(archive._paths[one.sop_uid])
        for keyword, value in values.items():
            if value is None:
                delattr(whole, keyword)
            else:
                setattr(whole, keyword, value)
        paths.append(folder / f"{number}.dcm")
        whole.save_as(paths[-1])
    return MemoryArchive(paths)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"PixelSpacing": None}, RejectReason.WRONG_SPACING),
        ({"PixelSpacing": [0.004, 0.004]}, RejectReason.WRONG_SPACING),
        ({"PixelSpacing": [0.0005, 0.001]}, RejectReason.WRONG_SPACING),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, RejectReason.WRONG_CLASS),
        ({"SamplesPerPixel": 1}, RejectReason.WRONG_CLASS),
        ({"Rows": 700}, RejectReason.UNREADABLE_PIXELS),
        ({"Rows": 60000, "Columns": 60000}, RejectReason.UNREADABLE_PIXELS),
        ({"BitsAllocated": 16}, RejectReason.UNREADABLE_PIXELS),
    ],
)
def test_a_header_that_does_not_fit_gives_its_reason(
    still: MemoryArchive,
    tmp_path: Path,
    bundle: Bundle,
    process: ModelProcess,
    point: OperatingPoint,
    values: dict[str, object],
    reason: RejectReason,
) -> None:
    archive = rewritten(still, tmp_path, **values)
    unfit = read_study(archive, archive.every, bundle, process, point)
    assert isinstance(unfit, Unfit)
    assert unfit.reason == reason


def test_a_study_without_images_says_so(
    still: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    without = [replace(one, frames=0) for one in still.every]
    unfit = read_study(still, without, bundle, process, point)
    assert isinstance(unfit, Unfit)
    assert unfit.reason == RejectReason.NO_IMAGES


def test_records_carry_the_request_and_the_reading(
    still: MemoryArchive, bundle: Bundle, process: ModelProcess, point: OperatingPoint
) -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    request = Request(
        request_id="r",
        site="st-anna",
        key="k",
        study_uid="2.25.1",
        input_digest="d" * 64,
        instances=(),
        archive_url="",
        state=RequestState.RUNNING,
        bundle=bundle.ref,
        operating_point=point,
        attempt=1,
        submitted_at=now,
        finished_at=None,
    )
    reading = reading_of(still, bundle, process, point)
    prediction = predicted(reading, request, prediction_id="p", decided_at=now)
    assert (prediction.request_id, prediction.finding, prediction.bundle) == ("r", "HSIL", bundle.ref)
    unfit = Unfit(reason=RejectReason.NO_IMAGES, detail="none")
    assert rejected(unfit, request, decided_at=now).reason == RejectReason.NO_IMAGES
