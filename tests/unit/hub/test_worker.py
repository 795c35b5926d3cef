"""Workers: what becomes of a study that is read, cannot be read, or takes its worker with it."""

import logging
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hubworld import BUNDLE, Trail, prediction, submission

from aegle.errors import AegleError, BadBundle, Forbidden, NotFound, PeerUnreachable
from aegle.hub import claims
from aegle.hub.bundles import register
from aegle.hub.database import Database, migrate
from aegle.hub.requests import accept, find_request, uncollected
from aegle.hub.sites import Enrolment, enroll
from aegle.hub.sweep import Patience, sweep
from aegle.hub.worker import ReadStudy, Worker, run_worker
from aegle.local.postgres import Postgres
from aegle.ports import ArchiveReader
from aegle.records import BundleRef, Failure, Prediction, Request, RequestState, Site

HERE = Path(__file__).parent


class NoArchive:
    """An archive nothing is asked of."""


def open_archive(url: str, grant: str) -> ArchiveReader:
    return NoArchive()  # type: ignore[return-value]


def good(archive: ArchiveReader, request: Request) -> Prediction:
    return prediction(request)


def raising(error: Exception) -> ReadStudy:
    def read(archive: ArchiveReader, request: Request) -> Prediction:
        raise error

    return read


def worker(database: Database, read: ReadStudy, trail: Trail | None = None) -> Worker:
    return Worker(name="w1", database=database, open_archive=open_archive, read=read, audit=trail or Trail())


def test_the_queue_is_worked_off_and_every_study_has_one_outcome(
    database: Database, database_url: str, anna: Site, berta: Site
) -> None:
    asked = [accept(database, anna, submission(number)).request_id for number in range(3)]
    asked += [accept(database, berta, submission(number, site="st-berta")).request_id for number in range(2)]
    trail = Trail()
    run_worker(
        database_url, open_archive=open_archive, read=good, audit=trail, name="w1", until_empty=True,
        handle_signals=False,
    )  # fmt: skip
    answers = [*uncollected(database, anna), *uncollected(database, berta)]
    assert sorted(answer.request_id for answer in answers) == sorted(asked)
    assert trail.acts().count("worker:prediction:commit ok") == 5


def test_the_archive_is_opened_with_the_address_and_grant_of_the_request(database: Database, anna: Site) -> None:
    opened = []

    def remember(url: str, grant: str) -> Any:
        opened.append((url, grant))

    request_id = accept(database, anna, submission()).request_id
    Worker(name="w1", database=database, open_archive=remember, read=good, audit=Trail()).work(request_id)
    assert opened == [(submission().archive_url, "grant-of-1")]


@pytest.mark.parametrize("error", [PeerUnreachable("the archive does not answer"), ValueError("no number")])
def test_what_may_pass_is_tried_again_after_a_pause(database: Database, anna: Site, error: Exception) -> None:
    request_id = accept(database, anna, submission()).request_id
    worker(database, raising(error)).work(request_id)
    assert find_request(database, request_id).state is RequestState.WAITING
    worker(database, good).work(request_id)
    assert find_request(database, request_id).state is RequestState.PREDICTED


def test_what_never_passes_is_a_failure_after_the_last_attempt(
    database: Database, anna: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = accept(database, anna, submission()).request_id
    for _ in range(claims.BURNT_MAX):
        assert uncollected(database, anna) == ()
        worker(database, raising(PeerUnreachable("the archive does not answer"))).work(request_id)
    (failure,) = uncollected(database, anna)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.detail) == ("PEER_UNREACHABLE", "the archive does not answer")


@pytest.mark.parametrize("error", [NotFound("no such study"), BadBundle("vectors differ"), Forbidden("another study")])
def test_what_cannot_pass_is_a_failure_at_once(database: Database, anna: Site, error: AegleError) -> None:
    request_id = accept(database, anna, submission()).request_id
    trail = Trail()
    worker(database, raising(error), trail).work(request_id)
    (failure,) = uncollected(database, anna)
    assert isinstance(failure, Failure)
    assert failure.code == error.meaning.code
    assert trail.acts() == ["worker:study:read failed", "worker:prediction:commit ok"]


def test_a_grant_that_ends_while_reading_burns_no_attempt(database: Database, anna: Site) -> None:
    ends_soon = datetime.now(UTC) + timedelta(seconds=20)
    request_id = accept(database, anna, submission(grant_expires_at=ends_soon)).request_id
    worker(database, raising(Forbidden("the grant has expired"))).work(request_id)
    assert find_request(database, request_id).state is RequestState.WAITING
    worker(database, good).work(request_id)
    assert find_request(database, request_id).state is RequestState.WAITING
    accept(database, anna, submission())
    worker(database, good).work(request_id)
    assert find_request(database, request_id).state is RequestState.PREDICTED


def test_neither_the_grant_nor_a_foreign_error_message_leaves_the_worker(
    database: Database, anna: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    trail = Trail()
    for number, error in ((1, ValueError("DOE^JANE")), (2, NotFound("GET /study?token=grant-of-2"))):
        request_id = accept(database, anna, submission(number)).request_id
        worker(database, raising(error), trail).work(request_id)
    said = caplog.text + repr([record.__dict__ for record in caplog.records]) + repr(trail.events)
    kept = repr(uncollected(database, anna))
    for secret in ("DOE^JANE", "grant-of-1", "grant-of-2"):
        assert secret not in said
        assert secret not in kept


def test_the_heartbeat_goes_on_while_a_study_is_read(
    database: Database, anna: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegle.hub.worker.BEAT_S", 0.02)
    request_id = accept(database, anna, submission()).request_id

    def last_beat() -> datetime:
        with database.transaction() as transaction:
            row = transaction.execute("SELECT heartbeat_at FROM request").fetchone()
        assert row is not None
        beat_at: datetime = row["heartbeat_at"]
        return beat_at

    def wait_for_a_beat(archive: ArchiveReader, request: Request) -> Prediction:
        first, deadline = last_beat(), time.monotonic() + 10
        while last_beat() == first:
            assert time.monotonic() < deadline
        return prediction(request)

    worker(database, wait_for_a_beat).work(request_id)
    assert find_request(database, request_id).state is RequestState.PREDICTED


def test_a_request_that_moved_on_is_audited_as_late(database: Database, anna: Site) -> None:
    request_id = accept(database, anna, submission(digest="a" * 64)).request_id
    trail = Trail()

    def overtaken(archive: ArchiveReader, request: Request) -> Prediction:
        accept(database, anna, submission(digest="e" * 64))
        return prediction(request)

    worker(database, overtaken, trail).work(request_id)
    assert trail.acts()[-1] == "worker:prediction:commit refused"
    assert uncollected(database, anna) == ()


def test_a_worker_killed_in_a_study_is_replaced_by_another(
    database: Database, database_url: str, anna: Site, tmp_path: Path
) -> None:
    request_id = accept(database, anna, submission()).request_id
    begun = tmp_path / "begun"
    environment = {**os.environ, "AEGLE_TEST_DATABASE": database_url, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, HERE / "slowworker.py", begun], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not begun.exists():
            assert process.poll() is None and time.monotonic() < deadline, "the worker did not begin"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert find_request(database, request_id).state is RequestState.RUNNING
    assert sweep(database, Patience(stalled_after_s=-1)).redelivered == (request_id,)
    trail = Trail()
    run_worker(database_url, open_archive=open_archive, read=good, audit=trail, until_empty=True, handle_signals=False)
    (answer,) = uncollected(database, anna)
    assert answer.request_id == request_id
    assert find_request(database, request_id).attempt == 2


def test_an_idle_worker_told_to_stop_leaves_in_order(database_url: str, tmp_path: Path) -> None:
    environment = {**os.environ, "AEGLE_TEST_DATABASE": database_url, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, HERE / "slowworker.py", tmp_path / "x"], env=environment)
    database = Database(database_url, connections=1)
    deadline = time.monotonic() + 60
    while True:
        with database.transaction() as transaction:
            if transaction.execute("SELECT 1 FROM procrastinate_workers").fetchone():
                break
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    database.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_reading_with_the_wrong_model_is_a_failure_and_no_result(database: Database, anna: Site) -> None:
    request_id = accept(database, anna, submission()).request_id
    wrong = BundleRef(name="papnet", version="1.0.0", digest="c" * 64)
    worker(database, lambda archive, request: prediction(request, bundle=wrong)).work(request_id)
    (failure,) = uncollected(database, anna)
    assert isinstance(failure, Failure)
    assert failure.code == "CONFLICT"


def test_a_database_killed_while_a_study_is_read_costs_no_reading(anna: Site, tmp_path: Path) -> None:
    server = Postgres(tmp_path / "pg", settings={"fsync": "off"})
    url = server.start()
    database = Database(url, connections=3)
    migrate(database)
    register(database, BUNDLE)
    enroll(database, anna.name, Enrolment(kind=anna.kind, archive_url=submission().archive_url))
    accept(database, anna, submission())
    read = []

    def kill_the_database(archive: ArchiveReader, request: Request) -> Prediction:
        read.append(request.attempt)
        os.kill(server.pid, signal.SIGKILL)
        server.start()
        return prediction(request)

    run_worker(
        url, open_archive=open_archive, read=kill_the_database, audit=Trail(), until_empty=True, handle_signals=False
    )
    assert read == [1]
    assert len(uncollected(database, anna)) == 1
    database.close()
    server.stop()
