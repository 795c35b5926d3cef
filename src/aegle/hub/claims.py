"""A worker's hold on one request: claimed, kept alive, settled once, put back or given up.

The attempt is a fence: it grows with every claim, and each statement here names the one it speaks for. Whoever comes
late finds another number there and changes nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg.rows import DictRow

from aegle import api
from aegle.errors import Conflict
from aegle.hub.database import Database, Transaction, changed, one
from aegle.hub.queue import deliver
from aegle.hub.requests import as_request, as_uuid
from aegle.records import Failure, OperatingPoint, Outcome, Prediction, Rejection, Request, RequestState

BURNT_MAX = 10  #: a request fails when its bad endings have cost this much
CRASH_COST = 2  #: a worker that died in a study may have died of it
FIRST_PAUSE_S = 2
LONGEST_PAUSE_S = 300


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One request held by one worker, with the permission to read its study."""

    request: Request
    grant: str
    grant_expires_at: datetime
    burnt: int

    def __repr__(self) -> str:
        return f"Claim(request_id={self.request.request_id!r}, attempt={self.request.attempt})"


def claim(database: Database, request_id: str, worker: str) -> Claim | None:
    """Hold a waiting request whose grant still holds. None when there is nothing to do: it is held, finished, or waits
    for its site to renew the grant."""
    with database.transaction() as transaction:
        row = one(transaction, "claim", request_id=as_uuid(request_id), worker=worker)
    if row is None:
        return None
    return Claim(
        request=as_request(row),
        grant=row["grant_token"],
        grant_expires_at=row["grant_expires_at"],
        burnt=row["burnt"],
    )


def beat(database: Database, held: Claim) -> bool:
    """Say that the worker is alive. False when the request moved on."""
    with database.transaction() as transaction:
        return bool(changed(transaction, "beat", **_fence(held)))


def settle(database: Database, outcome: Outcome, attempt: int) -> bool:
    """Commit the outcome together with the request's new state. Durable before it returns.

    False, and nothing is changed, when the request is not running under this attempt with these images any more.
    Raises Conflict for an outcome made with another model or operating point than the request was pinned to."""
    with database.transaction() as transaction:
        row = one(
            transaction, "finish",
            request_id=as_uuid(outcome.request_id), site=outcome.site, study_uid=outcome.study_uid,
            input_digest=outcome.input_digest, attempt=attempt, state=_state(outcome),
        )  # fmt: skip
        if row is None:
            return False
        check_pins(outcome, row["bundle_digest"], OperatingPoint(threshold=row["threshold"], policy=row["policy"]))
        _keep(transaction, outcome, attempt)
    return True


def put_back(database: Database, held: Claim, *, cost: int = 1, without_grant: bool = False) -> bool:
    """Let another attempt come, after a pause that doubles with every bad ending.

    `without_grant`: the grant has expired; nothing is delivered until the site renews it. False when the request moved
    on."""
    with database.transaction() as transaction:
        row = one(transaction, "put_back", cost=cost, drop_grant=without_grant, **_fence(held))
        if row is None:
            return False
        if not without_grant:
            deliver(
                transaction, held.request.request_id, priority=0, not_before=datetime.now(UTC) + pause(row["burnt"])
            )
    return True


def check_pins(outcome: Outcome, bundle_digest: str, point: OperatingPoint) -> None:
    """Raises Conflict for an outcome made with another model or operating point than these."""
    if isinstance(outcome, Failure):
        return
    if outcome.bundle.digest != bundle_digest:
        raise Conflict("the outcome was made with another bundle than the request is pinned to")
    if isinstance(outcome, Prediction) and outcome.operating_point != point:
        raise Conflict("the outcome was decided at another operating point than the request is pinned to")


def give_up(transaction: Transaction, failure: Failure, attempt: int) -> bool:
    """End a request that nobody runs. False when it moved on."""
    if not changed(transaction, "give_up", request_id=as_uuid(failure.request_id), attempt=attempt):
        return False
    _keep(transaction, failure, attempt)
    return True


def pause(burnt: int) -> timedelta:
    """How long to wait before the next attempt."""
    return timedelta(seconds=min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** max(0, burnt - 1)))


def failure_of(row: DictRow, code: str, detail: str) -> Failure:
    """The failure of a row of `request`, decided now."""
    return Failure(
        request_id=str(row["request_id"]), site=row["site"], study_uid=row["study_uid"],
        input_digest=row["input_digest"], code=code, detail=detail, decided_at=datetime.now(UTC),
    )  # fmt: skip


def _fence(held: Claim) -> dict[str, object]:
    return {"request_id": as_uuid(held.request.request_id), "attempt": held.request.attempt}


def _state(outcome: Outcome) -> RequestState:
    match outcome:
        case Prediction():
            return RequestState.PREDICTED
        case Rejection():
            return RequestState.REJECTED
        case Failure():
            return RequestState.FAILED


def _keep(transaction: Transaction, outcome: Outcome, attempt: int) -> None:
    changed(
        transaction, "add_outcome",
        request_id=as_uuid(outcome.request_id), kind=_state(outcome), body=api.encode(outcome).decode(),
        attempt=attempt,
    )  # fmt: skip
