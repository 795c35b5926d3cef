"""Objects that arrive in slots: one wait for the disk each, and found again whatever a crash left of their names."""

import errno
import os
import threading
from pathlib import Path

import pytest
import rawslot
from rawslot import received

from aegle import durable
from aegle.deid import Pseudonyms
from aegle.dicom import arrival
from aegle.errors import StorageFull
from aegle.intake.slots import is_slot
from aegle.intake.spool import Door, Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 1 << 20)


def again(spool: Spool) -> Spool:
    return Spool(spool.incoming.parent, 1 << 20)


def test_one_object_costs_one_sync_and_its_name_is_heard_before_it_is_seen(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, heard = received(spool, b"content"), list[int](), list[tuple[str, int]]()
    really = os.fsync
    monkeypatch.setattr(durable.os, "fsync", lambda descriptor: (synced.append(1), really(descriptor)))
    item = spool.take(path, Door.DIMSE, named=lambda name: heard.append((name, len(spool.waiting()))))
    assert len(synced) == 1
    assert heard == [(item.name, 0)]
    assert spool.waiting() == [item]


def test_slots_are_made_many_at_once_and_nobody_gets_the_same(spool: Spool) -> None:
    taken: list[Path] = []
    threads = [threading.Thread(target=lambda: taken.extend(spool.slots.take() for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 200
    assert all(is_slot(path) and path.stat().st_size == 0 for path in taken)


def test_more_slots_are_made_before_the_last_is_taken_and_whoever_receives_does_not_wait(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers, really = list[str](), durable.sync_folder
    monkeypatch.setattr(
        durable, "sync_folder", lambda path: (makers.append(threading.current_thread().name), really(path))
    )
    for _ in range(100):
        spool.slots.take()
        spool.slots.close()  # as if the next came when the disk was ready
    assert makers == [threading.current_thread().name, "slots", "slots", "slots"]


def test_a_full_disk_is_told_to_one_who_needs_a_slot_and_leaves_no_half_made_ones(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [spool.slots.take() for _ in range(16)]

    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr(durable.os, "fsync", no_room)
        taken += [spool.slots.take() for _ in range(16)]  # those that were there
        spool.slots.close()
        with pytest.raises(StorageFull):
            spool.slots.take()
    assert sorted(spool.incoming.iterdir()) == sorted(taken)
    assert spool.slots.take() not in taken


def test_a_whole_object_whose_new_name_the_power_took_is_taken_in_and_nothing_half_is(spool: Spool) -> None:
    whole, half, torn, unmarked = (received(spool, os.urandom(5_000)) for _ in range(4))
    half.write_bytes(half.read_bytes()[:-1])
    content = bytearray(torn.read_bytes())
    content[3_000:3_512] = bytes(512)  # a sector that was not written
    torn.write_bytes(content)
    unmarked.write_bytes(bytes(128) + unmarked.read_bytes()[128:])
    spool.slots.take()
    expected = whole.read_bytes()
    (item,) = again(spool).waiting()
    assert (item.door, item.path.read_bytes()) == (Door.DIMSE, expected)
    assert list(spool.incoming.iterdir()) == []


def test_a_mark_says_who_sent_it_and_changes_nothing_about_what_was_sent(spool: Spool, tmp_path: Path) -> None:
    pseudonyms = Pseudonyms.from_secret(bytes(range(32)))
    path, plain = received(spool, b"content", sender="MODALITY-1"), tmp_path / "plain.dcm"
    plain.write_bytes(bytes(128) + path.read_bytes()[128:])
    assert (arrival.sender_of(path), arrival.sender_of(plain)) == ("MODALITY-1", None)
    assert arrival.is_whole(path)
    assert not arrival.is_whole(plain)
    assert pseudonyms.source_digest(path) == pseudonyms.source_digest(plain)
    other = tmp_path / "other.dcm"
    other.write_bytes(b"somebody's preamble".ljust(128) + path.read_bytes()[128:])
    assert pseudonyms.source_digest(other) != pseudonyms.source_digest(plain)


@pytest.mark.parametrize("content", [b"", b"short", bytes(128), rawslot.MARKED[:127]])
def test_a_file_too_short_for_a_mark_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert arrival.sender_of(tmp_path / "file") is None
    assert not arrival.is_whole(tmp_path / "file")
    assert arrival.unmarked(content) == content
