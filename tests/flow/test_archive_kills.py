"""`kill -9` and a full disk at every point of storing over HTTP: acknowledged = stored = indexed, and nothing is left over."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from archiveserver import Server, objects
from nursery import Nursery

from aegle.faults import Point

POINTS = [
    Point.STOW_RECEIVING, Point.STOW_RECEIVED, Point.ARCHIVE_WRITTEN, Point.ARCHIVE_INDEXED, Point.ARCHIVE_RENAMED,
    Point.STOW_TAKEN,
]  # fmt: skip
SCHEDULES = int(os.environ.get("AEGLE_SCHEDULES", "1000"))
AGE = 8  #: schedules that one archive lives through


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery(Path(__file__).with_name("archiveserver.py"))
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path, nursery: Nursery) -> Iterator[Server]:
    made = Server(folder=tmp_path / "site", nursery=nursery)
    yield made
    made.kill()


def test_an_archive_killed_at_each_point_of_storing_loses_nothing_acknowledged(server: Server, tmp_path: Path) -> None:
    contents, acknowledged = objects(tmp_path, 3 * len(POINTS)), list[str]()
    uids = list(contents)
    for number, point in enumerate(POINTS):
        server.start(f"{point}:2")  # one object goes through, the second one meets the point
        server.check(acknowledged, contents)
        mine = uids[3 * number : 3 * number + 3]
        with server.client() as client:
            answers = [server.store(client, contents[uid]) for uid in mine]
        assert answers == [200, 0, 0]
        server.await_death()
        acknowledged.append(mine[0])
    server.start()
    server.check(acknowledged, contents)
    with server.client() as client:
        assert {server.store(client, content) for content in contents.values()} == {200}
    server.check(uids, contents)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if sys.platform == "win32" or mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def filled(disk: Path, room: int) -> Iterator[None]:
    """A disk with so many bytes of room left, while the block runs."""
    free = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, max(4_096, free.f_bavail * free.f_bsize - room))
    yield
    (disk / "ballast").unlink()


def test_a_disk_that_fills_up_refuses_by_the_standards_status_and_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    server, contents, acknowledged = Server(folder=small_disk), objects(tmp_path, 60), set[str]()
    server.start()
    statuses = set[int]()
    try:
        with server.client() as client:
            for room in range(
                140_000, 0, -8_192
            ):  # less and less for an object of 39 KB, its index entry and audit line
                uid = next(uid for uid in contents if uid not in acknowledged)
                with filled(small_disk, room):
                    status = server.store(client, contents[uid])
                statuses.add(status)
                acknowledged |= {uid} if status == 200 else set()
            assert statuses <= {200, 409, 507}
            assert statuses >= {200, 507}
            server.check(sorted(acknowledged), contents)
            assert server.store(client, contents[uid]) == 200
    finally:
        server.kill()


def storm(server: Server, contents: dict[str, bytes], acknowledged: list[str], uids: list[str]) -> threading.Thread:
    def run() -> None:
        with server.client() as client:
            for uid in uids:
                status = server.store(client, contents[uid])
                if status != 200:
                    return
                acknowledged.append(uid)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_whenever_it_is_killed_under_four_senders_nothing_acknowledged_is_lost(server: Server, tmp_path: Path) -> None:
    contents, acknowledged = objects(tmp_path, 400, columns=8), list[str]()
    uids = list(contents)
    for seed in range(SCHEDULES):
        if seed % AGE == 0:  # else everything is stored before long, and nothing new is ever under way
            server.folder, acknowledged = tmp_path / f"site-{seed}", []
        chance = random.Random(seed)
        point = chance.choice([*POINTS, None])
        server.start(f"{point}:{chance.randint(1, 12)}" if point else "")
        server.check(acknowledged, contents)
        chance.shuffle(uids)
        threads = [storm(server, contents, acknowledged, uids[part:100:4]) for part in range(4)]
        time.sleep(chance.uniform(0.01, 0.6))
        server.kill()
        for thread in threads:
            thread.join()
        if (seed + 1) % AGE == 0 or seed + 1 == SCHEDULES:
            server.start()
            server.check(sorted(set(acknowledged)), contents)
            server.kill()
            shutil.rmtree(server.folder)
