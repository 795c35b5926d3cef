"""Content items tell no more of their subject than the header does."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from aegle.deid import Deidentified, Held, Option, Pseudonyms, check, deidentify, profile
from aegle.deid.profile import Profile, default_profile
from aegle.deid.table import DEFAULT_OPTIONS


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def content(concept: Dataset, **values: object) -> Dataset:
    item = Dataset()
    item.ConceptNameCodeSequence = [concept]
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def measured(number: str, unit: str = "a") -> Dataset:
    item = Dataset()
    item.NumericValue, item.MeasurementUnitsCodeSequence = number, [code(unit, "year")]
    return item


@pytest.fixture
def told(
    still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path
) -> Callable[..., Sequence[Dataset]]:
    """The content items of a report of a subject of some age, de-identified and checked under the default and more options."""

    def tell(
        age: str, *options: Option, dates: Option = Option.MODIFIED_DATES, syntax: str = ExplicitVRLittleEndian
    ) -> Sequence[Dataset]:
        context = content(
            code("121034", "Subject Species"),
            ContentSequence=[
                content(code("121031", "Subject Birth Date"), ValueType="DATE", Date="19610704"),
                content(code("121033", "Subject Age"), ValueType="NUM", MeasuredValueSequence=[measured(age)]),
                content(code("111060", "Study Date"), ValueType="DATE", Date="20240229"),
                content(
                    code("122713", "Latest Selected Beat Time"),
                    ValueType="NUM",
                    MeasuredValueSequence=[measured("97", "s")],
                ),
            ],
        )
        ds = still(ContentSequence=[context])
        ds.file_meta.TransferSyntaxUID = syntax
        source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
        source.write_bytes(written(ds))
        rules = profile("p", (DEFAULT_OPTIONS - {Option.MODIFIED_DATES}) | {dates, *options})
        done = deidentify(source, target, rules, Pseudonyms.from_secret(bytes(32)))
        assert not isinstance(done, Held), done
        assert check(source, target, done, rules) is None
        items: Sequence[Dataset] = dcmread(target).ContentSequence[0].ContentSequence
        return items

    return tell


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("dates", [Option.MODIFIED_DATES, Option.FULL_DATES])
def test_the_subjects_birth_date_and_age_go_and_other_dates_and_numbers_stay(told, dates, syntax):
    birth, age, study, beat = told("62", dates=dates, syntax=syntax)
    assert birth.Date == "19000101"
    assert not age.MeasuredValueSequence
    assert study.Date not in {"", "19000101"}
    assert beat.MeasuredValueSequence[0].NumericValue == 97


@pytest.mark.parametrize(("age", "kept"), [("62", True), ("89", True), ("96", False), ("1E3", False)])
def test_an_age_that_an_option_keeps_is_not_over_89(told, age, kept):
    birth, years, _, _ = told(age, Option.PATIENT)
    assert birth.Date == "19000101"
    assert bool(years.MeasuredValueSequence) is kept


def coded(value: str, meaning: str, *, attribute: str = "CodeValue") -> Dataset:
    item = code(value, meaning)
    del item.CodeValue
    setattr(item, attribute, value)
    return item


def num(concept: Dataset, number: str, unit: str = "a") -> Dataset:
    return content(concept, ValueType="NUM", MeasuredValueSequence=[measured(number, unit)])


Treat = Callable[..., Dataset]
FULL_DATES = profile("full", frozenset({Option.STRUCTURED, Option.FULL_DATES}))
PATIENT = profile("patient", DEFAULT_OPTIONS | {Option.PATIENT})
DEFAULT = profile("default", DEFAULT_OPTIONS)


@pytest.fixture
def treat(still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path) -> Treat:
    """What is written of an object with some attributes, checked."""

    def run(rules: Profile, **values: object) -> Dataset:
        source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
        source.write_bytes(written(still(**values)))
        done = deidentify(source, target, rules, Pseudonyms.from_secret(bytes(32)))
        assert isinstance(done, Deidentified), done
        assert check(source, target, done, rules) is None
        return dcmread(target)

    return run


@pytest.mark.parametrize(
    "concept",
    [
        coded("184099003", "Date of birth"),
        coded("121031", "-", attribute="LongCodeValue"),
        coded("99-1", "Patient's birth date"),
        coded("99-2", "Geburtsdatum"),
        coded("99-3", "An event"),  # known by being the header's
    ],
)
@pytest.mark.parametrize("sequence", ["ContentSequence", "AcquisitionContextSequence", "SpecimenPreparationSequence"])
@pytest.mark.parametrize("rules", [DEFAULT, FULL_DATES, PATIENT])
def test_a_birth_date_goes_under_any_code_and_in_any_sequence(concept, sequence, rules, treat):
    items = [
        content(concept, ValueType="DATE", Date="19610704"),
        content(concept, ValueType="DATETIME", DateTime="19610704235959"),
        content(code("111060", "Study Date"), ValueType="DATE", Date="20240229"),
    ]
    if sequence == "SpecimenPreparationSequence":
        step = Dataset()
        step.SpecimenPreparationStepContentItemSequence = items
        day, moment, study = treat(rules, **{sequence: [step]})[sequence][0].SpecimenPreparationStepContentItemSequence
    else:
        day, moment, study = treat(rules, **{sequence: items})[sequence]
    assert (day.Date, moment.DateTime) == ("19000101", "19000101000000")
    assert study.Date not in {"", "19000101"}


def test_of_a_newborn_the_days_dates_stay(treat):
    started = content(code("111526", "DateTime Started"), ValueType="DATETIME", DateTime="20240229101112")
    assert (
        treat(DEFAULT, PatientBirthDate="20240229", ContentSequence=[started]).ContentSequence[0].DateTime[:4] != "1900"
    )


def test_a_birth_date_is_not_remembered_as_another_patients_kept_date(treat):
    items = {"ContentSequence": [content(code("99-3", "An event"), ValueType="DATE", Date="19610704")]}
    for _ in range(4):
        kept = treat(FULL_DATES, PatientID="P1", PatientBirthDate="19500101", **items)
    assert kept.ContentSequence[0].Date == "19610704"
    assert treat(FULL_DATES, PatientID="P2", PatientBirthDate="19610704", **items).ContentSequence[0].Date == "19000101"


@pytest.mark.parametrize(
    ("concept", "number", "unit", "stays"),
    [
        (coded("397669002", "Age"), "62", "a", {PATIENT}),
        (coded("29553-5", "Age calculated"), "93", "a", set()),
        (coded("121033", "Subject Age"), "999", "mo", {PATIENT}),
        (coded("121033", "Subject Age"), "1116", "mo", set()),
        (coded("99-4", "Patient Age"), "62", "a", {PATIENT}),
        (coded("111524", "Age Started"), "93", "a", set()),
        (coded("111524", "Age Started"), "51", "a", {DEFAULT, PATIENT}),
        (coded("18185-9", "Gestational Age"), "280", "d", {DEFAULT, PATIENT}),
        (coded("8302-2", "Body height"), "162", "cm", {PATIENT}),
        (coded("29463-7", "Body weight"), "71.5", "kg", {PATIENT}),
        (coded("113811", "CTDIw phantom type"), "93", "mGy", {DEFAULT, PATIENT}),
    ],
)
def test_ages_and_body_measures_stay_where_the_headers_do(concept, number, unit, stays, treat):
    context = content(concept, ValueType="NUMERIC", NumericValue=number)
    context.MeasurementUnitsCodeSequence = [code(unit, "unit")]
    for rules in (DEFAULT, PATIENT):
        ds = treat(rules, ContentSequence=[num(concept, number, unit)], AcquisitionContextSequence=[context])
        assert bool(ds.ContentSequence[0].MeasuredValueSequence) is (rules in stays)
        assert (ds.AcquisitionContextSequence[0].NumericValue is not None) is (rules in stays)


def test_sex_becomes_unknown_and_the_headers_body_mass_index_goes_with_its_size(treat):
    sex = content(code("121032", "Subject Sex"), ValueType="CODE", ConceptCodeSequence=[code("F", "Female")])
    for rules, value, index in ((DEFAULT, "U", None), (PATIENT, "F", 27.2)):
        ds = treat(rules, PatientBodyMassIndex="27.2", ContentSequence=[sex])
        assert ds.ContentSequence[0].ConceptCodeSequence[0].CodeValue == value
        assert ds.get("PatientBodyMassIndex") == index


def test_items_that_name_a_thing_still_name_the_same_thing(still, written, tmp_path):
    """Two lesions stay two, and a specimen's preparation names the specimen; what somebody typed goes."""

    def said(code: str, meaning: str, text: str) -> Dataset:
        item, concept = Dataset(), Dataset()
        concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = code, "DCM", meaning
        item.ValueType, item.ConceptNameCodeSequence, item.TextValue = "TEXT", [concept], text
        return item

    step, specimen = Dataset(), Dataset()
    step.SpecimenPreparationStepContentItemSequence = [said("121041", "Specimen Identifier", "S19-1-A")]
    specimen.SpecimenIdentifier, specimen.SpecimenPreparationSequence = "S19-1-A", [step]
    tracked = [said("112039", "Tracking Identifier", text) for text in ("Lesion 1", "Lesion 2", "Lesion 1", "")]
    comment = said("121106", "Comment", "Lesion 1 of Mrs Quillfeather")
    ds = still(SpecimenDescriptionSequence=[specimen], ContentSequence=[*tracked, comment])
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(written(ds))
    done = deidentify(source, target, default_profile(), Pseudonyms.from_secret(bytes(32)))
    assert check(source, target, done, default_profile()) is None
    clean = dcmread(target)
    one, two, again, nothing, typed = (item.TextValue for item in clean.ContentSequence)
    assert one == again != two
    assert (nothing, typed, one.isalnum()) == ("ANONYMIZED", "ANONYMIZED", True)
    (specimen,) = clean.SpecimenDescriptionSequence
    (item,) = specimen.SpecimenPreparationSequence[0].SpecimenPreparationStepContentItemSequence
    assert item.TextValue == specimen.SpecimenIdentifier != "S19-1-A"


def test_the_text_of_an_object_that_is_one_item_is_the_same_whatever_was_met_before(still, written, tmp_path):
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    for code, text in (("121041", "S-1"), ("111111", "S-1"), ("111111", "S-1"), ("111111", "S-1"), ("121041", "S-2")):
        concept = Dataset()
        concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = code, "DCM", "Identifier"
        source.write_bytes(written(still(ConceptNameCodeSequence=[concept], TextValue=text)))
        deidentify(source, target, default_profile(), Pseudonyms.from_secret(bytes(32)))
        assert dcmread(target).TextValue == "ANONYMIZED"
