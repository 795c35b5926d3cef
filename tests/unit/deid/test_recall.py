"""What is remembered of elements that repeat: it changes nothing, and what it does not depend on it does not remember."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.tag import Tag

from aegle.deid import (
    Decision,
    Deidentified,
    Held,
    Option,
    Pseudonyms,
    Values,
    default_profile,
    deidentify,
    outline,
    recall,
    rewrite,
    survey,
)
from aegle.deid.profile import Profile, profile
from aegle.deid.replacements import Replacements
from aegle.deid.table import DEFAULT_OPTIONS
from aegle.dicom.walk import EXPLICIT_LE

FILES = sorted(path for path in Path(pydicom.data.__file__).parent.rglob("*.dcm") if path.stat().st_size < 1 << 20)
Written = Callable[[Dataset], bytes]
Still = Callable[..., Dataset]


def treat(
    content: bytes, folder: Path, pseudonyms: Pseudonyms, values: Values | None = None, rules: Profile | None = None
) -> tuple[Deidentified | Held, bytes]:
    """The outcome, and the bytes where some were written."""
    source, target = folder / "in.dcm", folder / "out.dcm"
    source.write_bytes(content)
    target.unlink(missing_ok=True)
    outcome = deidentify(source, target, rules or default_profile(), pseudonyms, values)
    return outcome, target.read_bytes() if target.exists() else b""


def alone(
    content: bytes, folder: Path, pseudonyms: Pseudonyms, values: Values | None = None, rules: Profile | None = None
) -> tuple[Deidentified | Held, bytes]:
    """As `treat`, with nothing remembered."""
    recall.memory.cache_clear()
    return treat(content, folder, pseudonyms, values, rules)


def test_a_memory_full_of_other_objects_changes_nothing_of_any_file(tmp_path: Path, pseudonyms: Pseudonyms) -> None:
    contents = [path.read_bytes() for path in FILES]
    cold = [alone(content, tmp_path, pseudonyms) for content in contents]
    recall.memory.cache_clear()
    for _ in range(2):
        assert [treat(content, tmp_path, pseudonyms) for content in contents] == cold
    assert sum(isinstance(outcome, Deidentified) for outcome, _ in cold) > 25


def looked_into(
    contents: Sequence[bytes],
    folder: Path,
    pseudonyms: Pseudonyms,
    monkeypatch: pytest.MonkeyPatch,
    rules: Profile | None = None,
) -> list[list[int]]:
    """For each object the first tags of the stretches that were not recalled."""
    recall.memory.cache_clear()
    survey._outlines.cache_clear()
    tags: list[list[int]] = []
    observed = rewrite.Rewriter._observed

    def noted(self: rewrite.Rewriter, start: int, stretch: outline.Stretch, within: Sequence[int]) -> recall.Past:
        tags[-1].append(stretch.first)
        return observed(self, start, stretch, within)

    monkeypatch.setattr(rewrite.Rewriter, "_observed", noted)
    for content in contents:
        tags.append([])
        treat(content, folder, pseudonyms, None, rules)
    return tags


def test_of_a_series_only_what_differs_is_looked_into(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = [written(still(SOPInstanceUID=f"1.2.3.{number}", InstanceNumber=number)) for number in range(1, 6)]
    tags = looked_into(series, tmp_path, pseudonyms, monkeypatch)
    assert len(tags[0]) > 20
    assert tags[-1] == [0x00080018, 0x00200013]


def test_a_series_is_recalled_where_uids_stay(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = profile("own-uids", DEFAULT_OPTIONS | {Option.UIDS})
    tags = looked_into([written(still())] * 5, tmp_path, pseudonyms, monkeypatch, rules)
    assert tags[-1] == []


def test_patients_whose_objects_alternate_are_recalled_all_the_same(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [written(still(PatientID=f"MRN-{patient}")) for patient in range(1001, 1009)]
    tags = looked_into(contents * 5, tmp_path, pseudonyms, monkeypatch)
    assert all(each == [0x00100020] for each in tags[-8:])


def test_a_new_patient_on_a_known_device_is_looked_into_for_what_is_his_own(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dates and times among it, though they are the same: they move by his own days and minutes."""
    same = {"SeriesDate": "20240229", "SeriesTime": "101112", "AcquisitionDateTime": "20240229101112"}
    contents = [written(still(PatientID=f"MRN-{patient}", **same)) for patient in (1001, 1001, 1001, 1001, 1002)]
    tags = looked_into(contents, tmp_path, pseudonyms, monkeypatch)
    assert 0x00100020 in tags[-1]
    assert 0x00080021 in tags[-1]
    assert not {0x00080070, 0x00280002} & set(tags[-1])
    assert treat(contents[-1], tmp_path, pseudonyms) == alone(contents[-1], tmp_path, pseudonyms)


@pytest.mark.parametrize("bound", ["HEADER_MAX_BYTES", "NESTED_MAX"])
def test_bounds_count_what_is_recalled(
    bound: str,
    still: Still,
    written: Written,
    tmp_path: Path,
    pseudonyms: Pseudonyms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = Dataset()
    item.CodeMeaning = "x" * 20
    content = written(still(ProcedureCodeSequence=[item] * 4, AnatomicRegionSequence=[item] * 4))
    for _ in range(4):
        assert isinstance(treat(content, tmp_path, pseudonyms)[0], Deidentified)
    for most in (*range(30), *range(30, 500, 31)):
        monkeypatch.setattr(rewrite, bound, most)
        warm = treat(content, tmp_path, pseudonyms)
        assert warm == alone(content, tmp_path, pseudonyms)
        for _ in range(3):
            treat(content, tmp_path, pseudonyms)


def test_a_patient_named_below_has_the_objects_alias_and_nobody_elses(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    """Whoever else's object has the same item: what is remembered is the patient's own."""
    item = Dataset()
    item.PatientID, item.IssuerOfPatientID, item.PatientName = "K1", "HOSP", "Quillfeather^Ottilie"
    group = {"GroupOfPatientsIdentificationSequence": [item], "IssuerOfPatientID": "HOSP"}
    for patient, name, same_id, same_name in (
        ("K1", "Quillfeather^Ottilie^^", True, True),
        ("K2", "Quillfeather^Ottilie", False, True),
        ("K1", "Montgomery^Elspeth", True, False),
        ("K3", "Montgomery^Elspeth", False, False),
    ):
        content = written(still(PatientID=patient, PatientName=name, **group))
        for _ in range(4):
            treat(content, tmp_path, pseudonyms)
        ds = dcmread(tmp_path / "out.dcm")
        (nested,) = ds.GroupOfPatientsIdentificationSequence
        assert (nested.PatientID == ds.PatientID) is same_id
        assert (nested.PatientName == ds.PatientName) is same_name
        assert (tmp_path / "out.dcm").read_bytes() == alone(content, tmp_path, pseudonyms)[1]


def test_patients_of_the_same_day_move_by_their_own_days(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    days = set()
    for patient in ("MRN-4711-0815", "MRN-4711-0816", "MRN-4711-0815"):
        content = written(still(PatientID=patient))
        assert treat(content, tmp_path, pseudonyms) == alone(content, tmp_path, pseudonyms)
        days.add(dcmread(tmp_path / "out.dcm").StudyDate)
    assert len(days) == 2


def test_two_sites_and_two_profiles_do_not_share_what_they_remember(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    content = written(still())
    another = Pseudonyms.from_secret(bytes(32))
    keeping = profile("keeping", DEFAULT_OPTIONS | {Option.PATIENT})
    ways = [(pseudonyms, None), (another, None), (pseudonyms, keeping), (another, keeping)]
    expected = [alone(content, tmp_path, names, None, rules) for names, rules in ways]
    assert len({output for _, output in expected}) == 4
    recall.memory.cache_clear()
    for _ in range(2):
        assert [treat(content, tmp_path, names, None, rules) for names, rules in ways] == expected


def test_a_decision_holds_from_the_next_object_on(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    content = written(still())
    assert isinstance(treat(content, tmp_path, pseudonyms, Values())[0], Held)
    for decision, left in ((Decision.APPROVE, "Lumenoptik"), (Decision.DENY, "")):
        treat(content, tmp_path, pseudonyms, Values({("Manufacturer", "Lumenoptik"): decision}))
        assert dcmread(tmp_path / "out.dcm").Manufacturer == left


def test_a_word_that_is_one_patients_name_stays_for_the_others(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    """The second pass over an object, in which the name is taken out of kept text, is remembered by nobody."""
    names = {"Quillfeather^Ottilie": "Lumenoptik", "Lumenoptik^Ottilie": "ANONYMIZED"}
    for _ in range(2):
        for name, left in names.items():
            treat(written(still(PatientName=name)), tmp_path, pseudonyms)
            assert dcmread(tmp_path / "out.dcm").Manufacturer == left


def test_the_same_bytes_in_another_character_set_are_another_name(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    latin = still(PatientName="Łącki^Ewa", SpecificCharacterSet="ISO_IR 101")
    content = written(latin)
    other = content.replace(b"ISO_IR 101", b"ISO_IR 144")
    expected = [alone(each, tmp_path, pseudonyms) for each in (content, other)]
    recall.memory.cache_clear()
    assert [treat(each, tmp_path, pseudonyms) for each in (content, other)] == expected


def test_what_is_remembered_is_bounded_in_size_and_number(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms, monkeypatch: pytest.MonkeyPatch
) -> None:
    recall.memory.cache_clear()
    memories: list[recall.Memory] = []
    keep = recall.Memory.keep

    def kept(self: recall.Memory, raw: bytes, past: recall.Past) -> None:
        memories.append(self)
        keep(self, raw, past)

    monkeypatch.setattr(recall.Memory, "keep", kept)
    monkeypatch.setattr(recall, "_MEMORY_MAX_BYTES", 100_000)
    long = still(LUTExplanation="x" * 2000)
    long.add_new(Tag("PixelPaddingValue"), "US", 0)
    for number in range(30):
        long.SOPInstanceUID, long.SeriesNumber = f"1.2.3.{number}", number // 2
        outcome, _ = treat(written(long), tmp_path, pseudonyms)
        assert isinstance(outcome, Deidentified)
    memory = memories[-1]
    assert not any(b"x" * 100 in raw for raw in memory._met)
    assert 0 < sum(past.cost for past in memory._met.values()) <= 100_000


PATIENTS, TIMES = st.sampled_from(["MRN-1", "MRN-2"]), st.sampled_from(["101112", "235959"])
ZONES = st.sampled_from([None, "+0000", "+0200"])


@settings(max_examples=30, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(st.tuples(PATIENTS, TIMES, TIMES, ZONES), min_size=1, max_size=4))
def test_moments_are_the_same_whatever_was_met_before_in_other_zones_and_at_other_hours(
    made: list[tuple[str, str, str, str | None]], still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    contents = []
    for patient, time, nested, zone in made:
        item = Dataset()
        item.TreatmentControlPointDate, item.TreatmentControlPointTime = "20240229", nested
        item.RadiopharmaceuticalStartDateTime = "20240229101112+0100"
        ds = still(PatientID=patient, TreatmentDate="20240229", TreatmentTime=time)
        ds.RadiopharmaceuticalInformationSequence = [item]
        if zone:
            ds.TimezoneOffsetFromUTC = zone
        contents.append(written(ds))
    cold = [alone(content, tmp_path, pseudonyms) for content in contents]
    recall.memory.cache_clear()
    for _ in range(4):
        assert [treat(content, tmp_path, pseudonyms) for content in contents] == cold


NUMBERS = [0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103]
numbers = st.dictionaries(st.sampled_from(NUMBERS), st.sampled_from([b"\0\0", b"\1\0"]))


@given(st.lists(st.tuples(numbers, st.sampled_from([(), tuple(NUMBERS[::3]), tuple(NUMBERS[1:3])])), max_size=12))
def test_what_is_inserted_stands_in_its_place_whatever_repeats_around_it(
    made: list[tuple[dict[int, bytes], tuple[int, ...]]],
) -> None:
    recall.memory.cache_clear()
    outlines, profile, names = outline.Outlines(EXPLICIT_LE, ()), default_profile(), Pseudonyms.from_secret(bytes(32))
    for values, places in made:
        elements = {tag: EXPLICIT_LE.emit(tag, b"US", value) for tag, value in sorted(values.items())}
        inserted = {tag: EXPLICIT_LE.emit(tag, b"US", b"\7\0") for tag in places}
        data = b"".join(elements.values())
        kind = (profile, "", names, ("",), EXPLICIT_LE, None)
        rewriter = rewrite.Rewriter(
            data=data,
            rules=profile.rules_of(""),
            replacements=Replacements(names, "AG-1", ("",)),
            character_set=("",),
            target=EXPLICIT_LE,
            insertions=inserted,
            memory=recall.memory(*kind),
            patients=recall.memory(*kind, "AG-1", tuple(inserted.items())),
        )
        header = rewriter.header(outlines.read(data, 0))
        assert header == b"".join(content for _, content in sorted({**elements, **inserted}.items()))
