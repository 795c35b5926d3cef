"""The fence against late workers, the pauses between attempts, and the sweep."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hubworld import prediction, submission

from aegle.errors import Conflict
from aegle.hub.claims import BURNT_MAX, CRASH_COST, Claim, beat, claim, pause, put_back, settle
from aegle.hub.database import Database
from aegle.hub.requests import accept, find_request, uncollected
from aegle.hub.sweep import Patience, Sweeper, Swept, sweep
from aegle.records import BundleRef, Failure, OperatingPoint, Rejection, RejectReason, RequestState, Site

AT_ONCE = Patience(stalled_after_s=-1, lost_after_s=-1)
PATIENT = Patience()
NOTHING = Swept(redelivered=(), failed=())


@pytest.fixture
def request_id(database: Database, anna: Site) -> str:
    return accept(database, anna, submission()).request_id


def hold(database: Database, request_id: str) -> Claim:
    held = claim(database, request_id, "w1")
    assert held is not None
    return held


def run(database: Database, statement: str) -> list[dict[str, object]]:
    with database.transaction() as transaction:
        cursor = transaction.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_request_is_held_by_one_worker_only(database: Database, request_id: str) -> None:
    held: list[Claim | None] = []
    threads = [threading.Thread(target=lambda: held.append(claim(database, request_id, "w"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item is not None for item in held) == [False, False, False, False, True]


def test_a_late_worker_changes_nothing(database: Database, anna: Site, request_id: str) -> None:
    late = hold(database, request_id)
    assert sweep(database, AT_ONCE).redelivered == (request_id,)
    second = hold(database, request_id)
    assert second.request.attempt == 2
    assert beat(database, late) is False
    assert put_back(database, late) is False
    assert settle(database, prediction(late.request, score=0.1), late.request.attempt) is False
    assert find_request(database, request_id).state is RequestState.RUNNING
    good = prediction(second.request)
    assert settle(database, good, second.request.attempt) is True
    assert settle(database, good, second.request.attempt) is False
    assert uncollected(database, anna) == (good,)


def test_an_answer_about_other_images_changes_nothing(database: Database, request_id: str) -> None:
    held = hold(database, request_id)
    assert settle(database, prediction(held.request, input_digest="e" * 64), 1) is False
    assert settle(database, prediction(held.request, site="st-berta"), 1) is False


@pytest.mark.parametrize(
    "changes",
    [
        {"bundle": BundleRef(name="papnet", version="1.0.0", digest="c" * 64)},
        {"operating_point": OperatingPoint(threshold=0.41, policy="bundle-default")},
        {"operating_point": OperatingPoint(threshold=0.4, policy="st-anna/9")},
    ],
)
def test_an_answer_of_another_model_or_threshold_is_refused(
    database: Database, request_id: str, changes: dict[str, object]
) -> None:
    held = hold(database, request_id)
    with pytest.raises(Conflict):
        settle(database, prediction(held.request, **changes), 1)
    assert find_request(database, request_id).state is RequestState.RUNNING


def test_a_rejection_is_handed_over_like_a_prediction(database: Database, anna: Site, request_id: str) -> None:
    request = hold(database, request_id).request
    rejection = Rejection(
        request_id=request_id, site=request.site, study_uid=request.study_uid, input_digest=request.input_digest,
        bundle=request.bundle, reason=RejectReason.OUT_OF_FOCUS, detail="sharpness 0.1 of 0.3", quality=None,
        decided_at=datetime.now(UTC),
    )  # fmt: skip
    assert settle(database, rejection, 1)
    assert uncollected(database, anna) == (rejection,)
    assert find_request(database, request_id).state is RequestState.REJECTED


def test_the_grant_is_gone_when_the_request_is_finished(database: Database, request_id: str) -> None:
    settle(database, prediction(hold(database, request_id).request), 1)
    assert run(database, "SELECT grant_token FROM request") == [{"grant_token": None}]


def test_a_grant_shows_in_no_representation(database: Database, request_id: str) -> None:
    held = hold(database, request_id)
    assert held.grant == "grant-of-1"
    assert held.grant not in f"{held!r} {held.request!r}"


def test_an_expired_grant_waits_for_its_site_and_burns_nothing(database: Database, anna: Site, request_id: str) -> None:
    run(database, "UPDATE request SET grant_expires_at = now() - interval '1 second'")
    assert claim(database, request_id, "w1") is None
    assert sweep(database, AT_ONCE) == NOTHING
    accept(database, anna, submission(grant="renewed"))
    held = hold(database, request_id)
    assert (held.grant, held.burnt, held.request.attempt) == ("renewed", 0, 1)


def test_a_grant_that_ended_in_the_middle_is_renewed_and_delivered(
    database: Database, anna: Site, request_id: str
) -> None:
    run(database, "DELETE FROM procrastinate_jobs")
    assert put_back(database, hold(database, request_id), cost=0, without_grant=True)
    assert claim(database, request_id, "w1") is None
    assert run(database, "SELECT id FROM procrastinate_jobs") == []
    accept(database, anna, submission())
    assert len(run(database, "SELECT id FROM procrastinate_jobs WHERE status = 'todo'")) == 1
    assert hold(database, request_id).burnt == 0


def test_an_older_grant_does_not_replace_a_newer_one(database: Database, anna: Site, request_id: str) -> None:
    older = submission(grant="older", grant_expires_at=datetime.now(UTC) + timedelta(minutes=5))
    accept(database, anna, older)
    assert hold(database, request_id).grant == "grant-of-1"


def test_a_site_that_never_renews_gets_a_failure_in_the_end(database: Database, anna: Site, request_id: str) -> None:
    run(database, "UPDATE request SET grant_expires_at = now() - interval '25 hours'")
    assert sweep(database, PATIENT).failed == (request_id,)
    (failure,) = uncollected(database, anna)
    assert isinstance(failure, Failure)
    assert failure.code == "FORBIDDEN"


def test_a_request_that_lost_its_job_is_delivered_again(database: Database, request_id: str) -> None:
    assert sweep(database, AT_ONCE) == NOTHING
    run(database, "DELETE FROM procrastinate_jobs")
    assert sweep(database, PATIENT) == NOTHING
    assert sweep(database, AT_ONCE).redelivered == (request_id,)
    assert sweep(database, AT_ONCE) == NOTHING


def test_a_living_worker_is_left_alone(database: Database, request_id: str) -> None:
    held = hold(database, request_id)
    assert beat(database, held)
    assert sweep(database, PATIENT) == NOTHING


def test_a_study_that_kills_its_workers_fails_at_last(database: Database, anna: Site, request_id: str) -> None:
    for _ in range(BURNT_MAX // CRASH_COST - 1):
        hold(database, request_id)
        assert sweep(database, AT_ONCE).redelivered == (request_id,)
    hold(database, request_id)
    assert sweep(database, AT_ONCE).failed == (request_id,)
    (failure,) = uncollected(database, anna)
    assert isinstance(failure, Failure)
    assert failure.code == "UNAVAILABLE"


def test_jobs_of_dead_workers_are_buried(database: Database) -> None:
    run(
        database,
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') "
        "RETURNING id) INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id) "
        "SELECT 'studies', 'x', 'doing', id FROM dead",
    )
    sweep(database, PATIENT)
    assert run(database, "SELECT id FROM procrastinate_jobs") == []


def test_the_pause_doubles_up_to_five_minutes() -> None:
    assert [pause(burnt).total_seconds() for burnt in (0, 1, 2, 3, 8, 9, 50)] == [2, 2, 4, 8, 256, 300, 300]


def test_the_sweeper_reports_what_it_did(database: Database, request_id: str) -> None:
    hold(database, request_id)
    reported: list[Swept] = []
    done = threading.Event()

    def report(swept: Swept) -> None:
        reported.append(swept)
        done.set()

    sweeper = Sweeper(database, report, every_s=0.05, patience=AT_ONCE)
    sweeper.start()
    assert done.wait(10)
    sweeper.stop()
    assert reported[0].redelivered == (request_id,)
