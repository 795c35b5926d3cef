"""`kill -9` in the middle of an intake that settles sixteen objects at once: nothing is lost, doubled or without its patient."""

import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from intakesite import Site
from nursery import Nursery

from aegle.access import Act
from aegle.deid import HoldReason
from aegle.faults import Point
from aegle.local.archive.upkeep import check
from aegle.local.audit import verify

POINTS = [
    Point.INTAKE_DEIDENTIFIED, Point.INTAKE_VAULTED, Point.ARCHIVE_WRITTEN, Point.ARCHIVE_RENAMED, Point.ARCHIVE_INDEXED,
    Point.INTAKE_AUDITED, Point.INTAKE_HELD,
]  # fmt: skip
OBJECTS, TWICE, PICTURES = 24, 3, 2  #: slices; of them sent again with other content; with something burned in
SCHEDULES = int(os.environ.get("AEGLE_SCHEDULES", "1000"))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery(Path(__file__).with_name("intakesite.py"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def spooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's folder in which everything waits."""
    folder = tmp_path_factory.mktemp("spooled") / "site"
    site = Site(folder)
    for number in range(OBJECTS):
        site.receive(SOPInstanceUID=f"1.2.3.{number}")
    for number in range(TWICE):
        site.receive(SOPInstanceUID=f"1.2.3.{number}", KVP="80")
    for number in range(PICTURES):
        site.receive(SOPInstanceUID=f"1.2.4.{number}", BurnedInAnnotation="YES")
    site.close()
    return folder


def vaulted_before_archived(folder: Path) -> bool:
    """Whether the vault knows everything that the archive lists."""
    with (
        closing(sqlite3.connect(folder / "vault.db")) as vault,
        closing(sqlite3.connect(folder / "archive/index.db")) as index,
    ):
        known = {row[0] for row in vault.execute("SELECT sop_alias FROM instance")}
        return known >= {row[0] for row in index.execute("SELECT sop_uid FROM instance")}


def check_all_is_settled(folder: Path) -> None:
    assert list(check(folder / "archive")) == []
    site = Site(folder)
    try:
        assert site.spool.waiting() == []
        assert list(site.intake.work.iterdir()) == list((folder / "archive" / "incoming").iterdir()) == []
        uids = [site.intake.pseudonyms.uid(f"1.2.3.{number}") for number in range(OBJECTS)]
        assert all(site.vault.admission(uid) and site.archive.find(uid) for uid in uids)
        assert all(site.archive.metadata(site.archive.find(uid))["00180060"]["Value"] == [120] for uid in uids)  # type: ignore[arg-type]
        held = [entry.reason for entry in site.quarantine.entries()]
        assert sorted(held) == [HoldReason.BURNED_IN_RISK] * PICTURES + [HoldReason.CHANGED_SOURCE] * TWICE
        told = list(site.audit.read(9_999))
        settled = {
            event.subject for event in told if event.act in (Act.INTAKE_INSTANCE_ADMIT, Act.INTAKE_INSTANCE_REPEAT)
        }
        assert settled == set(uids)
        assert {event.subject for event in told if event.act == Act.INTAKE_INSTANCE_HOLD} == {
            entry.entry_id for entry in site.quarantine.entries()
        }
        assert isinstance(verify(site.audit.path, site.audit.name, []), int)
    finally:
        site.close()


@pytest.mark.parametrize("point", POINTS)
def test_an_intake_killed_with_many_under_way_settles_each_once(
    nursery: Nursery, spooled: Path, tmp_path: Path, point: Point
) -> None:
    folder = shutil.copytree(spooled, tmp_path / "site")
    passages = (2, 3) if point is Point.INTAKE_HELD else (5, 11)
    for passage in passages:
        assert nursery.start(str(folder), fault=f"{point}:{passage}").wait(60) == -signal.SIGKILL
        assert vaulted_before_archived(folder)
    assert nursery.start(str(folder)).wait(60) == 0
    check_all_is_settled(folder)


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_whenever_an_intake_is_killed_it_settles_each_once(nursery: Nursery, spooled: Path, tmp_path: Path) -> None:
    for seed in range(SCHEDULES):
        chance, folder = random.Random(seed), shutil.copytree(spooled, tmp_path / f"site-{seed}")
        for _ in range(chance.randint(1, 4)):
            point = chance.choice([*POINTS, None, None])
            child = nursery.start(str(folder), fault=f"{point}:{chance.randint(1, 20)}" if point else "")
            time.sleep(chance.uniform(0, 0.8))
            child.kill()
            child.wait()
            assert vaulted_before_archived(folder), seed
        assert nursery.start(str(folder)).wait(60) == 0, seed
        check_all_is_settled(folder)
        shutil.rmtree(folder)
