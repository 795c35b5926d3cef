"""The scorer sees what a tool did wrong, whatever the tool calls its files."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import FileDataset, dcmread

from aegle import api
from aegle.bench import Leak, Score, make_corpus, read_key, score_folder
from aegle.bench.corpus import KEY_FILE, SOURCE

CHANGED = """
    implicit magnetic slide slide_label ultrasound uptake_over_midnight nobodys_id optical_paths namesake_of_terms cohort
    """


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a corpus that are changed below."""
    folder = tmp_path_factory.mktemp("corpus") / "one"
    key = make_corpus(folder, 2)
    few = tuple(answer for answer in key.files if answer.theme.split()[0] in CHANGED.split())
    for answer in set(key.files) - set(few):
        (folder / SOURCE / answer.name).unlink()
    (folder / KEY_FILE).write_bytes(api.encode(replace(key, files=few)))
    return folder


@pytest.fixture
def output(corpus: Path, tmp_path: Path) -> Path:
    """An untouched copy, every file under another name in one folder."""
    for n, path in enumerate(sorted((corpus / SOURCE).rglob("*.dcm"))):
        shutil.copyfile(path, tmp_path / f"{n:04}")
    return tmp_path


def changed(output: Path, theme: str, corpus: Path, change: Callable[[FileDataset], object]) -> None:
    for path in of_theme(output, theme, corpus):
        ds = dcmread(path)
        change(ds)
        ds.save_as(path)


def of_theme(output: Path, theme: str, corpus: Path) -> Iterator[Path]:
    numbers = {answer.number for answer in read_key(corpus).files if answer.theme == theme}
    assert numbers
    for path in sorted(output.iterdir()):
        if dcmread(path, force=True).InstanceNumber in numbers:
            yield path


def details(score: Score, column: str) -> list[str]:
    return [finding.detail for finding in score.findings if finding.column == column]


def test_a_value_removed_is_no_leak_any_more(corpus, output):
    before = score_folder(corpus, output).leaks[Leak.NAME]
    changed(output, "implicit", corpus, lambda ds: delattr(ds, "PatientName"))
    assert score_folder(corpus, output).leaks[Leak.NAME] == before - 2


def test_a_clinical_value_that_changed_is_destroyed(corpus, output):
    changed(output, "magnetic", corpus, lambda ds: setattr(ds, "EchoTime", "93"))
    assert details(score_folder(corpus, output), "destroyed") == ["EchoTime"]


def test_a_nested_code_that_is_gone_is_destroyed(corpus, output):
    changed(
        output, "slide", corpus, lambda ds: delattr(ds.SpecimenDescriptionSequence[0], "SpecimenPreparationSequence")
    )
    assert len(details(score_folder(corpus, output), "destroyed")) == 2


def test_one_grey_level_that_changed_is_destroyed(corpus, output):
    def brighten(ds: FileDataset) -> None:
        pixels = ds.pixel_array.copy()
        pixels[40, 40] += 1
        ds.PixelData = pixels.tobytes()

    changed(output, "implicit", corpus, brighten)
    assert details(score_folder(corpus, output), "destroyed") == ["pixels"]


def test_text_in_the_picture_is_a_leak_until_it_is_painted_over(corpus, output):
    def paint(ds: FileDataset) -> None:
        pixels = ds.pixel_array.copy()
        pixels[:32] = 0
        ds.PixelData = np.ascontiguousarray(pixels).tobytes()

    before = score_folder(corpus, output).leaks[Leak.PIXELS]
    changed(output, "ultrasound", corpus, paint)
    after = score_folder(corpus, output)
    assert after.leaks[Leak.PIXELS] == before - 1
    assert details(after, "destroyed") == []


def test_a_clean_file_that_is_not_given_back_is_withheld_and_a_label_is_not(corpus, output):
    for theme in ("implicit", "slide_label"):
        for path in of_theme(output, theme, corpus):
            path.unlink()
    assert [finding.theme for finding in score_folder(corpus, output).findings if finding.column == "withheld"] == [
        "implicit"
    ]


def test_a_reference_that_points_to_nothing_is_a_broken_relation(corpus, output):
    changed(
        output,
        "cohort later study",
        corpus,
        lambda ds: setattr(ds.SourceImageSequence[0], "ReferencedSOPInstanceUID", "1.2.3"),
    )
    assert any("points to nothing" in detail for detail in details(score_folder(corpus, output), "relation"))


def test_patients_merged_under_one_number_are_a_broken_relation(corpus, output):
    for theme in ("implicit", "magnetic"):
        changed(output, theme, corpus, lambda ds: setattr(ds, "PatientID", "ANONYMOUS"))
    assert details(score_folder(corpus, output), "relation") == ["PatientID: 2 became one"]


def test_days_between_two_studies_that_changed_are_a_broken_relation(corpus, output):
    changed(output, "cohort later study", corpus, lambda ds: setattr(ds, "StudyDate", "20300101"))
    assert any("days between" in detail for detail in details(score_folder(corpus, output), "relation"))


def test_minutes_from_injection_to_picture_that_changed_are_a_broken_relation(corpus, output):
    changed(output, "uptake_over_midnight", corpus, lambda ds: setattr(ds, "AcquisitionTime", "000000"))
    assert any("time between" in detail for detail in details(score_folder(corpus, output), "relation"))


def test_dummies_in_the_place_of_moments_tell_no_time_between_them(corpus, output):
    def with_dummies(ds: FileDataset) -> None:
        ds.AcquisitionDate, ds.AcquisitionTime = "00010101", "000000"

    changed(output, "uptake_over_midnight", corpus, with_dummies)
    assert details(score_folder(corpus, output), "relation") == []


def test_strangers_whose_id_is_a_placeholder_are_merged_only_by_an_id_that_was_made_of_it(corpus, output):
    for made, broken in (("", []), ("P1", ["PatientID: 6 became one"])):
        changed(output, "nobodys_id", corpus, lambda ds, made=made: setattr(ds, "PatientID", made))
        assert details(score_folder(corpus, output), "relation") == broken


@pytest.mark.parametrize(("renamed", "broken"), [(2, "are one"), (1, "are no longer one")])
def test_parts_that_are_not_told_from_each_other_or_not_found_are_a_broken_relation(renamed, broken, corpus, output):
    def rename(ds: FileDataset) -> None:
        for path in ds.OpticalPathSequence[:renamed]:
            path.OpticalPathIdentifier = "ANONYMIZED"

    changed(output, "optical_paths", corpus, rename)
    (found,) = details(score_folder(corpus, output), "relation")
    assert found.endswith(broken)


def test_a_word_leaks_where_it_names_somebody_alone(corpus, output):
    before = score_folder(corpus, output).leaks[Leak.DEVICE]
    changed(output, "namesake_of_terms", corpus, lambda ds: delattr(ds, "StationName"))
    assert score_folder(corpus, output).leaks[Leak.DEVICE] == before - 1
    changed(output, "namesake_of_terms", corpus, lambda ds: delattr(ds, "ManufacturerModelName"))
    assert details(score_folder(corpus, output), "destroyed") == ["ManufacturerModelName"]


def test_a_report_beside_the_objects_that_names_the_patient_is_a_leak(corpus, output):
    name = str(dcmread(next(of_theme(output, "implicit", corpus))).PatientName).split("^")[0]
    (output / "log.txt").write_text(f"treated {name}")
    assert score_folder(corpus, output).leaks[Leak.FILE_NAME] == 1


@pytest.mark.peer("dciodvfy")
def test_an_error_that_dciodvfy_did_not_find_before_is_counted(corpus, output):
    changed(output, "implicit", corpus, lambda ds: delattr(ds, "SliceThickness"))
    assert score_folder(corpus, output).count("dciodvfy") == 1
