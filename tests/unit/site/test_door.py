"""The watched folder: what lies still is taken in and removed, what still grows or is refused stays."""

import errno
import os
import time
from pathlib import Path

import pytest

from aegle.access import Act
from aegle.errors import StorageFull, TooLarge
from aegle.intake.spool import Door, Spool
from aegle.local.audit import ChainedLines
from aegle.protocols.peers import News, Sender
from aegle.records import AuditOutcome
from aegle.site.door import Notices, SiteDoor
from aegle.site.receipts import Receipts
from aegle.site.unwritten import Unwritten


class World:
    """A door with a spool of 1,000 bytes an object and a real trail."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.audit, self.woken = (
            Spool(folder / "spool", 1_000),
            ChainedLines(folder / "audit", "x1", "site"),
            0,
        )
        unwritten = Unwritten()
        self.receipts = Receipts("x1", self.audit, unwritten)
        self.door = SiteDoor(
            site="x1",
            spool=self.spool,
            audit=self.audit,
            arrived=self._wake,
            receipts=self.receipts,
            unwritten=unwritten,
        )
        notices = Notices(site="x1", audit=self.audit, unwritten=unwritten)
        self.notice = notices.of("dimse")
        self.watched = folder / "watched"
        (self.watched / "deep").mkdir(parents=True)

    def _wake(self) -> None:
        self.woken += 1

    def put(self, name: str, content: bytes, *, age_seconds: float = 60) -> Path:
        path = self.watched / name
        path.write_bytes(content)
        at = time.time() - age_seconds
        os.utime(path, (at, at))
        return path


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_file_that_lies_still_is_taken_at_the_second_look_and_removed(world: World) -> None:
    path = world.put("deep/Mustermann.dcm", b"content")
    assert not world.door.sweep(world.watched)
    assert world.door.sweep(world.watched)
    (item,) = world.spool.waiting()
    assert (item.door, item.path.read_bytes(), path.exists(), world.woken) == (Door.FOLDER, b"content", False, 1)
    (told,) = world.audit.read(5)
    assert told.outcome is AuditOutcome.OK
    assert "Mustermann" not in world.audit.path.read_text()


def test_a_file_that_grows_or_is_fresh_waits(world: World) -> None:
    world.put("growing.dcm", b"a")
    world.put("fresh.dcm", b"a", age_seconds=0)
    world.door.sweep(world.watched)
    world.put("growing.dcm", b"ab")
    assert not world.door.sweep(world.watched)
    assert world.spool.waiting() == []


def test_one_that_is_too_large_stays_is_audited_and_holds_no_other_up(world: World) -> None:
    large = world.put("a-large.dcm", bytes(1_001))
    world.put("b-small.dcm", b"small")
    world.door.sweep(world.watched)
    assert world.door.sweep(world.watched)
    world.door.sweep(world.watched)
    assert large.exists()
    assert len(list(world.audit.read(9))) == 2  # told once, not at every look
    assert [item.path.read_bytes() for item in world.spool.waiting()] == [b"small"]
    assert {(told.outcome, told.facts.get("reason")) for told in world.audit.read(5)} == {
        (AuditOutcome.OK, None),
        (AuditOutcome.REFUSED, "TOO_LARGE"),
    }


def test_an_upload_over_the_bound_is_refused_and_audited(world: World, tmp_path: Path) -> None:
    received = tmp_path / "spool" / "incoming" / "x"
    received.write_bytes(bytes(1_001))
    with pytest.raises(TooLarge):
        world.door.upload(received, "user:anna")
    (told,) = world.audit.read(5)
    assert (told.outcome, told.principal) == (AuditOutcome.REFUSED, "user:anna")


def test_what_a_full_disk_did_not_take_is_written_down_later_in_its_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Sender(ae_title="PACS", address="127.0.0.1")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for news, reason in ((News.ACCEPTED, ""), (News.REFUSED, "UNKNOWN_PEER"), (News.NOT_TAKEN, "STORAGE_FULL")):
            with pytest.raises(StorageFull):
                world.notice(news, peer, reason)
    world.notice(News.ECHO, peer, "")
    told = list(world.audit.read(9))[::-1]
    assert [(event.act, event.facts.get("reason")) for event in told] == [
        (Act.DOOR_ASSOCIATION_OPEN, "STORAGE_FULL"),  # it was not made
        (Act.DOOR_ASSOCIATION_OPEN, "UNKNOWN_PEER"),
        (Act.DOOR_INSTANCE_RECEIVE, "STORAGE_FULL"),
        (Act.DOOR_ECHO_ANSWER, None),
    ]
    assert [event.happened_at for event in told] == sorted(event.happened_at for event in told)
