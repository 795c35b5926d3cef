"""What is acknowledged stays; what is held stays sealed."""

from pathlib import Path

import pytest

from aegle.deid import Held, HoldReason
from aegle.errors import TooLarge, Unreadable
from aegle.intake.quarantine import Quarantine, Settlement
from aegle.intake.sealed import seal, unseal
from aegle.intake.spool import Door, Spool

KEY = bytes(range(32))


def test_received_objects_wait_oldest_first_and_survive_opening_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1_000)
    first = spool.receive([b"one", b"more"], Door.UPLOAD)
    second = spool.receive([b"two"], Door.DIMSE)
    again = Spool(tmp_path, 1_000)
    assert [item.path for item in again.waiting()] == [first.path, second.path]
    assert [item.door for item in again.waiting()] == [Door.UPLOAD, Door.DIMSE]
    assert first.path.read_bytes() == b"onemore"
    again.settle(first)
    assert again.waiting() == [second]


def test_an_object_over_the_bound_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10)
    with pytest.raises(TooLarge):
        spool.receive([b"x" * 6, b"x" * 6], Door.UPLOAD)
    assert spool.waiting() == []
    assert list(spool.incoming.iterdir()) == []


def test_half_received_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    (Spool(tmp_path, 10).incoming / "left").write_bytes(b"half")
    assert list(Spool(tmp_path, 10).incoming.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_sealing_is_undone_by_unsealing(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "plain").write_bytes(content[:size])
    seal(tmp_path / "plain", tmp_path / "sealed", KEY, "name")
    assert b"".join(unseal(tmp_path / "sealed", KEY, "name")) == content[:size]


def broken(path: Path, how: str) -> None:
    content = path.read_bytes()
    changed = {
        "flipped": content[:100] + bytes([content[100] ^ 1]) + content[101:],
        "cut": content[: 8 + 4 + (1 << 20) + 16],
        "emptied": b"",
        "shortened": content[:-5],
    }[how]
    path.write_bytes(changed)


@pytest.mark.parametrize("how", ["flipped", "cut", "emptied", "shortened"])
def test_a_changed_or_cut_seal_does_not_open(tmp_path: Path, how: str) -> None:
    (tmp_path / "plain").write_bytes(b"x" * (2 << 20))
    seal(tmp_path / "plain", tmp_path / "sealed", KEY, "name")
    broken(tmp_path / "sealed", how)
    with pytest.raises(Unreadable):
        list(unseal(tmp_path / "sealed", KEY, "name"))


@pytest.mark.parametrize(("key", "name"), [(bytes(32), "name"), (KEY, "other")])
def test_another_key_or_another_name_does_not_open(tmp_path: Path, key: bytes, name: str) -> None:
    (tmp_path / "plain").write_bytes(b"x")
    seal(tmp_path / "plain", tmp_path / "sealed", KEY, "name")
    with pytest.raises(Unreadable):
        list(unseal(tmp_path / "sealed", key, name))


def held(tmp_path: Path) -> tuple[Quarantine, Spool, str]:
    spool, quarantine = Spool(tmp_path / "spool", 1_000), Quarantine(tmp_path / "quarantine", KEY)
    item = spool.receive([b"Mustermann^Erika"], Door.DIMSE)
    reason = Held(reason=HoldReason.BURNED_IN_RISK, detail="no statement")
    quarantine.hold(item, reason, "2.25.1")
    return quarantine, spool, quarantine.hold(item, reason, "2.25.1").entry_id


def test_a_held_object_is_listed_once_and_only_sealed_on_disk(tmp_path: Path) -> None:
    quarantine, _, entry_id = held(tmp_path)
    (entry,) = quarantine.entries()
    assert (entry.entry_id, entry.reason, entry.door) == (entry_id, HoldReason.BURNED_IN_RISK, Door.DIMSE)
    assert b"".join(quarantine.read(entry_id)) == b"Mustermann^Erika"
    assert all(b"Mustermann" not in path.read_bytes() for path in (tmp_path / "quarantine").iterdir())


def test_an_open_entry_blocks_its_study_until_it_is_settled(tmp_path: Path) -> None:
    quarantine, _, entry_id = held(tmp_path)
    assert quarantine.blocks("2.25.1")
    assert not quarantine.blocks("2.25.2")
    quarantine.settle(entry_id, Settlement.REJECTED, by="anna")
    assert not quarantine.blocks("2.25.1")
    assert b"".join(quarantine.read(entry_id)) == b"Mustermann^Erika"
