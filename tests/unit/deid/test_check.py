"""The check finds what an engine gone wrong would leave: each fault planted into a clean output."""

import mmap
from array import array
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from aegle.deid import HoldReason, Option, check, default_profile, profile
from aegle.deid.identifiers import Search
from aegle.deid.reading import Region
from aegle.deid.sweep import sweep
from aegle.dicom.walk import Fragments


def private(ds: Dataset) -> None:
    ds.private_block(0x0009, "X", create=True).add_new(1, "LO", "y")


def nested_removed(ds: Dataset) -> None:
    ds.DeidentificationMethodCodeSequence[0].StudyDescription = "Somewhere"


def nested_number(ds: Dataset) -> None:
    ds.DeidentificationMethodCodeSequence[0].SimpleFrameList = 73519248


FAULTS = {
    "a private attribute": (private, HoldReason.CHECK_FAILED),
    "a removed attribute": (lambda ds: setattr(ds, "SeriesDescription", "Somewhere"), HoldReason.CHECK_FAILED),
    "a replaced attribute": (lambda ds: setattr(ds, "InstitutionName", "Somewhere"), HoldReason.CHECK_FAILED),
    "a removed attribute, nested": (nested_removed, HoldReason.CHECK_FAILED),
    "an emptied attribute": (lambda ds: setattr(ds, "AccessionNumber", "1"), HoldReason.CHECK_FAILED),
    "an original UID": (lambda ds: setattr(ds, "FrameOfReferenceUID", "1.9.9.9"), HoldReason.CHECK_FAILED),
    "the patient's ID": (lambda ds: setattr(ds, "PatientID", "MRN-4711-0815"), HoldReason.CHECK_FAILED),
    "a name in kept text": (lambda ds: setattr(ds, "Manufacturer", "dr QUILLFEATHER"), HoldReason.IDENTIFIER_LEFT),
    "a number in a code": (lambda ds: setattr(ds, "SoftwareVersions", "MRN-4711-0815"), HoldReason.IDENTIFIER_LEFT),
    "the source's date": (lambda ds: setattr(ds, "StudyDate", "20240229"), HoldReason.CHECK_FAILED),
    "the source's time": (lambda ds: setattr(ds, "StudyTime", "134502.123"), HoldReason.CHECK_FAILED),
    "a moment with an offset": (
        lambda ds: setattr(ds, "AcquisitionDateTime", "20200101120000+0100"),
        HoldReason.CHECK_FAILED,
    ),
    "a number in a binary integer": (
        lambda ds: setattr(ds, "SimpleFrameList", [1, 73519248]),
        HoldReason.IDENTIFIER_LEFT,
    ),
    "a number in a floating point number": (
        lambda ds: setattr(ds, "WaterEquivalentDiameter", 73519248.0),
        HoldReason.IDENTIFIER_LEFT,
    ),
    "a number in a decimal": (
        lambda ds: setattr(ds, "SpacingBetweenSlices", "7.3519248E7"),
        HoldReason.IDENTIFIER_LEFT,
    ),
    "a number in a binary integer, nested": (nested_number, HoldReason.IDENTIFIER_LEFT),
    "another instance UID": (lambda ds: setattr(ds, "SOPInstanceUID", "2.25.1"), HoldReason.CHECK_FAILED),
    "other pixels": (lambda ds: setattr(ds, "PixelData", bytes(15) + b"\1"), HoldReason.CHECK_FAILED),
    "fewer pixels": (lambda ds: setattr(ds, "PixelData", bytes(range(14))), HoldReason.CHECK_FAILED),
}


@pytest.mark.parametrize("name", FAULTS)
def test_it_finds(name, still, run):
    spoil, reason = FAULTS[name]
    outcome = run(still(OtherPatientIDs="K-73519248"))
    assert outcome.check() is None
    ds = dcmread(outcome.target)
    spoil(ds)
    ds.save_as(outcome.target)
    verdict = outcome.check()
    assert verdict and verdict.reason is reason
    assert "Quill" not in verdict.detail and "4711" not in verdict.detail


@pytest.mark.parametrize("value", [None, b"Barnaby "], ids=["the same", "another"])
def test_an_attribute_that_is_there_twice_is_found(value, still, run):
    outcome = run(still())
    content = outcome.target.read_bytes()
    at = content.index(b"\x08\x00\x60\x00CS")
    element = content[at : at + 8 + content[at + 6]] if value is None else b"\x08\0\x60\0CS\x08\0" + value
    outcome.target.write_bytes(content[:at] + element + content[at:])
    for _ in range(4):  # also when it was met before
        verdict = outcome.check()
        assert verdict and verdict.reason is HoldReason.CHECK_FAILED and "twice" in verdict.detail


@pytest.mark.parametrize("hidden", [b"\xfe\xff\x0d\xe0\0\0\0\0Quill", b"Qui"], ids=["an item's end", "no element"])
def test_bytes_in_an_item_that_are_no_element_of_it_are_no_proof(hidden, still, run):
    outcome = run(still())
    content = outcome.target.read_bytes()
    item = b"\xfe\xff\x00\xe0"
    at = content.index(item, content.index(b"\x12\x00\x64\x00SQ"))
    size, sequence = (int.from_bytes(content[start : start + 4], "little") for start in (at + 4, at - 4))
    grown = (sequence + len(hidden)).to_bytes(4, "little") + item + (size + len(hidden)).to_bytes(4, "little")
    end = at + 8 + size
    outcome.target.write_bytes(content[: at - 4] + grown + content[at + 8 : end] + hidden + content[end:])
    assert outcome.check().reason is HoldReason.CHECK_FAILED


@pytest.mark.parametrize("codec", ["latin-1", "utf-8", "utf-16-le", "utf-16-be"])
def test_it_finds_an_identifier_in_raw_bytes(codec, still, run):
    outcome = run(still())
    table = "Quillfeather".encode(codec)
    ds = dcmread(outcome.target)
    ds.add_new(0x00281201, "OW", table)
    ds.save_as(outcome.target)
    verdict = outcome.check()
    assert (verdict.reason, verdict.detail) == (HoldReason.IDENTIFIER_LEFT, "the raw bytes of (0028,1201)")


def test_it_finds_an_identifier_that_begins_with_any_mark(still, run):
    outcome = run(still(PatientID="#QX-ABCDEFGH"))
    ds = dcmread(outcome.target)
    ds.add_new(0x00281201, "OW", b"#QX-ABCDEFGH")
    ds.save_as(outcome.target)
    assert outcome.check().reason is HoldReason.IDENTIFIER_LEFT


def test_it_finds_a_preamble_and_an_unreadable_file(still, run):
    outcome = run(still())
    outcome.target.write_bytes(b"MZ" + outcome.bytes[2:])
    assert outcome.check().reason is HoldReason.CHECK_FAILED
    outcome.target.write_bytes(b"nothing")
    assert outcome.check().reason is HoldReason.CHECK_FAILED


def test_it_does_not_trust_the_uid_map(still, run):
    outcome = run(still())
    lying = replace(outcome.done, uids={})
    assert check(outcome.source, outcome.target, lying, default_profile()).reason is HoldReason.CHECK_FAILED


@pytest.mark.parametrize("length", [8, 64, 3000])
def test_words_in_the_head_of_a_frame_that_begins_like_the_one_before_are_found(length: int, tmp_path: Path):
    frames = [
        b"\xff\xd8same beginning"[:length].ljust(length, b"."),
        b"\xff\xd8same beginning"[:length].ljust(length, b"."),
    ]
    frames[1] += b"Quillfeather" + bytes(4000)
    path = tmp_path / "frames"
    path.write_bytes(b"".join(frames))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        spans = array("Q", [0, 0, 0, len(frames[0]), len(frames[0]), len(frames[1])])
        region = Region(file=file, data=data, start=0, end=len(data), fragments=Fragments(spans, len(data)))
        words = Search(["Quillfeather"], ())
        found = sweep(region, words, words)
    assert found == ("a compressed frame" if length < 2048 else None)


def test_a_private_attribute_too_large_to_be_read_is_found(still, run):
    outcome = run(still())
    ds = dcmread(outcome.target)
    ds.private_block(0x0009, "X", create=True).add_new(1, "OB", bytes(2 << 20))
    ds.save_as(outcome.target)
    assert outcome.check().detail == "(0009,0010) is private or unknown"
    ds = dcmread(outcome.target)
    del ds[0x00090010]
    ds.save_as(outcome.target)
    assert outcome.check().detail == "(0009,1001) is private or unknown"


def test_what_was_found_in_one_object_says_nothing_of_the_uids_of_another(still, run):
    """The same bytes are an alias in one object and the source's own UID in the next."""
    first = run(still(FrameOfReferenceUID="1.9.9.9"))
    assert first.check() is None
    alias = str(first.dataset.FrameOfReferenceUID)
    second = run(still(FrameOfReferenceUID=alias))
    assert second.check() is None
    ds = dcmread(second.target)
    ds.FrameOfReferenceUID = alias
    ds.save_as(second.target)
    assert second.check().detail == "(0020,0052) holds a UID that was not replaced"


def test_what_was_found_under_one_profile_says_nothing_of_another(still, run):
    outcome = run(still())
    kept = profile("devices", frozenset({Option.DEVICE}))
    ds = dcmread(outcome.target)
    ds.StationName = "ROOM"
    ds.save_as(outcome.target)
    assert outcome.check() is not None
    verdict = check(outcome.source, outcome.target, outcome.done, kept)
    assert verdict is None or "0008,1010" not in verdict.detail
    assert outcome.check().detail == "(0008,1010) should hold its dummy value"


def test_the_identifiers_of_one_patient_are_not_taken_for_anothers(still, run):
    """Text that is one patient's name passes in another's object, as the gate for words let it."""
    first = run(still(Manufacturer="Lumenoptik"))
    assert first.check() is None
    second = run(still(Manufacturer="Quillfeather", PatientName="Nettlebed^Ada"))
    assert second.check() is None
    third = run(still(Manufacturer="Lumenoptik"))
    ds = dcmread(third.target)
    ds.Manufacturer = "Quillfeather"
    ds.save_as(third.target)
    assert third.check().reason is HoldReason.IDENTIFIER_LEFT


def test_it_writes_nothing(still, run, tmp_path: Path):
    outcome = run(still())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    outcome.check()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
