"""Receipts reach the trail together, before anything is done with an object, and once however the site ends."""

import errno
import os
import zlib
from pathlib import Path

import pytest

from aegle.access import Act
from aegle.dicom import arrival
from aegle.errors import StorageFull, TooLarge
from aegle.intake.spool import Spool
from aegle.local.audit import ChainedLines
from aegle.protocols.peers import Sender
from aegle.records import AuditEvent, AuditOutcome
from aegle.site import receipts as receipting
from aegle.site.admissions import Admissions
from aegle.site.door import SiteDoor
from aegle.site.receipts import Receipts
from aegle.site.unwritten import Unwritten

PEER = Sender(ae_title="MODALITY-1", address="127.0.0.1")


class World:
    """A door with a spool and a real trail."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.audit = Spool(folder / "spool", 10_000), ChainedLines(folder / "audit", "x1", "site")
        self.unwritten = Unwritten()
        self.receipts = Receipts("x1", self.audit, self.unwritten)
        self.door = SiteDoor(
            site="x1", spool=self.spool, audit=self.audit, arrived=lambda: None, receipts=self.receipts,
            unwritten=self.unwritten,
        )  # fmt: skip

    def send(self, size: int = 100) -> None:
        content, path = bytes(size), self.spool.slots.take()
        path.write_bytes(arrival.mark(size, zlib.crc32(content), PEER.ae_title) + content)
        self.door.receive(path, PEER)

    def told(self) -> list[AuditEvent]:
        return [event for event in self.audit.read(9_999) if event.act == Act.DOOR_INSTANCE_RECEIVE]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_receipts_of_many_objects_are_written_with_one_sync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        world.send()
    synced, really = list[int](), os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(1), really(descriptor)))
    world.receipts.write()
    world.receipts.write()
    assert len(synced) == 1
    assert sorted(event.subject for event in world.told()) == [item.name for item in world.spool.waiting()]
    assert {(event.principal, event.outcome) for event in world.told()} == {("peer:MODALITY-1", AuditOutcome.OK)}


def test_nothing_is_admitted_before_its_receipt_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send()
    admissions = Admissions(spool=world.spool, intake=None, abreast=None, receipts=world.receipts.write)  # type: ignore[arg-type]

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            admissions.admit_waiting()
    world.receipts.write()
    assert len(world.told()) == 1  # once, though a line of it was there that no sync had made good


def test_what_a_crash_kept_from_the_trail_is_written_at_the_next_start_and_only_that(world: World) -> None:
    world.send()
    world.receipts.write()
    world.send()
    world.send()
    restarted = Receipts("x1", world.audit, Unwritten())
    for _ in range(2):
        restarted.recover(world.spool.waiting())
        assert sorted(event.subject for event in world.told()) == [item.name for item in world.spool.waiting()]
    assert [event.facts.get("state") for event in world.told()] == ["found", "found", None]
    assert {event.principal for event in world.told()} == {"peer:MODALITY-1"}


def test_an_object_that_is_refused_has_no_receipt(world: World) -> None:
    with pytest.raises(TooLarge):
        world.send(20_000)
    world.receipts.write()
    assert [(event.outcome, event.facts["reason"]) for event in world.told()] == [(AuditOutcome.REFUSED, "TOO_LARGE")]


def test_a_name_that_cannot_be_given_takes_its_receipt_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", read_only)
        with pytest.raises(StorageFull):
            world.send()
    world.receipts.write()
    assert [event.facts.get("reason") for event in world.told()] == ["STORAGE_FULL"]


def test_not_more_than_a_bound_of_receipts_waits_in_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipting, "_MOST_WAITING", 3)
    for _ in range(4):
        world.send()
    assert len(world.told()) == 4
