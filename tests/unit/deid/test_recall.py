"""What is remembered of elements that repeat: it changes nothing, and what it does not depend on it does not remember."""

from collections.abc import Callable
from pathlib import Path

import pydicom.data
import pytest
from pydicom import Dataset, dcmread
from pydicom.tag import Tag

from aegle.deid import Decision, Deidentified, Held, Option, Pseudonyms, Values, default_profile, deidentify, recall
from aegle.deid.profile import Profile, profile
from aegle.deid.table import DEFAULT_OPTIONS

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


def test_the_second_object_of_a_series_recalls_the_first(
    still: Still, written: Written, tmp_path: Path, pseudonyms: Pseudonyms, monkeypatch: pytest.MonkeyPatch
) -> None:
    recall.memory.cache_clear()
    first, second = (written(still(SOPInstanceUID=f"1.2.3.{number}", InstanceNumber=number)) for number in (1, 2))
    met: list[int] = []
    keep = recall.Memory.keep

    def kept(self: recall.Memory, raw: bytes, past: recall.Past) -> None:
        met.append(int.from_bytes(raw[:2], "little"))
        keep(self, raw, past)

    monkeypatch.setattr(recall.Memory, "keep", kept)
    treat(first, tmp_path, pseudonyms)
    count = len(met)
    met.clear()
    treat(second, tmp_path, pseudonyms)
    assert count > 20
    assert met == [0x0008, 0x0020]  # SOP Instance UID and Instance Number


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
    monkeypatch.setattr(recall, "_STRETCHES", 40)
    long = still(LUTExplanation="x" * 2000)
    long.add_new(Tag("PixelPaddingValue"), "US", 0)
    for number in range(30):
        long.SOPInstanceUID = f"1.2.3.{number}"
        outcome, _ = treat(written(long), tmp_path, pseudonyms)
        assert isinstance(outcome, Deidentified)
    memory = memories[-1]
    assert not any(b"x" * 100 in raw for raw in memory._met)
    assert 0 < len(memory._met) <= 40
