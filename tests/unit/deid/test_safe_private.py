"""The private attributes of PS3.15 Table E.3.10-1: each row through the engine and the check, and what must not pass as one."""

import csv
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from aegle.deid import (
    Decision,
    Deidentified,
    Held,
    HoldReason,
    Option,
    Pseudonyms,
    Values,
    check,
    deidentify,
    profile,
    value_file,
)
from aegle.deid.table import DEFAULT_OPTIONS

TABLE = list(
    csv.DictReader(files("aegle.deid").joinpath("data", "ps315_e3_10_1.csv").read_text(encoding="utf-8").splitlines())
)
SAFE = profile("p", DEFAULT_OPTIONS | {Option.SAFE_PRIVATE})
SIEMENS, NEURO = "SIEMENS MR HEADER", "NQHeader"
#: A value of each VR that the table has, that nobody is known by.
VALUES = {
    **dict.fromkeys(("FL", "FD"), 1.5), **dict.fromkeys(("US", "SS", "UL", "SL", "IS", "DS"), 7), "AT": 0x00280010,
    "CS": "NONE", **dict.fromkeys(("SH", "LO", "ST", "LT"), "N"),
}  # fmt: skip
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


class Treated:
    """An object under the option, and what the other reader says of it."""

    def __init__(self, content: bytes, folder: Path, decided: Values | None = None) -> None:
        self.source, self.target = folder / "in.dcm", folder / "out.dcm"
        self.source.write_bytes(content)
        self.target.unlink(missing_ok=True)
        self.outcome = deidentify(self.source, self.target, SAFE, Pseudonyms.from_secret(bytes(32)), decided)

    @property
    def dataset(self) -> Dataset:
        assert isinstance(self.outcome, Deidentified), self.outcome
        assert check(self.source, self.target, self.outcome, SAFE) is None
        return dcmread(self.target)


@pytest.fixture
def treated(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> Callable[..., Treated]:
    def treat(change: Callable[[Dataset], object], syntax: str = ExplicitVRLittleEndian, **options: object) -> Treated:
        ds = still(Manufacturer="SIEMENS")
        ds.file_meta.TransferSyntaxUID = syntax
        change(ds)
        return Treated(written(ds), tmp_path, **options)

    return treat


def block(ds: Dataset, group: int, creator: str):
    return ds.private_block(group, creator, create=True)


def private_in(ds: Dataset) -> list[BaseTag]:
    return [element.tag for element in ds if element.tag.is_private]


def test_the_table_has_the_rows_of_its_edition():
    assert len(TABLE) == 479
    assert len({line["creator"] for line in TABLE}) == 20


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['tag']}-{row['creator']}")
def test_the_row_is_treated_as_its_vr_says(row, treated):
    group, element, vr = int(row["tag"][:4], 16), int(row["tag"][6:], 16), row["vr"].split(" ")[0]
    item = Dataset()
    item.PatientName, item.Rows = "Quillfeather^Ottilie", 4
    value = [item] if vr == "SQ" else "1.2.3.4" if vr == "UI" else VALUES.get(vr, b"Quillfeather")

    def change(ds: Dataset) -> None:
        block(ds, group, row["creator"]).add_new(element, vr or "UN", value)

    clean = treated(change, decided=Values()).dataset
    tag = group << 16 | 0x1000 | element
    if vr in {"", "OB", "OW"}:
        assert tag not in clean
        return
    assert vr == clean[tag].VR
    assert clean[group, 0x0010].value == row["creator"]
    if vr == "SQ":
        assert (clean[tag][0].Rows, "Ottilie" in str(clean)) == (4, False)
    else:
        assert (clean[tag].value == value) is (vr != "UI")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_diffusion_value_stays_in_every_encoding_and_at_every_depth(syntax, treated):
    item = Dataset()
    block(item, 0x0019, SIEMENS).add_new(0x0C, "IS", 800)
    block(item, 0x0021, "SIEMENS MR SDI 02").add_new(0x0C, "LO", "Ottokar")

    def change(ds: Dataset) -> None:
        block(ds, 0x0019, "Somebody's own").add_new(0x0C, "LO", "Ottokar")
        own = block(ds, 0x0019, SIEMENS)
        own.add_new(0x0C, "IS", 1000)
        own.add_new(0x0E, "FD", [0.5, -0.5, 0.25])
        own.add_new(0x99, "LO", "Ottokar")
        block(ds, 0x2001, "Philips Imaging DD 001").add_new(0x5F, "SQ", [item])
        ds.PerFrameFunctionalGroupsSequence = [item]

    clean = treated(change, syntax).dataset
    assert clean.private_block(0x0019, SIEMENS)[0x0C].value == 1000
    assert clean.private_block(0x0019, SIEMENS)[0x0E].value == [0.5, -0.5, 0.25]
    stack = clean.private_block(0x2001, "Philips Imaging DD 001")[0x5F].value[0]
    for each in (stack, clean.PerFrameFunctionalGroupsSequence[0]):
        assert each.private_block(0x0019, SIEMENS)[0x0C].value == 800
        assert len(private_in(each)) == 2
    assert len(private_in(clean)) == 5


def test_what_came_as_un_is_written_as_what_it_is(treated):
    clean = treated(lambda ds: block(ds, 0x0019, SIEMENS).add_new(0x27, "UN", bytes(48))).dataset
    assert (clean[0x0019, 0x1027].VR, clean[0x0019, 0x1027].value) == ("FD", [0.0] * 6)


@pytest.mark.parametrize("creator", ["SIEMENS MR HEADERS", "siemens mr header", "SIEMENS MR HEADER\\X", "GEMS_ACQU_01"])
def test_another_creators_attribute_is_removed_with_it(creator, treated):
    clean = treated(lambda ds: block(ds, 0x0019, creator).add_new(0x0C, "IS", 1000)).dataset
    assert not [tag for tag in private_in(clean) if tag.element > 0xFF]


def test_words_of_a_safe_attribute_are_decided_under_its_tag_and_creator(treated, tmp_path):
    said = {f"0099xx05 {NEURO}": "Done by Ottokar", f"0019xx0D {SIEMENS}": "OTTOKARS"}

    def change(ds: Dataset) -> None:
        block(ds, 0x0099, NEURO).add_new(0x05, "LT", said[f"0099xx05 {NEURO}"])
        block(ds, 0x0019, SIEMENS).add_new(0x0D, "CS", said[f"0019xx0D {SIEMENS}"])

    held = treated(change, decided=Values()).outcome
    assert isinstance(held, Held)
    assert {seen.keyword: seen.value for seen in held.first_seen} == said
    first, second = said.items()
    decided = Values({first: Decision.APPROVE, second: Decision.DENY})
    clean = treated(change, decided=decided).dataset
    assert (clean[0x0099, 0x1005].value, clean[0x0019, 0x100D].value) == ("Done by Ottokar", "")
    path = tmp_path / "values.csv"
    value_file.add(path, held.first_seen)
    assert {line.keyword: line.value for line in value_file.read(path)} == said


def test_a_name_in_a_safe_attribute_is_none(treated):
    def change(ds: Dataset) -> None:
        block(ds, 0x0099, NEURO).add_new(0x05, "LT", "Done for Quillfeather")
        block(ds, 0x0019, SIEMENS).add_new(0x0D, "LO", "Ottilie")
        block(ds, 0x0045, "GEMS_HELIOS_01").add_new(0x02, "LT", "Quillfeather")

    clean = treated(change, decided=Values()).dataset
    assert (clean[0x0099, 0x1005].value, clean[0x0019, 0x100D].value) == ("ANONYMIZED", "ANONYMIZED")
    assert clean[0x0045, 0x1002].is_empty


def test_a_patient_called_as_a_creator_is_written(treated):
    def change(ds: Dataset) -> None:
        ds.PatientName = "Siemens^Header"
        block(ds, 0x0019, SIEMENS).add_new(0x0C, "IS", 1000)

    assert treated(change, decided=Values()).dataset.private_block(0x0019, SIEMENS)[0x0C].value == 1000


def test_the_patients_number_in_a_safe_attribute_is_none(treated):
    def change(ds: Dataset) -> None:
        ds.PatientID = "73519248"
        block(ds, 0x2001, "Philips Imaging DD 001").add_new(0x13, "SL", 73519248)

    assert treated(change).dataset[0x2001, 0x1013].value in (None, b"", [])


def test_a_uid_in_a_safe_attribute_is_the_alias_of_what_it_names(treated):
    def change(ds: Dataset) -> None:
        block(ds, 0x0099, NEURO).add_new(0x02, "UI", ds.SeriesInstanceUID)

    clean = treated(change).dataset
    assert clean[0x0099, 0x1002].value == clean.SeriesInstanceUID


def test_an_object_of_the_same_bytes_under_another_creator_is_treated_by_its_own(treated):
    """Elements are compared with those of the object before, and the creator may lie in another stretch of them."""
    change = lambda creator: lambda ds: block(ds, 0x0019, creator).add_new(0x27, "DS", "1.5")  # noqa: E731
    for _ in range(4):
        assert (0x0019, 0x1027) in treated(change("GEMS_ACQU_01")).dataset
        assert (0x0019, 0x1027) not in treated(change("SOMEBODY'S OWN")).dataset
        assert treated(change(SIEMENS)).dataset[0x0019, 0x1027].is_empty


@pytest.mark.parametrize("option", [None, Option.SAFE_PRIVATE])
def test_the_check_refuses_a_private_attribute_that_should_be_gone(option, treated, tmp_path):
    run = treated(lambda ds: block(ds, 0x0019, SIEMENS).add_new(0x0C, "IS", 1000))
    assert isinstance(run.outcome, Deidentified)
    rules = SAFE if option else profile("p", DEFAULT_OPTIONS)
    item, left = Dataset(), dcmread(run.target)
    block(item, 0x0019, SIEMENS).add_new(0x0F, "IS", 1000)
    left.PerFrameFunctionalGroupsSequence = [item]
    left.save_as(run.target)
    held = check(run.source, run.target, run.outcome, rules)
    assert held is not None
    assert "is private or unknown" in held.detail


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_check_looks_into_private_sequences(syntax, treated):
    item = Dataset()
    item.Rows = 4
    run = treated(lambda ds: block(ds, 0x2001, "Philips Imaging DD 001").add_new(0x5F, "SQ", [item]), syntax)
    assert isinstance(run.outcome, Deidentified)
    left = dcmread(run.target)
    left[0x2001, 0x105F].value[0].InstitutionalDepartmentName = "Cardiology"
    left.save_as(run.target)
    held = check(run.source, run.target, run.outcome, SAFE)
    assert held is not None
    assert held.detail == "(0008,1040) should have been removed"


@pytest.mark.parametrize("vr", ["SH", "CS", "ST", "LT", "UT", "PN", "UI"])
def test_a_creator_of_another_vr_is_none(vr, treated):
    def change(ds: Dataset) -> None:
        ds.add_new((0x0019, 0x0010), vr, SIEMENS)
        ds.add_new((0x0019, 0x100C), "IS", 1000)

    assert private_in(treated(change).dataset) == []


@pytest.mark.parametrize("left", ["4711.0815", "4.7.61", "73 519 248"])
def test_the_check_finds_own_numbers_in_private_words(left, treated):
    def change(ds: Dataset) -> None:
        ds.PatientID, ds.AccessionNumber, ds.PatientBirthDate = "47110815", "73519248", "19610704"
        block(ds, 0x0019, SIEMENS).add_new(0x0D, "CS", "NONE")

    run = treated(change)
    written = dcmread(run.target)
    written[0x0019, 0x100D].value = left
    written.save_as(run.target)
    assert check(run.source, run.target, run.outcome, SAFE).reason is HoldReason.IDENTIFIER_LEFT


def test_the_check_reads_private_words_by_the_items_character_set(treated):
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    block(item, 0x0019, SIEMENS).add_new(0x0D, "LO", "NONE")

    def change(ds: Dataset) -> None:
        ds.PatientName, ds.SpecificCharacterSet = "Öz^Ayşe", "ISO_IR 148"
        ds.PerFrameFunctionalGroupsSequence = [item]

    run = treated(change)
    written = dcmread(run.target)
    written.PerFrameFunctionalGroupsSequence[0][0x0019, 0x100D].value = "Öz"
    written.save_as(run.target)
    assert check(run.source, run.target, run.outcome, SAFE).reason is HoldReason.IDENTIFIER_LEFT


def test_a_patient_called_as_a_term_keeps_the_terms_in_private_words(treated):
    def change(ds: Dataset) -> None:
        ds.PatientName = "Sagittal^Anna"
        block(ds, 0x2001, "Philips Imaging DD 001").add_new(0x8C, "CS", ["SAGITTAL", "CORONAL"])

    assert treated(change, decided=Values()).dataset[0x2001, 0x108C].value == ["SAGITTAL", "CORONAL"]
