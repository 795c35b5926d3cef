"""The sweep: every few seconds, work that nobody does any more is delivered again, and what cannot be done is ended.

The queue alone never takes over the job of a worker that was killed; the request's own heartbeat tells us.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from psycopg.rows import DictRow

from aegle.errors import Unavailable
from aegle.hub.claims import BURNT_MAX, CRASH_COST, failure_of, give_up
from aegle.hub.database import Database, Transaction, changed, every, one
from aegle.hub.queue import QUEUE, deliver

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long each kind of silence is borne, in seconds."""

    stalled_after_s: float = 20.0  #: a running request without a heartbeat
    lost_after_s: float = 30.0  #: a waiting request without a job in the queue
    grant_s: float = 24 * 3600.0  #: a request whose site does not renew its grant
    dead_after_s: float = 600.0  #: a queue worker without a heartbeat; far longer than any database restart


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What one sweep did, by request id."""

    redelivered: tuple[str, ...]
    failed: tuple[str, ...]


def sweep(database: Database, patience: Patience | None = None) -> Swept:
    """Deliver stalled and lost requests again, and end those that used up their attempts or their site's patience.

    Safe when several processes sweep at once."""
    patience = patience or Patience()
    redelivered: list[str] = []
    failed: list[str] = []
    with database.transaction() as transaction:
        for row in every(transaction, "stalled", stalled_after_s=patience.stalled_after_s):
            (redelivered if _take_over(transaction, row) else failed).append(str(row["request_id"]))
        for row in every(transaction, "lost", lost_after_s=patience.lost_after_s):
            deliver(transaction, str(row["request_id"]), priority=0)
            redelivered.append(str(row["request_id"]))
        for row in every(transaction, "without_grant", patience_s=patience.grant_s):
            failure = failure_of(row, "FORBIDDEN", "the site did not renew the permission to read this study in time")
            give_up(transaction, failure, row["attempt"])
            failed.append(failure.request_id)
        changed(transaction, "bury_jobs", queue=QUEUE, dead_after_s=patience.dead_after_s)
    return Swept(redelivered=tuple(redelivered), failed=tuple(failed))


def _take_over(transaction: Transaction, row: DictRow) -> bool:
    """Whether a stalled request gets another attempt."""
    if row["burnt"] + CRASH_COST >= BURNT_MAX:
        give_up(transaction, failure_of(row, "UNAVAILABLE", "workers stopped in this study too often"), row["attempt"])
        return False
    fence = {"request_id": row["request_id"], "attempt": row["attempt"]}
    one(transaction, "put_back", cost=CRASH_COST, drop_grant=False, **fence)
    deliver(transaction, str(row["request_id"]), priority=0)
    return True


class Sweeper:
    """A thread that sweeps until it is stopped."""

    def __init__(
        self,
        database: Database,
        report: Callable[[Swept], None],
        *,
        every_s: float = 5.0,
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._report = report
        self._every_s = every_s
        self._patience = patience
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Sweep now and then every `every_s` seconds."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the current sweep is over."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                swept = sweep(self._database, self._patience)
                if swept.redelivered or swept.failed:
                    self._report(swept)
            except Unavailable as error:  # the database comes back, or the hub is restarted
                log.warning("sweep postponed", extra={"action": "sweep", "code": error.meaning.code})
            self._stop.wait(self._every_s)
