"""Identifiers planted wherever text can stand appear in no encoding in what leaves."""

from itertools import product

import pytest
from pydicom import Dataset
from pydicom.datadict import DicomDictionary
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from aegle.deid import HoldReason

TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
NAME, NUMBER = "Quillfeather", "MRN-4711-0815"
CODECS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")

EVERY_TEXT_TAG = sorted(
    tag
    for tag, (vr, *_) in DicomDictionary.items()
    if vr in TEXT and 8 <= tag >> 16 < 0x7FE0 and tag & 0xFFFF
    and tag not in {0x00080005, 0x00080008, 0x00080016, 0x00100010, 0x00100020, 0x00280301, 0x00280302, 0x00280004}
    and tag not in {0x00480010, 0x00120063, 0x00080064}
)  # fmt: skip


def assert_absent(content: bytes, *words: str) -> None:
    low = content.lower()
    for word, codec in product(words, CODECS):
        assert word.lower().encode(codec) not in low, f"{word} in {codec}"


def filled(ds: Dataset) -> Dataset:
    for tag in EVERY_TEXT_TAG:
        vr = DicomDictionary[tag][0]
        ds.add_new(tag, vr, NAME.upper() if vr in {"CS", "AE"} else f"x {NAME} {NUMBER}"[: 60 if vr == "LO" else 16])
    return ds


def test_a_name_in_every_text_attribute_of_the_dictionary_leaves_in_none(still, run):
    outcome = run(filled(still()))
    assert_absent(outcome.bytes, NAME, NUMBER, "Ottilie", "Grimthorpe", "778899")
    assert outcome.check() is None


def test_nor_from_within_nested_sequences(still, run):
    ds = still()
    level = ds
    for _ in range(8):
        inner = filled(Dataset())
        level.add_new(0x00082218, "SQ", [inner])
        level = inner
    outcome = run(ds)
    assert_absent(outcome.bytes, NAME, NUMBER)
    assert outcome.check() is None


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda syntax: syntax.name,
)
def test_in_every_transfer_syntax(syntax, still, run):
    ds = filled(still())
    ds.file_meta.TransferSyntaxUID = syntax
    outcome = run(ds)
    assert outcome.check() is None
    assert outcome.dataset.PixelData == bytes(range(16))
    assert_absent(str(outcome.dataset).encode(), NAME, NUMBER)
    assert_absent(outcome.bytes, NAME, NUMBER)


@pytest.mark.parametrize(
    ("charset", "name", "word"),
    [
        ("ISO_IR 100", "Müllerström^Jürgen", "Müllerström"),
        ("ISO_IR 192", "Ωμέγας^Ευγένιος", "Ωμέγας"),
        ("ISO_IR 144", "Люкceмбypг", "Люкceмбypг"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", "Yamada"),
        ("GB18030", "Wang^XiaoDong=王^小东", "XiaoDong"),
    ],
)
def test_a_name_in_any_character_set_is_swept_from_kept_text(charset, name, word, still, run):
    ds = still(SpecificCharacterSet=charset, PatientName=name)
    ds.Manufacturer = f"for {word}"
    ds.SoftwareVersions = word.upper()
    outcome = run(ds)
    assert outcome.check() is None
    assert word.lower() not in str(outcome.dataset).lower()
    assert outcome.done.counts[0x00080070, "identifier replaced"] == 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Müllerström^Jürgen", "Muellerstroem"),
        ("Müllerström^Jürgen", "for MULLERSTROM"),
        ("Müllerström^Jürgen", "mÜLLERstrÖm"),
        ("Strauß^Ottilie", "STRAUSS works"),
        ("Strauß^Ottilie", "Strauss"),
        ("Šćepanović^Đorđe", "scepanovic"),
    ],
)
def test_a_name_is_swept_however_it_is_spelled(name, kept, still, run):
    outcome = run(still(SpecificCharacterSet="ISO_IR 192", PatientName=name, Manufacturer=kept))
    assert outcome.dataset.Manufacturer == "ANONYMIZED"
    assert outcome.check() is None


def test_a_name_within_a_longer_run_of_two_byte_letters_is_swept(still, run):
    ds = still(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎")
    ds.Manufacturer = "大山田病院"
    outcome = run(ds)
    assert outcome.dataset.Manufacturer == "ANONYMIZED"
    assert outcome.check() is None


def test_a_long_number_of_the_patient_is_swept_from_decimals_too(still, run):
    outcome = run(
        still(PatientID="73519248", PatientWeight="61", SliceThickness="73519248", SpacingBetweenSlices="1.5")
    )
    assert outcome.dataset["SliceThickness"].is_empty
    assert outcome.dataset.SpacingBetweenSlices == 1.5
    assert_absent(outcome.bytes, "73519248")


@pytest.mark.parametrize("written", ["73519248.0", "7.3519248E7", "-73519248"])
def test_a_long_number_of_the_patient_is_swept_from_decimals_written_otherwise(written, still, run):
    outcome = run(still(PatientID="MRN-73519248", SpacingBetweenSlices=written, WindowCenter=["1.5", written, "2"]))
    assert outcome.dataset["SpacingBetweenSlices"].is_empty
    assert [str(number or "") for number in outcome.dataset.WindowCenter] == ["1.5", "", "2"]
    assert outcome.check() is None


@pytest.mark.parametrize("written", ["0073519248", "735 192 48", "735-19-248", "M.7351/9248"])
def test_a_long_number_of_the_patient_is_found_without_its_marks_and_leading_zeros(written, still, run):
    outcome = run(still(PatientID=written, SliceThickness="73519248"))
    assert outcome.dataset["SliceThickness"].is_empty
    assert outcome.check() is None


def test_a_day_on_which_something_was_done_is_told_by_no_number(still, run):
    ds = still(
        SeriesNumber=20240229,
        InstanceNumber=20240228,
        AcquisitionDateTime="20240227101112.5",
        AcquisitionNumber=20240227,
    )
    outcome = run(ds)
    assert outcome.dataset["SeriesNumber"].is_empty
    assert outcome.dataset["AcquisitionNumber"].is_empty
    assert outcome.dataset.InstanceNumber == 20240228


@pytest.mark.parametrize("form", [b"0.5 0.5 ", b"100-120 ", b"1.00.000", b"5-5-47  ", b"1e      ", b".       "])
def test_a_number_that_is_none_is_emptied(form, still, run, written):
    outcome = run(written(still(SliceThickness="1.234567")).replace(b"1.234567", form))
    assert outcome.dataset["SliceThickness"].is_empty
    assert outcome.check() is None


def test_a_binary_number_of_another_length_is_emptied(still, run, written):
    content = written(still(CTDIvol=1.5))
    at = content.index(b"\x18\0\x45\x93FD")
    outcome = run(content[: at + 6] + b"\4\0" + content[at + 12 :])
    assert outcome.dataset["CTDIvol"].is_empty
    assert outcome.check() is None


@pytest.mark.parametrize(
    ("who", "keyword", "value"),
    [
        ({"PatientName": "Ann^Ray"}, "Modality", "ANN"),
        ({"PatientName": "Kim^Volume"}, "ImageType", ["ORIGINAL", "PRIMARY", "VOLUME"]),
        ({"PatientName": "Siemens^Phantom"}, "Manufacturer", "SIEMENS"),
        ({"StationName": "Skyra"}, "ManufacturerModelName", "Skyra"),
        ({"StudyID": "KNEE"}, "BodyPartExamined", "KNEE"),
    ],
)
def test_a_word_that_is_known_to_name_nobody_stays_where_it_belongs(who, keyword, value, still, run):
    outcome = run(still(**who, **{keyword: value}))
    assert outcome.dataset[keyword].value == value
    assert outcome.check() is None


def test_a_code_of_the_standard_stays_whoever_has_its_number(still, run):
    codes = [
        ("122182", "DCM", "R-R interval"),
        ("min", "UCUM", "minute"),
        ("113701", "DCM", "X-Ray Radiation Dose Report"),
    ]
    ds = still(PatientName="Min^Ray", PatientID="122182")
    ds.ProcedureCodeSequence = [Dataset() for _ in codes]
    for item, code in zip(ds.ProcedureCodeSequence, codes, strict=True):
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    outcome = run(ds)
    assert [
        (i.CodeValue, i.CodingSchemeDesignator, i.CodeMeaning) for i in outcome.dataset.ProcedureCodeSequence
    ] == codes
    assert outcome.check() is None


def test_what_names_another_part_of_the_object_gets_a_token_of_its_own(still, run):
    ds = still(PatientName="Quillfeather^Ottilie")
    ds.OpticalPathSequence = [Dataset(), Dataset()]
    ds.OpticalPathSequence[0].OpticalPathIdentifier = "QUILLFEATHER 1"
    ds.OpticalPathSequence[1].OpticalPathIdentifier = "QUILLFEATHER 2"
    outcome = run(ds)
    assert len({path.OpticalPathIdentifier for path in outcome.dataset.OpticalPathSequence} - {"ANONYMIZED"}) == 2
    assert_absent(outcome.bytes, "QUILLFEATHER")
    assert outcome.check() is None


def test_a_short_name_in_a_table_of_the_header_is_held_by_the_check(still, run):
    ds = still(PatientName="Hansen^Kaj")
    ds.add_new(0x00281201, "OW", b"\1\0Hansen\2\0")
    assert run(ds).check().reason is HoldReason.IDENTIFIER_LEFT


@pytest.mark.parametrize("keyword", ["RecommendedDisplayFrameRateInFloat", "WaterEquivalentDiameter"])
def test_a_long_number_of_the_patient_is_swept_from_floating_point_numbers(keyword, still, run):
    assert run(still(PatientID="73519248", **{keyword: 73519248.0})).dataset[keyword].is_empty
    assert run(still(PatientID="73519248", **{keyword: 1.5})).dataset[keyword].value == 1.5


def test_an_identifier_known_only_from_a_nested_item_is_swept_too(still, run):
    ds = still(Manufacturer="Xanthippus works")
    ds.RequestAttributesSequence = [Dataset()]
    ds.RequestAttributesSequence[0].RequestingPhysician = "Xanthippus^Otto"
    outcome = run(ds)
    assert_absent(outcome.bytes, "Xanthippus")
    assert outcome.check() is None


def test_ordinary_words_survive_a_patient_who_is_called_like_them(still, run):
    outcome = run(still(PatientName="Head^Test", Manufacturer="Head systems", BodyPartExamined="HEAD"))
    assert outcome.dataset.Manufacturer == "Head systems"
    assert outcome.dataset.BodyPartExamined == "HEAD"


def test_preamble_meta_and_trailing_bytes_are_not_taken_over(still, run, written):
    content = bytearray(written(still()))
    content[:12] = NAME.encode()
    content += b"\xfc\xff\xfc\xffOB\0\0\x0c\0\0\0" + NAME.encode() + f"tail {NAME}".encode()
    outcome = run(bytes(content))
    assert_absent(outcome.bytes, NAME)
    assert outcome.check() is None


def test_a_number_with_prose_in_it_is_emptied(still, run, written):
    content = written(still(SeriesNumber=12345678)).replace(b"12345678", b"JANE DOE")
    outcome = run(content)
    assert outcome.dataset["SeriesNumber"].is_empty
    assert_absent(outcome.bytes, "JANE DOE")


def test_text_disguised_under_the_vr_of_another_attribute_is_removed(still, run, written):
    ds = still(Manufacturer="Quux")
    content = written(ds).replace(b"\x08\x00\x70\x00LO\x04\x00Quux", b"\x08\x00\x70\x00PN\x04\x00Quux")
    assert_absent(run(content).bytes, "Quux")


def test_icc_profiles_lose_their_words(still, run):
    icc = bytearray(300)
    icc[:4], icc[36:40] = (300).to_bytes(4, "big"), b"acsp"
    icc[128:132] = (1).to_bytes(4, "big")
    icc[132:144] = b"desc" + (200).to_bytes(4, "big") + (60).to_bytes(4, "big")
    icc[200:260] = (b"desc" + bytes(4) + b"\0\0\0\x20 Quillfeather scanner").ljust(60, b"\0")
    icc[270:284] = b"Quillfeather!!"
    outcome = run(still(ICCProfile=bytes(icc)))
    assert_absent(outcome.bytes, NAME)
    assert len(outcome.dataset.ICCProfile) == 300
    assert outcome.check() is None


def test_a_de_identified_object_is_refused_at_the_door(still, run):
    first = run(still())
    assert run(first.bytes).held.reason is HoldReason.ALREADY_ALIASED


@pytest.mark.parametrize("name", ["Basic^Aegle", "Clean^Content", "Profile", "Temporal^Modified", "Microscope^Mono"])
def test_a_patient_called_like_our_own_words_is_not_withheld(name, still, run):
    outcome = run(still(PatientName=name))
    assert outcome.check() is None


def test_a_patient_number_in_an_integer_is_removed_and_counts_are_kept(still, run):
    outcome = run(still(PatientID="73519248", SeriesNumber=73519248, InstanceNumber=7351))
    assert outcome.dataset["SeriesNumber"].is_empty
    assert outcome.dataset.InstanceNumber == 7351
    assert_absent(outcome.bytes, "73519248")
    assert outcome.check() is None


def test_the_number_without_the_letters_before_it_is_the_patients_too(still, run):
    outcome = run(still(PatientID="MRN-73519248", AcquisitionNumber=73519248, SeriesNumber=7351))
    assert outcome.dataset["AcquisitionNumber"].is_empty
    assert outcome.dataset.SeriesNumber == 7351
    assert_absent(outcome.bytes, "73519248")
    assert outcome.check() is None


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(("keyword", "number"), [("DimensionIndexValues", 73519248), ("ReferencePixelX0", -73519248)])
def test_a_patient_number_in_a_binary_integer_is_removed(keyword, number, syntax, still, run):
    ds = still(PatientID="MRN-73519248")
    setattr(ds, keyword, number)
    ds.SimpleFrameList = [1, 2, 1_000_000]
    ds.file_meta.TransferSyntaxUID = syntax
    outcome = run(ds)
    assert keyword not in outcome.dataset or outcome.dataset[keyword].is_empty
    assert outcome.dataset.SimpleFrameList == [1, 2, 1_000_000]
    assert outcome.check() is None


def test_a_short_number_is_not_the_patients_because_it_counts_the_same(still, run):
    ds = still(PatientID="1234", SimpleFrameList=[1234, 12345])
    outcome = run(ds)
    assert outcome.dataset.SimpleFrameList == [1234, 12345]
    assert outcome.check() is None


def test_no_value_reaches_a_log(still, run, written, caplog, capfd):
    content = written(still(FrameOfReferenceUID="1.2.3.4.5.6.7", StudyTime="134502"))
    content = content.replace(b"1.2.3.4.5.6.7", b"QUILLFEATHER1").replace(b"134502", b"QUILLF")
    with caplog.at_level(0):
        outcome = run(content)
        outcome.check()
    assert "QUILL" not in caplog.text.upper()
    assert "QUILL" not in "".join(capfd.readouterr()).upper()


def test_a_number_without_which_the_picture_cannot_be_read_holds_the_object_if_it_is_the_patients(still, run):
    assert run(still(PatientID="73519248", RescaleIntercept="-1024")).dataset.RescaleIntercept == -1024
    held = run(still(PatientID="73519248", RescaleIntercept="-73519248")).held
    assert (held.reason, held.detail) == (HoldReason.IDENTIFIER_LEFT, "(0028,1052), which may not be empty")


def test_a_measurement_that_is_the_patients_number_goes_with_its_unit(still, run):
    ds = still(PatientID="73519248", ContentSequence=[Dataset(), Dataset()])
    for item, number in zip(ds.ContentSequence, ("73519248", "12.5"), strict=True):
        item.ValueType, item.ConceptNameCodeSequence, item.MeasuredValueSequence = "NUM", [Dataset()], [Dataset()]
        item.ConceptNameCodeSequence[0].CodeValue = "121206"
        item.MeasuredValueSequence[0].NumericValue = number
    outcome = run(ds)
    own, other = outcome.dataset.ContentSequence
    assert list(own.MeasuredValueSequence) == [] and other.MeasuredValueSequence[0].NumericValue == 12.5
    assert outcome.check() is None


def test_a_label_that_must_be_there_is_not_left_empty(still, run):
    outcome = run(still(ContentLabel="QUILLFEATHER", RadiationMachineName="Ottokar's"))
    assert outcome.dataset.ContentLabel == "ANONYMIZED" and outcome.dataset["RadiationMachineName"].is_empty
    assert outcome.check() is None
