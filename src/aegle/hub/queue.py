"""Delivery of requests to workers: one procrastinate job says one request's id, and nothing else."""

from datetime import datetime
from functools import cache

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued

from aegle.hub.database import Transaction, changed

QUEUE = "studies"
TASK = "aegle.hub.read_study"


def deliver(transaction: Transaction, request_id: str, *, priority: int, not_before: datetime | None = None) -> bool:
    """Put the request into the queue within the caller's transaction. False when a job of it waits there already.

    Higher priorities are taken first; procrastinate fixes them at this moment."""
    job = _sender().configure_task(
        TASK, queue=QUEUE, queueing_lock=request_id, priority=priority, schedule_at=not_before, connection=transaction
    )
    try:
        with transaction.transaction():
            job.defer(request_id=request_id)
    except AlreadyEnqueued:
        return False
    changed(transaction, "mark_delivered", request_id=request_id)
    return True


@cache
def _sender() -> procrastinate.App:
    """Never opened: every job goes in on the connection of a transaction of ours."""
    return procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
