"""Feeds the warehouse with what is decided elsewhere: outcomes of requests, and the hub's own audit trail.

Each turn takes what waits and says so only when the warehouse has it; a turn that breaks off is done again, and the
warehouse takes no row twice.
"""

import json
from pathlib import Path

from aegle import durable
from aegle.hub.database import Database, changed, every, one
from aegle.hub.requests import read_outcome
from aegle.ports import AuditSink, Warehouse

BATCH = 200


def feed_outcomes(database: Database, warehouse: Warehouse) -> int:
    """Put a batch of outcomes that wait into the warehouse; answers how many. Raises as the warehouse does."""
    with database.transaction() as transaction:
        rows = every(transaction, "outcomes_due", most=BATCH)
    outcomes = [read_outcome(row["body"]) for row in rows]
    if outcomes:
        warehouse.add_outcomes(outcomes)
        with database.transaction() as transaction:
            changed(transaction, "outcome_fed", request_ids=[row["request_id"] for row in rows])
    return len(outcomes)


class AuditFeed:
    """The hub's own chain, as rows. How far it came is one small file beside the chain."""

    def __init__(self, trail: AuditSink, place: Path, warehouse: Warehouse) -> None:
        self._trail, self._place, self._warehouse = trail, place, warehouse

    def turn(self) -> int:
        """Put a batch of events that wait into the warehouse; answers how many. Raises as the warehouse does."""
        head, fed = self._trail.head(), self._fed()
        waiting = list(self._trail.read(head.count - fed))[::-1][:BATCH] if head.count > fed else []
        if waiting:
            self._warehouse.add_audit(head.chain, fed + 1, waiting)
            durable.write(self._place, json.dumps({"fed": fed + len(waiting)}).encode())
        return len(waiting)

    def _fed(self) -> int:
        try:
            return int(json.loads(self._place.read_bytes())["fed"])
        except FileNotFoundError:
            return 0


def queue_depth(database: Database) -> int:
    """Requests that wait or are being read: what the number of workers goes by."""
    with database.transaction() as transaction:
        row = one(transaction, "queue_depth")
    return int(row["requests"]) if row else 0
