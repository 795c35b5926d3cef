"""Requests as a site sees them: accepted once, pinned to a model, finished, collected.

A request and its delivery are written in one transaction, so that no accepted study is forgotten and no worker hears of
a request that is not there.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow

from aegle import api, faults
from aegle.errors import Conflict, Forbidden, NotFound, Overloaded, Unavailable
from aegle.hub.database import Database, Transaction, changed, every, one
from aegle.hub.queue import deliver
from aegle.hub.sites import in_force
from aegle.hub.submissions import check
from aegle.records import BundleRef, InstanceRef, OperatingPoint, Outcome, Request, RequestState, Site, SiteKind

WAITING_MAX = 20_000  #: requests of one site that may wait
COLLECT_AT_ONCE = 20


@dataclass(frozen=True, kw_only=True)
class RequestLine:
    """One request as the operator sees it in a list."""

    request_id: str
    site: str
    study_uid: str
    images: int
    state: RequestState
    attempt: int
    worker: str | None  #: who holds or held it last
    bundle_name: str
    bundle_version: str
    policy: str
    threshold: float
    submitted_at: datetime
    finished_at: datetime | None
    collected_at: datetime | None  #: when the site held the outcome durably


@dataclass(frozen=True, kw_only=True)
class StateCount:
    """Requests in one state."""

    state: RequestState
    requests: int
    oldest: datetime  #: when the oldest of them was submitted


def accept(database: Database, site: Site, submission: api.Submission) -> api.Receipt:
    """Take a study to be read, with the model and operating point in force now. Durable before it returns.

    Idempotent by the site and its key: a repeat renews the grant. The same study with other images supersedes what is
    unfinished of it. Raises BadMessage, Forbidden, Conflict (a key used again for something else), Overloaded,
    Unavailable (no model is registered yet)."""
    if site.kind is not SiteKind.HOSPITAL:
        raise Forbidden("a laboratory's studies are not sent to the model")
    check(submission)
    with database.transaction() as transaction:
        row = one(transaction, "hold_site", site=site.name)  # one submission of a site at a time: places are counted
        if row is None or row["archive_url"] != submission.archive_url:
            raise Forbidden("archive_url is not the address the hub has for this site. Run aegle apply")
        known = one(transaction, "request_by_key", site=site.name, key=submission.key)
        receipt = _renew(transaction, known, submission) if known else _add(transaction, site, submission)
    faults.reach(faults.Point.HUB_ACCEPTED)
    return receipt


def _add(transaction: Transaction, site: Site, submission: api.Submission) -> api.Receipt:
    force = in_force(transaction, site.name)
    if force is None:
        raise Unavailable("no model is registered at the hub yet")
    bundle, point = force
    changed(
        transaction, "supersede",
        site=site.name, study_uid=submission.study_uid, input_digest=submission.input_digest,
    )  # fmt: skip
    place = _waiting(transaction, site)
    request_id = str(uuid.uuid4())
    changed(
        transaction, "add_request",
        request_id=request_id, site=site.name, key=submission.key, study_uid=submission.study_uid,
        input_digest=submission.input_digest, instances=_instances_json(submission),
        bundle_digest=bundle.digest, threshold=point.threshold, policy=point.policy, **_grant(submission),
    )  # fmt: skip
    deliver(transaction, request_id, priority=-place)
    return api.Receipt(request_id=request_id, state=RequestState.WAITING)


def _waiting(transaction: Transaction, site: Site) -> int:
    """The place behind the site's own backlog, so that another site's first study comes before this one's second."""
    row = one(transaction, "count_waiting", site=site.name)
    waiting = int(row["waiting"]) if row else 0
    if waiting >= WAITING_MAX:
        raise Overloaded(f"{waiting} requests of this site wait already")
    return waiting


def _renew(transaction: Transaction, known: DictRow, submission: api.Submission) -> api.Receipt:
    same = (submission.study_uid, submission.input_digest, _instances_json(submission))
    if (known["study_uid"], known["input_digest"], known["instances"]) != same:
        raise Conflict("this key names another study or other images")
    request_id, state = str(known["request_id"]), RequestState(known["state"])
    changed(transaction, "renew_grant", request_id=request_id, **_grant(submission))
    if state is RequestState.WAITING:
        deliver(transaction, request_id, priority=0)
    return api.Receipt(request_id=request_id, state=state)


def uncollected(database: Database, site: Site) -> tuple[Outcome, ...]:
    """Outcomes the site does not hold yet, oldest first, at most `COLLECT_AT_ONCE`."""
    with database.transaction() as transaction:
        rows = every(transaction, "uncollected", site=site.name, limit=COLLECT_AT_ONCE)
    return tuple(read_outcome(row["body"]) for row in rows)


def collected(database: Database, site: Site, request_id: str) -> None:
    """The site holds this outcome durably. Idempotent. Raises NotFound for any but a finished request of its own."""
    with database.transaction() as transaction:
        if not changed(transaction, "collect", request_id=as_uuid(request_id), site=site.name):
            raise NotFound("no such finished request of this site")


def find_request(database: Database, request_id: str) -> Request:
    """One request by its id. Raises NotFound."""
    with database.transaction() as transaction:
        row = one(transaction, "request", request_id=as_uuid(request_id))
    if row is None:
        raise NotFound("no such request")
    return as_request(row)


def list_requests(database: Database, state: RequestState | None = None, limit: int = 200) -> tuple[RequestLine, ...]:
    """The latest requests of every site, newest first."""
    with database.transaction() as transaction:
        rows = every(transaction, "requests", state=state, limit=limit)
    return tuple(RequestLine(**{**row, "state": RequestState(row["state"])}) for row in rows)


def count_requests(database: Database) -> tuple[StateCount, ...]:
    """How many requests are in each state, and since when the oldest."""
    with database.transaction() as transaction:
        rows = every(transaction, "counts_by_state")
    return tuple(StateCount(**{**row, "state": RequestState(row["state"])}) for row in rows)


def as_uuid(text: str) -> uuid.UUID:
    """A request id as the database takes it. Raises NotFound for what cannot be one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound("no such request") from None


def as_request(row: DictRow) -> Request:
    """The record of a row of `request` joined with its bundle. It never holds the grant."""
    return Request(
        request_id=str(row["request_id"]), site=row["site"], key=row["key"], study_uid=row["study_uid"],
        input_digest=row["input_digest"], instances=api.decode(tuple[InstanceRef, ...], row["instances"]),
        archive_url=row["archive_url"], state=RequestState(row["state"]),
        bundle=BundleRef(name=row["bundle_name"], version=row["bundle_version"], digest=row["bundle_digest"]),
        operating_point=OperatingPoint(threshold=row["threshold"], policy=row["policy"]),
        attempt=row["attempt"], submitted_at=row["submitted_at"], finished_at=row["finished_at"],
    )  # fmt: skip


def read_outcome(body: str) -> Outcome:
    """An outcome from its stored JSON."""
    outcome: Outcome = api.decode(Outcome, body)  # type: ignore[arg-type]  # a union is a type form, not a class
    return outcome


def _grant(submission: api.Submission) -> dict[str, Any]:
    return {
        "grant": submission.grant,
        "grant_expires_at": submission.grant_expires_at,
        "archive_url": submission.archive_url,
    }


def _instances_json(submission: api.Submission) -> str:
    return api.encode(submission.instances, tuple[InstanceRef, ...]).decode()
