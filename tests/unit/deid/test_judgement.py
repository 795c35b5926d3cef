"""What may not leave at all is held, each with its own code."""

from datetime import date
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import MPEG4HP41, generate_uid

from aegle.deid import REASONS, HoldReason
from aegle.deid.part10 import SYNTAXES, read_meta
from aegle.deid.placeholders import names_nobody
from aegle.deid.survey import Survey, look

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"BurnedInAnnotation": "YES"}, HoldReason.BURNED_IN_RISK),
        ({"BurnedInAnnotation": None}, HoldReason.BURNED_IN_RISK),
        ({"BurnedInAnnotation": "MAYBE"}, HoldReason.BURNED_IN_RISK),
        ({"RecognizableVisualFeatures": "YES"}, HoldReason.RECOGNIZABLE),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]}, HoldReason.LABEL_IMAGE),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"]}, HoldReason.LABEL_IMAGE),
        ({"SpecimenLabelInImage": "YES"}, HoldReason.LABEL_IMAGE),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, HoldReason.UNKNOWN_SOP_CLASS),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"}, HoldReason.PIXELS_UNPROVEN),
        ({"StudyInstanceUID": ""}, HoldReason.NO_UID),
        ({"StudyInstanceUID": "1.2.840.10008.1.1"}, HoldReason.BAD_UID),
        ({"Rows": 5}, HoldReason.TRUNCATED),
        ({"Rows": 3}, HoldReason.PIXELS_UNPROVEN),
        ({"SOPClassUID": CT, "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"], "BurnedInAnnotation": None},
         HoldReason.BURNED_IN_RISK),
    ],
)  # fmt: skip
def test_it_is_held(values, reason, still, run):
    ds = still(**values)
    for keyword, value in values.items():
        if value is None:
            delattr(ds, keyword)
    assert run(ds).held.reason is reason


def surveyed(ds: Dataset, folder: Path) -> Survey:
    path = folder / "object.dcm"
    ds.save_as(path, enforce_file_format=True)
    data = path.read_bytes()
    syntax, pos = read_meta(data)
    return look(SYNTAXES[syntax].encoding, data, pos)


def test_objects_are_judged_alike_by_all_but_what_names_one_of_them(still, tmp_path):
    one, other = (surveyed(still(SOPInstanceUID=f"1.2.3.{number}", PatientName=name), tmp_path).likeness
                  for number, name in ((4, "Quillfeather^Ottilie"), (5, "Barnaby")))  # fmt: skip
    assert one == other
    for changed in (
        {"BurnedInAnnotation": "YES"},
        {"Modality": "OT"},
        {"Rows": 5},
        {"SeriesDescription": "PATIENT PROTOCOL"},
    ):
        assert surveyed(still(**changed), tmp_path).likeness != one
    for tag in (0x00080018, 0x0020000D, 0x00100010, 0x00100020, 0x00080050):
        with pytest.raises(LookupError):
            one.survey().text(tag)


def test_what_was_judged_before_says_nothing_of_an_object_that_differs(still, run):
    assert run(still()).check() is None
    assert run(still(BurnedInAnnotation="YES")).held.reason is HoldReason.BURNED_IN_RISK
    assert run(still()).check() is None
    assert run(still(RecognizableVisualFeatures="YES")).held.reason is HoldReason.RECOGNIZABLE


def test_a_uid_with_a_path_in_it_is_held(still, run, written):
    content = written(still()).replace(b"1.2.826.0.1.3680043.9.9999.1", b"../../../../../../etc/passwd")
    assert run(content).held.reason is HoldReason.BAD_UID


def test_a_character_set_that_is_no_name_is_held(still, run, written):
    content = written(still()).replace(b"ISO_IR 100", b"ISO_IR\x07\x0000")
    assert run(content).held.reason is HoldReason.MALFORMED


def test_video_is_held(still, run, written):
    ds = still()
    content = written(ds).replace(b"1.2.840.10008.1.2.1\0", (MPEG4HP41[:19]).encode() + b"\0")
    assert run(content).held.reason is HoldReason.UNSUPPORTED_TRANSFER_SYNTAX


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(200), b"PK\x03\x04" + bytes(400)])
def test_what_is_not_dicom_is_held(content, run):
    assert run(content).held.reason is HoldReason.NOT_DICOM


def test_a_ct_slice_that_says_nothing_is_admitted_and_certified_only_when_original(still, run):
    for kind, certified in (("ORIGINAL", True), ("DERIVED", False)):
        ds = still(SOPClassUID=CT, ImageType=[kind, "PRIMARY"])
        del ds.BurnedInAnnotation
        outcome = run(ds)
        assert outcome.done.pixels_certified is certified
        assert (outcome.dataset.PatientIdentityRemoved == "YES") is certified


def test_sequences_without_end_are_held(still, run, written):
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    head = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff"
    content = written(still())
    at = content.index(b"\x10\x00\x10\x00PN")
    bomb = content[:at] + (head + item) * 5000 + content[at:]
    assert run(bomb).held.reason in {HoldReason.NESTING, HoldReason.TRUNCATED}


def test_every_reason_has_words_and_a_remedy():
    assert REASONS.keys() == set(HoldReason)
    assert all(reason.text.endswith(".") and reason.remedy.endswith(".") for reason in REASONS.values())
    assert not REASONS[HoldReason.LABEL_IMAGE].blocks_study


def test_what_is_written_names_profile_options_and_patient_alias(still, run, pseudonyms):
    ds = run(still()).dataset
    assert [item.CodeValue for item in ds.DeidentificationMethodCodeSequence] == ["113100", "113107", "113104"]
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    assert ds.PatientID == pseudonyms.patient_id("MRN-4711-0815")
    assert (
        ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID == pseudonyms.uid("1.2.826.0.1.3680043.9.9999.3")
    )


@pytest.mark.parametrize(("patient_id", "patients"), [("", 3), ("UNKNOWN", 3), ("none", 3), ("000000", 3), ("K1", 1)])
def test_patients_without_an_id_of_their_own_stay_apart(patient_id, patients, still, run):
    aliases = {run(still(PatientID=patient_id, StudyInstanceUID=generate_uid())).dataset.PatientID for _ in range(3)}
    assert len(aliases) == patients


def test_placeholders_are_known_however_they_are_written():
    nobody = [
        "unknown",
        "Unbekannt",
        "неизвестный",
        "不明",
        "미상",
        "xxxx",
        "9999",
        "Anonymisé",
        " NULL ",
        "N/A",
        "n.a. ",
        "--",
    ]
    somebody = ["0", "NA", "1", "12", "TEST1", "K1", "AX", "007", "ANON123", "Nancy", "99", "M-0"]
    assert [each for each in (*nobody, *somebody) if names_nobody(each)] == nobody


def test_the_interval_between_two_studies_of_a_patient_is_kept(still, run):
    first = run(still(StudyDate="20240229")).dataset.StudyDate
    second = run(still(StudyDate="20240310", StudyInstanceUID=generate_uid())).dataset.StudyDate
    assert (date.fromisoformat(second) - date.fromisoformat(first)).days == 10
    assert first != "20240229"


def test_running_twice_gives_the_same_bytes(still, run):
    assert run(still()).bytes == run(still()).bytes


def test_a_header_beyond_the_bound_is_held_without_reading_it(still, run, monkeypatch):
    monkeypatch.setattr("aegle.deid.rewrite.HEADER_MAX_BYTES", 1000)
    assert run(still(RedPaletteColorLookupTableData=bytes(2000))).held.reason is HoldReason.TOO_LARGE


def test_more_items_than_any_real_object_has_are_held(still, run, monkeypatch):
    monkeypatch.setattr("aegle.deid.rewrite.NESTED_MAX", 1000)
    outcome = run(still(PerFrameFunctionalGroupsSequence=[Dataset() for _ in range(990)]))
    assert outcome.check() is None
    ds = still(PerFrameFunctionalGroupsSequence=[Dataset() for _ in range(1001)])
    assert run(ds).held.reason is HoldReason.TOO_LARGE


def test_a_deflated_bomb_is_held(still, run, monkeypatch):
    monkeypatch.setattr("aegle.deid.part10.INFLATED_MAX_BYTES", 3 << 20)
    ds = still(Rows=4096, Columns=4096, PixelData=bytes(1 << 24))
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    assert run(ds).held.reason is HoldReason.TOO_LARGE


def test_every_reason_has_its_line_in_the_reference():
    page = Path(__file__).parents[3] / "docs" / "reference" / "reasons.md"
    text = page.read_text(encoding="utf-8")
    for code, reason in REASONS.items():
        blocks = "yes" if reason.blocks_study else "no"
        assert f"| `{code}` | {reason.text} | {reason.remedy} | {blocks} |" in text


def test_a_held_instance_still_names_its_study_to_the_site_and_to_no_log(still, run):
    held = run(still(BurnedInAnnotation="YES")).held
    assert held.source and held.source.study_uid == "1.2.826.0.1.3680043.9.9999.1"
    assert "1.2.826" not in repr(held)
