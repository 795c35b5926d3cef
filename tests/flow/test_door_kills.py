"""`kill -9` and a full disk at every named point of the C-STORE door, by themselves and in random schedules: what was
acknowledged is stored whole and in the trail, and nothing half is."""

import errno
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pydicom
import pytest
from bare_door import TITLE, BareDoor
from nursery import Child, Nursery
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from aegle import faults
from aegle.access import Act
from aegle.errors import AegleError
from aegle.faults import Point
from aegle.local.audit import verify
from aegle.protocols import dimse
from aegle.protocols.dimse import Sent, Target
from aegle.records import AuditOutcome

POINTS = [
    Point.DOOR_ARRIVING, Point.DOOR_MARKED, Point.SPOOL_WRITTEN, Point.SPOOL_NAMED, Point.SPOOL_RENAMED,
    Point.RECEIPTS_WRITTEN,
]  # fmt: skip
SCHEDULES = int(os.environ.get("AEGLE_SCHEDULES", "1000"))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery(Path(__file__).with_name("bare_door.py"))
    yield made
    made.close()


@contextmanager
def running(nursery: Nursery, folder: Path, fault: str = "") -> Iterator[tuple[Child, Target]]:
    """The door in a process; killed at the end unless it was before."""
    child = nursery.start(str(folder), fault=fault)
    try:
        yield child, Target(host="127.0.0.1", port=int(child.said), called=TITLE, calling="PACS")
    finally:
        child.kill()


def objects(folder: Path, count: int) -> list[Path]:
    """Small images, each with a UID of its own."""
    folder.mkdir()
    made = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    made.Rows, made.Columns, made.PixelData = 8, 8, made.PixelData[:128]
    made.remove_private_tags()
    for number in range(count):
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        made.save_as(folder / f"{number:02}.dcm")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return objects(tmp_path_factory.mktemp("forty") / "sent", 40)


def send(target: Target, paths: Sequence[Path]) -> list[Path]:
    """The files that were acknowledged before the door went away."""
    taken: list[Path] = []

    def told(answer: Sent) -> None:
        if answer.accepted:
            taken.append(answer.path)

    with suppress(AegleError):
        dimse.send(target, paths, told)
    return taken


def listening(door: BareDoor) -> Target:
    return Target(host="127.0.0.1", port=door.dimse.start(), called=TITLE, calling="PACS")


@cache
def read(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path)


def check(folder: Path, sent: Sequence[Path], acknowledged: Sequence[Path]) -> None:
    """Open what a crash left, as the next start does, and compare."""
    door = BareDoor(folder)
    try:
        stored = {str(made.SOPInstanceUID): made for made in map(pydicom.dcmread, folder.glob("spool/*.dcm"))}
        source = {str(made.SOPInstanceUID): made for made in map(read, sent)}
        names = {uid for uid, made in source.items() if Path(str(made.filename)) in set(acknowledged)}
        assert names <= stored.keys() <= source.keys()
        assert all(stored[uid] == source[uid] for uid in stored)
        assert list(door.spool.incoming.iterdir()) == []
        told = [event.subject for event in door.audit.read(9_999) if event.act == Act.DOOR_INSTANCE_RECEIVE]
        assert {item.name for item in door.spool.waiting()} <= set(told)
        assert isinstance(verify(door.audit.path, door.audit.name, []), int)
    finally:
        door.audit.close()


@pytest.mark.parametrize("point", POINTS)
def test_a_door_killed_at_a_point_has_what_it_acknowledged_and_nothing_half(
    nursery: Nursery, tmp_path: Path, point: Point
) -> None:
    paths = objects(tmp_path / "sent", 3)
    passage = 1 if point is Point.RECEIPTS_WRITTEN else 2  # receipts are written together
    with running(nursery, tmp_path, f"{point}:{passage}") as (process, target):
        acknowledged = send(target, paths)
        assert process.wait(20) == -signal.SIGKILL
    assert len(acknowledged) < 3 or point is Point.RECEIPTS_WRITTEN
    check(tmp_path, paths, acknowledged)
    door = BareDoor(tmp_path)
    assert send(listening(door), paths) == paths
    door.dimse.stop()
    door.audit.close()


@pytest.mark.parametrize("point", POINTS[:4])
def test_a_disk_that_is_full_at_a_point_refuses_that_object_and_leaves_nothing_of_it(
    tmp_path: Path, point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, door = objects(tmp_path / "sent", 1), BareDoor(tmp_path)
    target = listening(door)

    def reach(reached: Point) -> None:
        if reached is point:
            raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", reach)
        (answer,) = dimse.send(target, paths)
    assert answer.status == 0xA700
    assert door.spool.waiting() == []
    assert [path for path in door.spool.incoming.iterdir() if path.stat().st_size] == []
    assert send(target, paths) == paths
    door.dimse.stop()
    door.receipts.write()
    told = [event for event in door.audit.read(9) if event.act == Act.DOOR_INSTANCE_RECEIVE][::-1]
    assert [(event.outcome, event.facts.get("reason")) for event in told] == [
        (AuditOutcome.REFUSED, "STORAGE_FULL"),
        (AuditOutcome.OK, None),
    ]
    door.audit.close()
    check(tmp_path, paths, paths)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_a_door_killed_at_random_under_load_has_what_it_acknowledged(
    nursery: Nursery, forty: list[Path], tmp_path: Path, seed: int
) -> None:
    chance, paths = random.Random(seed), forty
    acknowledged: list[Path] = []
    for _ in range(chance.randint(1, 3)):
        fault = f"{chance.choice(POINTS)}:{chance.randint(1, 40)}" if chance.random() < 0.5 else ""
        with running(nursery, tmp_path, fault) as (process, target):
            senders = [
                threading.Thread(target=lambda part=part: acknowledged.extend(send(target, paths[part::3])))  # type: ignore[misc]
                for part in range(3)
            ]
            for sender in senders:
                sender.start()
            time.sleep(chance.uniform(0, 0.4))
            process.kill()
            process.wait()
            for sender in senders:
                sender.join()
        check(tmp_path, paths, acknowledged)
