"""Synthetic studies, judged by other people's readers."""

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from aegle.demo.studies import SyntheticPatient, write_slide, write_still

BASE_TILES = 16


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_slide(tmp_path_factory.mktemp("slide"), seed=11, finding="HSIL", size_px=2500)


def errors_of(path: Path) -> list[str]:
    answer = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in answer.stderr.splitlines() if line.startswith(("Error", "Abort"))]


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("jpeg", [True, False])
def test_a_still_has_no_error_for_dciodvfy(tmp_path: Path, jpeg: bool) -> None:
    (path,) = write_still(tmp_path, seed=1, finding="LSIL", width_px=256, height_px=200, jpeg=jpeg)
    assert errors_of(path) == []


@pytest.mark.peer("dciodvfy")
def test_no_image_of_a_slide_has_an_error_for_dciodvfy(slide: list[Path]) -> None:
    assert {path.name: errors_of(path) for path in slide} == {path.name: [] for path in slide}


@pytest.mark.peer("dcmtk")
def test_dcmtk_reads_every_file_of_a_slide(slide: list[Path]) -> None:
    for path in slide:
        subprocess.run(["dcmdump", "+P", "NumberOfFrames", str(path)], check=True, capture_output=True)


def test_a_slide_has_levels_a_thumbnail_and_a_label(slide: list[Path]) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in slide]
    assert [header.ImageType[2] for header in headers] == ["VOLUME", "VOLUME", "VOLUME", "THUMBNAIL", "LABEL"]
    assert [header.TotalPixelMatrixColumns for header in headers[:3]] == [2500, 1250, 625]
    assert len({header.FrameOfReferenceUID for header in headers}) == 1
    assert [header.BurnedInAnnotation for header in headers] == ["NO"] * 4 + ["YES"]


def test_frames_and_offset_table_of_a_level_agree(slide: list[Path]) -> None:
    whole = pydicom.dcmread(slide[0])
    assert whole.NumberOfFrames == 10 * 10
    by_walk = list(generate_frames(whole.PixelData, number_of_frames=100))
    table = (whole.ExtendedOffsetTable, whole.ExtendedOffsetTableLengths)
    assert list(generate_frames(whole.PixelData, number_of_frames=100, extended_offsets=table)) == by_walk


def test_a_lower_level_shows_the_same_slide(slide: list[Path]) -> None:
    base = pydicom.dcmread(slide[0]).pixel_array[0].astype(float)
    half = pydicom.dcmread(slide[1]).pixel_array[0].astype(float)
    shrunk = base.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - half[:128, :128]).mean() < 4


def test_a_study_names_its_invented_patient_and_carries_a_private_element(tmp_path: Path) -> None:
    patient = SyntheticPatient(name="Demo^Berta", patient_id="DEMO-0002")
    (path,) = write_still(tmp_path, seed=2, finding="NILM", patient=patient, width_px=128, height_px=128)
    header = pydicom.dcmread(path)
    assert str(header.PatientName) == "Demo^Berta"
    assert "Berta" in header[0x0011, 0x1001].value
    assert header.BurnedInAnnotation == "NO"
    assert [float(value) for value in header.PixelSpacing] == [0.0005, 0.0005]


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_slide(tmp_path / name, seed=4, finding="LSIL", size_px=600) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_two_patients_share_no_uid(tmp_path: Path) -> None:
    uids = [
        pydicom.dcmread(write_still(tmp_path / who, seed=4, finding="LSIL", width_px=64, height_px=64,
                                    patient=SyntheticPatient(patient_id=who))[0])
        for who in ("DEMO-1", "DEMO-2")
    ]  # fmt: skip
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert uids[0][keyword].value != uids[1][keyword].value
