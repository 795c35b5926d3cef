"""The gate for words: what is known passes, what nobody has seen is held, what was denied is emptied."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword

from aegle.deid import Decision, FirstSeen, Held, HoldReason, Pseudonyms, Values, default_profile, deidentify
from aegle.deid import values as gate
from aegle.deid.rules import LABELS
from aegle.deid.values import NEVER_EMPTY

Approve, Deny, Pending = Decision.APPROVE, Decision.DENY, Decision.PENDING


def treat(
    ds: Dataset, folder: Path, written: Callable[[Dataset], bytes], values: Values | None
) -> Dataset | frozenset[FirstSeen]:
    """The written data set, or what must be decided first."""
    source, target = folder / "in.dcm", folder / "out.dcm"
    source.write_bytes(written(ds))
    target.unlink(missing_ok=True)
    done = deidentify(source, target, default_profile(), Pseudonyms.from_secret(bytes(32)), values)
    if isinstance(done, Held):
        assert done.reason is HoldReason.FIRST_SEEN_VALUE
        assert not target.exists()
        return done.first_seen
    return dcmread(target)


def test_known_words_pass_and_one_that_nobody_has_seen_holds_its_object(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    known = still(Manufacturer="hamamatsu  PHOTONICS", ManufacturerModelName="NanoZoomer S60")
    assert isinstance(treat(known, tmp_path, written, Values()), Dataset)
    seen = treat(still(ManufacturerModelName="Ottokar's scanner"), tmp_path, written, Values())
    assert seen == {
        FirstSeen(keyword="ManufacturerModelName", value="Ottokar's scanner"),
        FirstSeen(keyword="Manufacturer", value="Lumenoptik"),
    }


def test_an_approved_value_stays_and_a_denied_one_is_emptied(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    source = still(SoftwareVersions=["9.1", "tuned by Ottokar", "lens B"])
    values = Values(
        {
            ("Manufacturer", "LUMENOPTIK"): Approve,
            ("SoftwareVersions", "tuned by Ottokar"): Deny,
            ("SoftwareVersions", "lens B"): Approve,
        }
    )
    clean = treat(source, tmp_path, written, values)
    assert isinstance(clean, Dataset)
    assert clean.Manufacturer == "Lumenoptik"
    assert list(clean.SoftwareVersions) == ["9.1", "", "lens B"]


def test_a_denied_meaning_is_not_left_empty_where_the_standard_wants_a_word(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99AEGLE", "Doctor Ottokar's region"
    source = still(Manufacturer="Olympus", AnatomicRegionSequence=[code])
    assert treat(source, tmp_path, written, Values()) == {
        FirstSeen(keyword="CodeMeaning", value="Doctor Ottokar's region")
    }
    clean = treat(source, tmp_path, written, Values({("CodeMeaning", "doctor ottokar's region"): Deny}))
    assert isinstance(clean, Dataset)
    assert clean.AnatomicRegionSequence[0].CodeMeaning == "ANONYMIZED"


def test_the_patients_own_name_is_replaced_and_never_asked_about(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    source = still(Manufacturer="Olympus", ManufacturerModelName="set up for Quillfeather")
    clean = treat(source, tmp_path, written, Values())
    assert isinstance(clean, Dataset)
    assert clean.ManufacturerModelName == "ANONYMIZED"


def test_without_values_any_word_passes(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    assert isinstance(treat(still(ManufacturerModelName="Anything"), tmp_path, written, None), Dataset)


def test_words_in_other_alphabets_are_compared_as_text(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    source = still(SpecificCharacterSet="GB18030", Manufacturer="镜头厂\\Olympus")
    assert treat(source, tmp_path, written, Values()) == {FirstSeen(keyword="Manufacturer", value="镜头厂")}
    source = still(SpecificCharacterSet="ISO_IR 192", Manufacturer="镜头厂")
    clean = treat(source, tmp_path, written, Values({("Manufacturer", "镜头厂"): Approve}))
    assert isinstance(clean, Dataset)
    assert clean.Manufacturer == "镜头厂"


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("Manufacturer", "GE MEDICAL SYSTEMS", Approve),
        ("Manufacturer", "GE MEDICAL SYSTEMS, Smith ward", Pending),
        ("ManufacturerModelName", "GE MEDICAL SYSTEMS", Pending),
        ("SoftwareVersions", "4.3.21", Approve),
        ("SoftwareVersions", "20240131", Pending),
        ("CodeMeaning", "Uterine cervix", Approve),
        ("CodeMeaning", "Computed tomography", Approve),
        ("CodeValue", "71252005", Approve),
        ("CodeValue", "47110815", Pending),
        ("StackID", "", Approve),
        ("ConvolutionKernel", "B70f", Approve),
        ("ConvolutionKernel", "Ab", Approve),
        ("ConvolutionKernel", "李明", Pending),
        ("TemplateIdentifier", "10011", Approve),
    ],
)
def test_the_list_we_ship_knows_an_attributes_own_words(keyword: str, value: str, expected: Decision) -> None:
    assert Values().decision(keyword, value) is expected


def test_terms_of_the_standard_pass_in_coded_strings_only() -> None:
    assert Values().decision("BodyPartExamined", "UTERUS", is_term=True) is Approve
    assert Values().decision("BodyPartExamined", "OTTOKAR", is_term=True) is Pending
    assert Values().decision("Manufacturer", "UTERUS") is Pending


def test_a_site_may_deny_what_we_ship() -> None:
    assert Values({("Manufacturer", "olympus"): Deny}).decision("Manufacturer", "OLYMPUS") is Deny


def test_the_digest_follows_decisions_and_not_what_waits() -> None:
    decided = Values({("Manufacturer", "Lumenoptik"): Approve})
    assert Values().digest == Values({("Manufacturer", "Lumenoptik"): Pending}).digest != decided.digest
    assert decided.digest == Values({("Manufacturer", " LUMENOPTIK"): Approve}).digest


def test_a_value_too_long_to_ask_about_is_denied() -> None:
    judged = Values().judge(0x00081090, b"UT", b"a" * (gate.LONGEST + 1), ())
    assert judged is not None
    assert (judged.value, judged.first_seen) == (b"", frozenset())


def test_every_section_of_the_list_names_attributes_that_exist_and_no_line_stands_twice() -> None:
    lines = [
        (keyword, gate.folded(value))
        for keywords, values in gate._sections()
        for value in values
        for keyword in keywords
    ]
    assert all(keyword in {gate.ANY, "PrivateCreator"} or tag_for_keyword(keyword) for keyword, _ in lines)
    assert {pair for pair in lines if pair[1] in {"", "|"}} == set()


def test_what_is_told_names_attributes_and_no_value() -> None:
    held = Held(
        reason=HoldReason.FIRST_SEEN_VALUE,
        detail=gate.tell([FirstSeen(keyword="StackID", value="Ottokar")]),
        first_seen=frozenset({FirstSeen(keyword="StackID", value="Ottokar")}),
    )
    assert held.detail == "1 in StackID"
    assert "Ottokar" not in repr(held) + str(held.first_seen)


def test_a_term_is_known_where_it_is_a_code_whichever_was_met_first() -> None:
    tag = tag_for_keyword("BodyPartExamined")
    assert tag is not None
    values = Values()
    for _ in range(2):
        assert values.judge(tag, b"LO", b"CERVIX", ()) is not None
        assert values.judge(tag, b"CS", b"CERVIX", ()) is None


@pytest.mark.parametrize(
    ("outer", "inner"), [("ISO_IR 100", "ISO_IR 192"), ("ISO_IR 192", "ISO_IR 144"), ("ISO_IR 144", "")]
)
def test_an_items_texts_are_read_by_its_own_character_set(outer, inner, still, written, tmp_path):
    """Which holds for what lies in it, and no longer behind it (PS3.3 §C.12.1.1.2)."""
    words = {"ISO_IR 192": "Gebärmutterhals", "ISO_IR 144": "Шейка", "ISO_IR 100": "Überblick"}
    first, last, within = Dataset(), Dataset(), Dataset()
    if inner:
        first.SpecificCharacterSet = inner
    first.AnatomicRegionModifierSequence = [within]
    for item, text in (
        (first, words[inner or outer]),
        (within, words[inner or outer] + "!"),
        (last, words[outer] + "?"),
    ):
        item.CodeMeaning = text
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(
        written(still(SpecificCharacterSet=outer, Manufacturer="SIEMENS", AnatomicRegionSequence=[first, last]))
    )
    held = deidentify(source, target, default_profile(), Pseudonyms.from_secret(bytes(32)), Values())
    assert {item.value for item in held.first_seen} == {
        words[inner or outer],
        words[inner or outer] + "!",
        words[outer] + "?",
    }


def a_plan(still: Callable[..., Dataset], **labels: str) -> Dataset:
    ds = still(SOPClassUID="1.2.840.10008.5.1.4.1.1.481.5", Modality="RTPLAN", Manufacturer="Elekta", BeamSequence=[])
    for keyword in ("PixelData", "ImageType", "PhotometricInterpretation"):
        del ds[keyword]
    ds.BeamSequence = [Dataset(), Dataset()]
    for beam, number in zip(ds.BeamSequence, "12", strict=True):
        for keyword, label in labels.items():
            setattr(beam, keyword, f"{label} {number}")
    return ds


@pytest.mark.parametrize("keyword", sorted(LABELS))
def test_a_label_that_people_type_is_not_asked_about_and_becomes_a_token_unless_it_names_nobody(
    keyword: str, still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    clean = treat(
        a_plan(still, **{keyword: "OTTOKAR" if keyword == "GraphicLayer" else "Ottokar"}), tmp_path, written, Values()
    )
    assert isinstance(clean, Dataset)
    tokens = [beam[keyword].value for beam in clean.BeamSequence]
    assert len(set(tokens)) == 2 and all(re.fullmatch("[0-9A-F]{14}", token) for token in tokens)
    clean = treat(a_plan(still, **{keyword: "LAYER"}), tmp_path, written, Values())
    assert isinstance(clean, Dataset)
    assert [beam[keyword].value for beam in clean.BeamSequence] == ["LAYER 1", "LAYER 2"]


@pytest.mark.parametrize(
    "keyword",
    [
        *(
            "ASLBolusCutoffTechnique",
            "ASLCrusherDescription",
            "ASLTechniqueDescription",
            "TransmitCoilManufacturerName",
        ),
        *("ExposureControlModeDescription", "GridAbsorbingMaterial", "GridSpacingMaterial", "FrameLabel"),
        *("FluenceModeID", "FractionPattern", "MaterialID", "OpticalPathDescription", "ScanSpotTuneID", "SnoutID"),
        *(
            "LateralSpreadingDeviceSetting",
            "RangeShifterSetting",
            "SourceApplicatorID",
            "WedgeID",
            "AfterloaderChannelID",
        ),
    ],
)
def test_a_word_of_how_the_beam_or_the_picture_is_made_stays_once_it_is_decided(
    keyword: str, still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> None:
    source = a_plan(still, **{keyword: "Ottokar"})
    assert treat(source, tmp_path, written, Values()) == {
        FirstSeen(keyword=keyword, value=f"Ottokar {number}") for number in "12"
    }
    decided = Values({(keyword, "Ottokar 1"): Approve, (keyword, "Ottokar 2"): Deny})
    clean = treat(source, tmp_path, written, decided)
    assert isinstance(clean, Dataset)
    assert clean.BeamSequence[0][keyword].value == "Ottokar 1"
    assert clean.BeamSequence[1][keyword].value == ("ANONYMIZED" if tag_for_keyword(keyword) in NEVER_EMPTY else "")


def test_words_in_a_sequence_that_goes_are_not_asked_about(still, written, tmp_path):
    text, annotation = Dataset(), Dataset()
    text.BoundingBoxAnnotationUnits = "OTTOKARS"
    annotation.TextObjectSequence = [text]
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(written(still(Manufacturer="SIEMENS", GraphicAnnotationSequence=[annotation])))
    assert not isinstance(
        deidentify(source, target, default_profile(), Pseudonyms.from_secret(bytes(32)), Values()), Held
    )
    assert "GraphicAnnotationSequence" not in dcmread(target)
