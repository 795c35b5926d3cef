"""A worker: takes one study at a time from the queue, has it read, and commits what came of it.

Any number may run, anywhere the database and the archives are reached. One may be killed at any instant: its request's
heartbeat stops, the sweep delivers the study again, and whatever the dead one had begun changes nothing.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException

from aegle import faults
from aegle.access import Act, event
from aegle.errors import AegleError, Forbidden, Unauthenticated, Unavailable
from aegle.hub.claims import BURNT_MAX, Claim, beat, check_pins, claim, put_back, settle
from aegle.hub.database import Database
from aegle.hub.queue import QUEUE, TASK
from aegle.ports import ArchiveReader, AuditSink
from aegle.records import AuditOutcome, Failure, Outcome, Prediction, Rejection, Request

log = logging.getLogger(__name__)

ReadStudy = Callable[[ArchiveReader, Request], Prediction | Rejection]
OpenArchive = Callable[[str, str], ArchiveReader]  #: the archive's URL and the grant

BEAT_S = 3.0
CLOCK_MARGIN = timedelta(seconds=60)  #: an archive whose clock is ahead refuses a grant we still believe in
COMMIT_PATIENCE_S = 120.0  #: a finished reading is worth waiting for a database that restarts


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Reads the studies of claimed requests."""

    name: str
    database: Database
    open_archive: OpenArchive
    read: ReadStudy
    audit: AuditSink

    def work(self, request_id: str) -> None:
        """Bring one request to its end, or back into the queue. Does nothing for one that is not to be done now."""
        held = claim(self.database, request_id, self.name)
        if held is None:
            return
        faults.reach(faults.Point.WORKER_CLAIMED)
        started = time.monotonic()
        with _alive(self.database, held):
            try:
                outcome = self._read(held)
            except Exception as error:  # noqa: BLE001 - the edge of a job: whatever a study does, the worker lives on
                self._audit_read(held, started, AuditOutcome.FAILED, code=code_of(error))
                self._end_badly(held, error)
                return
            faults.reach(faults.Point.WORKER_PREDICTED)
            self._audit_read(held, started, AuditOutcome.OK)
            self._commit(held, outcome)

    def _read(self, held: Claim) -> Outcome:
        request = held.request
        outcome = self.read(self.open_archive(request.archive_url, held.grant), request)
        check_pins(outcome, request.bundle.digest, request.operating_point)
        return outcome

    def _end_badly(self, held: Claim, error: Exception) -> None:
        log.warning("study not read", extra={"action": "read", "code": code_of(error), "error": type(error).__name__})
        if _grant_has_ended(held, error):
            _patiently(lambda: put_back(self.database, held, cost=0, without_grant=True))
        elif retryable(error) and held.burnt + 1 < BURNT_MAX:
            _patiently(lambda: put_back(self.database, held))
        else:
            self._commit(held, _failure(held, error))

    def _commit(self, held: Claim, outcome: Outcome) -> None:
        attempt = held.request.attempt
        done = _patiently(lambda: settle(self.database, outcome, attempt))
        faults.reach(faults.Point.WORKER_SETTLED)
        self.audit.append(
            event(
                Act.WORKER_PREDICTION_COMMIT, AuditOutcome.OK if done else AuditOutcome.REFUSED,
                principal=f"worker:{self.name}", site=outcome.site, subject=outcome.request_id,
                kind=type(outcome).__name__.lower(), attempt=attempt, reason="" if done else "late",
            )
        )  # fmt: skip

    def _audit_read(self, held: Claim, started: float, outcome: AuditOutcome, code: str = "") -> None:
        request = held.request
        self.audit.append(
            event(
                Act.WORKER_STUDY_READ, outcome, principal=f"worker:{self.name}", site=request.site,
                subject=request.study_uid, attempt=request.attempt, bundle=request.bundle.digest, code=code,
                seconds=round(time.monotonic() - started, 3),
            )
        )  # fmt: skip


def run_worker(
    database_url: str,
    *,
    open_archive: OpenArchive,
    read: ReadStudy,
    audit: AuditSink,
    name: str = "",
    until_empty: bool = False,
    handle_signals: bool = True,
) -> None:
    """Work until SIGTERM or SIGINT (the study in hand is finished first), or until the queue is empty.

    A database that goes away is waited for."""
    name = name or f"{socket.gethostname()[:40]}-{os.getpid()}"
    audit.append(event(Act.WORKER_PROCESS_START, principal=f"worker:{name}"))
    database = Database(database_url, connections=3)
    worker = Worker(name=name, database=database, open_archive=open_archive, read=read, audit=audit)
    try:
        while True:
            try:
                _queue(database_url, worker).run_worker(
                    queues=[QUEUE], name=name, concurrency=1, wait=not until_empty, delete_jobs="always",
                    install_signal_handlers=handle_signals,
                )  # fmt: skip
            except (psycopg.OperationalError, ConnectorException):
                log.warning("database away", extra={"action": "worker"})
                time.sleep(1.0)
            else:
                return
    finally:
        database.close()


def retryable(error: Exception) -> bool:
    """Whether another attempt may end better. What we did not foresee may be a passing state of the machine."""
    return error.meaning.retryable if isinstance(error, AegleError) else True


def code_of(error: Exception) -> str:
    """The stable code of an error, also of one that is none of ours."""
    return error.meaning.code if isinstance(error, AegleError) else "UNAVAILABLE"


def _queue(database_url: str, worker: Worker) -> procrastinate.App:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database_url, min_size=1, max_size=3))

    @app.task(name=TASK, queue=QUEUE)
    def read_study(request_id: str) -> None:
        worker.work(request_id)

    return app


def _grant_has_ended(held: Claim, error: Exception) -> bool:
    refused = isinstance(error, Forbidden | Unauthenticated)
    return refused and held.grant_expires_at - CLOCK_MARGIN <= datetime.now(UTC)


def _failure(held: Claim, error: Exception) -> Failure:
    request = held.request
    detail = (
        str(error).replace(held.grant, "(grant)")[:500]
        if isinstance(error, AegleError)
        else f"an error we did not foresee: {type(error).__name__}"
    )
    return Failure(
        request_id=request.request_id, site=request.site, study_uid=request.study_uid,
        input_digest=request.input_digest, code=code_of(error), detail=detail, decided_at=datetime.now(UTC),
    )  # fmt: skip


def _patiently(act: Callable[[], bool]) -> bool:
    """Repeat while the database is away, at most `COMMIT_PATIENCE_S`: the sweep takes over after that."""
    deadline = time.monotonic() + COMMIT_PATIENCE_S
    while True:
        try:
            return act()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


@contextmanager
def _alive(database: Database, held: Claim) -> Iterator[None]:
    """A heartbeat from a thread of its own while the block runs."""
    stop = threading.Event()

    def keep_beating() -> None:
        while not stop.wait(BEAT_S):
            try:
                if not beat(database, held):
                    return
            except Unavailable:  # the next beat may come through; if none does, the sweep is right
                continue

    thread = threading.Thread(target=keep_beating, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
