"""A report's content items tell no more of the subject's age than the header does."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from aegle.deid import Held, Option, Pseudonyms, check, deidentify, profile
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
