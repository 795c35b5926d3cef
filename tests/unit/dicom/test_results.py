"""Result objects: right for other people's validators, the same bytes each time, nothing lost on the way."""

import base64
import io
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from aegle.demo.studies import write_slide, write_still
from aegle.dicom.results import ResultObject, build_results, pictured
from aegle.errors import NotFound
from aegle.records import (
    BundleRef,
    EvidenceMap,
    InstanceRef,
    OperatingPoint,
    Prediction,
    Quality,
    Region,
    Score,
)

PICTURE = np.full((192, 256, 3), 240, np.uint8)
LIT_CORNER = base64.b64encode(b"\xff\0\0\0").decode()  # the top left quarter
PIXELMED = [
    "java",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # a short run, most of which would go into compiling well
    "-Djdk.xml.xpathTotalOpLimit=0",
    "-Djdk.xml.xpathExprOpLimit=0",
    "-Djdk.xml.xpathExprGrpLimit=0",
    "-cp",
    "/usr/share/java/pixelmed.jar",
    "com.pixelmed.validate.DicomSRValidator",
]


def headers_of(paths: list[Path]) -> dict[str, pydicom.Dataset]:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    return {str(header.SOPInstanceUID): header for header in headers if header.ImageType[2:3] != ["LABEL"]}


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pydicom.Dataset]:
    folder = tmp_path_factory.mktemp("still")
    return headers_of(write_still(folder, seed=1, finding="HSIL", width_px=256, height_px=192))


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pydicom.Dataset]:
    paths = write_slide(tmp_path_factory.mktemp("slide"), seed=1, finding="HSIL", size_px=1100)
    return dict(list(headers_of(paths).items())[:2])


def prediction_of(sources: dict[str, pydicom.Dataset], regions: int = 2) -> Prediction:
    refs = tuple(
        InstanceRef(
            study_uid=str(one.StudyInstanceUID),
            series_uid=str(one.SeriesInstanceUID),
            sop_uid=uid,
            sop_class=str(one.SOPClassUID),
        )
        for uid, one in sources.items()
    )
    first = refs[0].sop_uid
    polygon = ((10.0, 10.0), (60.0, 10.0), (60.0, 50.0), (10.0, 50.0))
    return Prediction(
        prediction_id="p",
        request_id="r",
        site="st-anna",
        study_uid=refs[0].study_uid,
        input_digest="a" * 64,
        sources=refs,
        bundle=BundleRef(name="papnet", version="1.0.0", digest="b" * 64),
        operating_point=OperatingPoint(threshold=0.55, policy="bundle-default"),
        finding="HSIL" if regions else "NILM",
        score=0.91 if regions else 0.08,
        scores=(Score(code="NILM", value=0.09), Score(code="LSIL", value=0.11), Score(code="HSIL", value=0.8)),
        quality=Quality(accepted=True, focus=0.97, cells=88),
        regions=tuple(
            Region(sop_uid=first, polygon_px=polygon, code="HSIL", score=0.9 - i / 100) for i in range(regions)
        ),
        evidence=(EvidenceMap(sop_uid=first, code="HSIL", rows=2, columns=2, values_b64=LIT_CORNER),),
        decided_at=datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC),
    )


def built(sources: dict[str, pydicom.Dataset], regions: int = 2) -> tuple[ResultObject, ...]:
    return build_results(prediction_of(sources, regions), sources, PICTURE)


def parsed(result: ResultObject) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(result.content))


@pytest.fixture(params=["still", "slide", "negative still"])
def results(
    request: pytest.FixtureRequest, still: dict[str, pydicom.Dataset], slide: dict[str, pydicom.Dataset]
) -> tuple[ResultObject, ...]:
    return built(slide if request.param == "slide" else still, 0 if "negative" in request.param else 3)


@pytest.mark.peer("dciodvfy")
def test_dciodvfy_finds_no_error(results: tuple[ResultObject, ...], tmp_path: Path) -> None:
    for result in results:
        path = tmp_path / f"{result.kind}.dcm"
        path.write_bytes(result.content)
        answer = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert [line for line in answer.stderr.splitlines() if line.startswith(("Error", "Abort"))] == []


@pytest.mark.peer("pixelmed")
@pytest.mark.parametrize("results", ["still", "slide"], indirect=True)  # a run takes it seconds
def test_the_template_validator_finds_no_error(results: tuple[ResultObject, ...], tmp_path: Path) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(results[0].content)
    answer = subprocess.run([*PIXELMED, str(path)], capture_output=True, text=True, check=True)
    said = answer.stdout + answer.stderr
    assert "Root Template Validation Complete" in said
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


@pytest.mark.peer("dcmtk")
def test_dcmtk_renders_the_report(results: tuple[ResultObject, ...], tmp_path: Path) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(results[0].content)
    answer = subprocess.run(["dsrdump", str(path)], capture_output=True, text=True, check=True)
    assert "Imaging Measurement Report" in answer.stdout


def test_a_rebuild_is_the_same_bytes_and_another_policy_is_another_object(still: dict[str, pydicom.Dataset]) -> None:
    first = built(still)
    assert first == built(still)
    other = replace(prediction_of(still), operating_point=OperatingPoint(threshold=0.4, policy="st-anna/2"))
    assert {r.sop_uid for r in build_results(other, still, PICTURE)}.isdisjoint(r.sop_uid for r in first)


def test_every_date_of_the_result_is_the_decisions(still: dict[str, pydicom.Dataset]) -> None:
    for result in built(still):
        made = parsed(result)
        assert (made.ContentDate, made.ContentTime) == ("20261125", "010203")
        assert (made.InstanceCreationDate, made.TimezoneOffsetFromUTC) == ("20261125", "+0000")
    later = replace(prediction_of(still), decided_at=datetime(2026, 11, 25, tzinfo=UTC) + timedelta(days=1))
    assert build_results(later, still, PICTURE)[0].sop_uid == built(still)[0].sop_uid


def test_results_join_the_study_of_their_source_in_series_of_their_own(still: dict[str, pydicom.Dataset]) -> None:
    (source,) = still.values()
    made = [parsed(result) for result in built(still)]
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber"):
        assert {str(one[keyword].value) for one in made} == {str(source[keyword].value)}
    assert len({str(one.SeriesInstanceUID) for one in [*made, source]}) == 3


def test_the_report_says_what_the_prediction_says(still: dict[str, pydicom.Dataset]) -> None:
    report = highdicom.sr.srread(io.BytesIO(built(still)[0].content))
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    groups = report.content.get_planar_roi_measurement_groups()
    assert len(groups) == 2
    assert groups[0].roi.value[:4].tolist() == [[10, 10], [60, 10], [60, 50], [10, 50]]
    (study,) = report.content.get_image_measurement_groups()
    values = {one.name.value: one.value for one in study.get_measurements()}
    assert values["SCORE-ABNORMAL"] == 0.91
    assert values["SCORE-HSIL"] == 0.8
    assert values["CELLS"] == 88
    assert study.finding_type.value == "HSIL"
    text = report.to_json()
    for words in ("not a diagnosis", "not for clinical use", "papnet", "bundle-default", "b" * 64):
        assert words in text


def test_the_private_scheme_is_declared(still: dict[str, pydicom.Dataset]) -> None:
    (scheme,) = parsed(built(still)[0]).CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99AEGLE"


def test_a_slides_regions_lie_in_its_total_pixel_matrix(slide: dict[str, pydicom.Dataset]) -> None:
    report = parsed(built(slide)[0])
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert "VOLUME" in str(report)


def test_no_more_than_fifty_regions_are_written(still: dict[str, pydicom.Dataset]) -> None:
    report = highdicom.sr.srread(io.BytesIO(built(still, regions=60)[0].content))
    assert len(report.content.get_planar_roi_measurement_groups()) == 50


def test_the_overlay_shows_picture_heat_outline_and_words(still: dict[str, pydicom.Dataset]) -> None:
    capture = parsed(built(still)[1])
    pixels = capture.pixel_array
    assert pixels.shape == (192 + 64, 256, 3)
    red, _, blue = pixels[20, 20].astype(int)
    assert red - blue > 50  # heat
    assert (pixels[150, 200] == 240).all()  # untouched picture
    assert (pixels[10, 12:58] == (255, 214, 0)).all()  # outline
    assert pixels[192:].max() > 200  # words
    assert capture.BurnedInAnnotation == "NO"
    assert capture.LossyImageCompression == "01"


def test_a_large_picture_is_shrunk(still: dict[str, pydicom.Dataset]) -> None:
    large = np.zeros((1536, 2048, 3), np.uint8)
    capture = parsed(build_results(prediction_of(still), still, large)[1])
    assert (capture.Columns, capture.Rows) == (1024, 768 + 64)


def test_the_picture_wanted_is_that_of_the_first_evidence(slide: dict[str, pydicom.Dataset]) -> None:
    assert pictured(prediction_of(slide)) == next(iter(slide))


def test_a_missing_source_is_named(still: dict[str, pydicom.Dataset]) -> None:
    with pytest.raises(NotFound, match="header of 1 source"):
        build_results(prediction_of(still), {}, PICTURE)


def test_a_source_without_type_2_attributes_is_enough(still: dict[str, pydicom.Dataset]) -> None:
    bare = {}
    for uid, one in still.items():
        copy = pydicom.Dataset()
        copy.update(one)
        for keyword in ("AccessionNumber", "StudyID", "StudyTime", "PatientBirthDate", "ReferringPhysicianName"):
            del copy[keyword]
        bare[uid] = copy
    assert parsed(build_results(prediction_of(bare), bare, PICTURE)[0]).AccessionNumber == ""
