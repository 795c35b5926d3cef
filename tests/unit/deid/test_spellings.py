"""An object's own numbers and birth date are found however they are written; others that look like them stay."""

import pytest
from pydicom import dcmread

from aegle.deid import Deidentified, Pseudonyms, Values, check, deidentify
from aegle.deid.profile import default_profile
from aegle.deid.spellings import of_text

OWN = {"PatientID": "801", "AccessionNumber": "AX.771.209", "StudyID": "556677", "PatientBirthDate": "19550507"}


@pytest.fixture
def versions(still, written, tmp_path):
    """What becomes of Software Versions, one part each."""

    def treat(value: list[str], **own: str) -> list[str]:
        source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
        source.write_bytes(written(still(Manufacturer="SIEMENS", SoftwareVersions=value, **(OWN | own))))
        done = deidentify(source, target, default_profile(), Pseudonyms.from_secret(bytes(32)), Values())
        assert isinstance(done, Deidentified), done
        assert check(source, target, done, default_profile()) is None
        return dcmread(target).get("SoftwareVersions")

    return treat


@pytest.mark.parametrize(
    "spelled",
    ["801", "55.66.77", "55 - 66 - 77", "V771.209", "5.7.55", "7.5.55", "55.5.7", "5-7-55", "07. 05. 55", "7.5.1955", "070555"],
)  # fmt: skip
def test_an_own_number_is_found_however_it_is_written(spelled, versions):
    assert versions([spelled, "9.8.7"]) == ["", "9.8.7"]


@pytest.mark.parametrize("other", ["8.0.1", "8.0.2", "80.1.1", "5.7.56", "5.7.55.1", "1.7.55", "1.5.7.55", "V77.1"])
def test_a_version_that_looks_like_one_stays(other, versions):
    assert versions([other, "9.8.7"]) == [other, "9.8.7"]


@pytest.mark.parametrize("version", ["5.1.3", "1.5.3", "3.5.1"])
def test_a_version_is_no_day_without_the_digits_of_its_year(version, versions):
    assert versions([version, "9.8.7"], PatientBirthDate="20030501") == [version, "9.8.7"]


@pytest.mark.parametrize(
    ("patient_id", "spelled"), [("5.12.7", "5.12.7"), ("K-41 277", "41277"), ("0041277", "4.12.77")]
)
def test_an_id_with_marks_is_found_without_them(patient_id, spelled, versions):
    assert versions([spelled, "9.8.7"], PatientID=patient_id) == ["", "9.8.7"]


def test_a_long_text_has_no_forms():
    assert of_text("1.2.3\\" * 2_000_000) == b""


@pytest.mark.parametrize("patient_id", ["11", "A1", "111", "Test"])
def test_what_is_short_or_says_nothing_is_not_searched_for(patient_id, versions):
    assert versions(["1.1.1", "1.1", "9.8.7"], PatientID=patient_id) == ["1.1.1", "1.1", "9.8.7"]


def test_the_check_finds_what_the_engine_left(still, written, tmp_path):
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(written(still(Manufacturer="SIEMENS", SoftwareVersions="9.8.7", **OWN)))
    done = deidentify(source, target, default_profile(), Pseudonyms.from_secret(bytes(32)), Values())
    assert isinstance(done, Deidentified)
    target.write_bytes(target.read_bytes().replace(b"9.8.7 ", b"5.7.55"))
    held = check(source, target, done, default_profile())
    assert (held.reason, held.detail) == ("IDENTIFIER_LEFT", "(0018,1020)")
