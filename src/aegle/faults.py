"""Named points at which a test may kill the process, to prove that nothing acknowledged is lost there.

A point does nothing unless `AEGLE_FAULT` names it: `AEGLE_FAULT=intake-vaulted` or, for the third passage,
`AEGLE_FAULT=intake-vaulted:3`. The process then ends as by `kill -9`, without flushing or unwinding.
"""

import itertools
import os
import signal
from enum import StrEnum


class Point(StrEnum):
    """Every point, in the order an instance and its result pass them."""

    DOOR_ARRIVING = "door-arriving"
    DOOR_MARKED = "door-marked"
    SPOOL_WRITTEN = "spool-written"
    SPOOL_NAMED = "spool-named"
    SPOOL_RENAMED = "spool-renamed"
    RECEIPTS_WRITTEN = "receipts-written"
    INTAKE_DEIDENTIFIED = "intake-deidentified"
    INTAKE_VAULTED = "intake-vaulted"
    STOW_RECEIVING = "stow-receiving"
    STOW_RECEIVED = "stow-received"
    ARCHIVE_WRITTEN = "archive-written"
    ARCHIVE_INDEXED = "archive-indexed"
    ARCHIVE_RENAMED = "archive-renamed"
    STOW_TAKEN = "stow-taken"
    INTAKE_AUDITED = "intake-audited"
    INTAKE_HELD = "intake-held"
    REQUEST_SENT = "request-sent"
    HUB_ACCEPTED = "hub-accepted"
    WORKER_CLAIMED = "worker-claimed"
    WORKER_PREDICTED = "worker-predicted"
    WORKER_SETTLED = "worker-settled"
    OUTCOME_KEPT = "outcome-kept"
    OUTCOME_COLLECTED = "outcome-collected"
    RESULT_BUILT = "result-built"
    RESULT_ARCHIVED = "result-archived"
    RESULT_RESTORED = "result-restored"
    RESULT_SENT = "result-sent"
    LABEL_RECORDED = "label-recorded"
    LABEL_SENT = "label-sent"


_name, _, _passage = os.environ.get("AEGLE_FAULT", "").partition(":")
_armed = Point(_name) if _name else None
_left = itertools.count(int(_passage or "1"), -1)


def reach(point: Point) -> None:
    """Pass a named point; the process dies here when the environment says so."""
    if point is _armed and next(_left) == 1:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
