"""Accepting, pinning, superseding, delivering in a fair order, and handing over."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hubworld import BUNDLE, prediction, submission

from aegle import api
from aegle.errors import BadMessage, Conflict, Forbidden, NotFound, Overloaded, Unavailable
from aegle.hub import requests
from aegle.hub.bundles import register
from aegle.hub.claims import Claim, claim, settle
from aegle.hub.database import Database, migrate
from aegle.hub.requests import accept, collected, count_requests, find_request, list_requests, uncollected
from aegle.hub.sites import Enrolment, enroll
from aegle.records import RequestState, Site, SiteKind


def queue(database: Database) -> list[str]:
    """Request ids in the order in which one worker would take them."""
    with database.transaction() as transaction:
        rows = transaction.execute(
            "SELECT args->>'request_id' AS request_id FROM procrastinate_jobs "
            "WHERE status = 'todo' ORDER BY priority DESC, id"
        ).fetchall()
    return [row["request_id"] for row in rows]


def claimed(database: Database, request_id: str) -> Claim:
    held = claim(database, request_id, "w1")
    assert held is not None
    return held


def test_a_repeat_is_the_same_request_and_one_job(database: Database, anna: Site) -> None:
    first = accept(database, anna, submission())
    assert accept(database, anna, submission()) == first
    assert queue(database) == [first.request_id]


def test_the_same_key_at_another_site_is_another_request(database: Database, anna: Site, berta: Site) -> None:
    one = accept(database, anna, submission(key="k"))
    other = accept(database, berta, submission(key="k", site="st-berta"))
    assert one.request_id != other.request_id


def test_a_key_cannot_be_used_for_something_else(database: Database, anna: Site) -> None:
    accept(database, anna, submission(key="k"))
    for other in (submission(2, key="k"), submission(key="k", digest="f" * 64)):
        with pytest.raises(Conflict):
            accept(database, anna, other)


def test_model_and_operating_point_are_those_of_the_submission(database: Database, anna: Site) -> None:
    receipt = accept(database, anna, submission())
    register(database, dataclasses.replace(BUNDLE, version="2", digest="c" * 64))
    enroll(
        database, "st-anna",
        Enrolment(kind=SiteKind.HOSPITAL, archive_url=submission().archive_url, operating_point=0.9),
    )  # fmt: skip
    pinned = find_request(database, receipt.request_id)
    assert (pinned.bundle.digest, pinned.operating_point.threshold) == (BUNDLE.digest, BUNDLE.threshold)
    later = find_request(database, accept(database, anna, submission(2)).request_id)
    assert (later.bundle.digest, later.operating_point.policy) == ("c" * 64, "st-anna/2")


def test_other_images_of_a_study_supersede_what_is_unfinished(database: Database, anna: Site, berta: Site) -> None:
    waiting = accept(database, anna, submission(digest="a" * 64)).request_id
    elsewhere = accept(database, berta, submission(digest="a" * 64, site="st-berta")).request_id
    running = claimed(database, waiting)
    newer = accept(database, anna, submission(digest="e" * 64)).request_id
    states = {line.request_id: line.state for line in list_requests(database)}
    assert states[waiting] is RequestState.SUPERSEDED
    assert states[elsewhere] is states[newer] is RequestState.WAITING
    assert settle(database, prediction(running.request), 1) is False
    assert uncollected(database, anna) == ()


def test_a_finished_request_is_not_superseded(database: Database, anna: Site) -> None:
    first = accept(database, anna, submission(digest="a" * 64)).request_id
    settle(database, prediction(claimed(database, first).request), 1)
    accept(database, anna, submission(digest="e" * 64))
    assert find_request(database, first).state is RequestState.PREDICTED


def test_one_sites_backlog_does_not_starve_another(database: Database, anna: Site, berta: Site) -> None:
    annas = [accept(database, anna, submission(number)).request_id for number in range(1, 6)]
    bertas = [accept(database, berta, submission(number, site="st-berta")).request_id for number in range(1, 3)]
    assert queue(database) == [annas[0], bertas[0], annas[1], bertas[1], *annas[2:]]


def test_a_laboratory_sends_nothing_to_the_model(database: Database) -> None:
    with pytest.raises(Forbidden):
        accept(database, Site(name="cytolab", kind=SiteKind.LAB), submission(site="cytolab"))


def test_an_archive_that_is_not_the_sites_own_is_refused(database: Database, anna: Site) -> None:
    for url in ("http://169.254.169.254/", submission(site="st-berta").archive_url):
        with pytest.raises(Forbidden):
            accept(database, anna, submission(archive_url=url))
    assert queue(database) == []


def test_without_a_model_the_site_is_asked_to_come_again(empty_url: str, anna: Site) -> None:
    database = Database(empty_url, connections=2)
    migrate(database)
    enroll(database, "st-anna", Enrolment(kind=SiteKind.HOSPITAL, archive_url=submission().archive_url))
    with pytest.raises(Unavailable):
        accept(database, anna, submission())
    database.close()


def test_a_backlog_has_a_bound(database: Database, anna: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "WAITING_MAX", 2)
    accept(database, anna, submission(1))
    accept(database, anna, submission(2))
    with pytest.raises(Overloaded):
        accept(database, anna, submission(3))
    accept(database, anna, submission(1))


IMAGE = submission().instances[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ""}, {"key": "a b"}, {"key": "k" * 201}, {"input_digest": "A" * 64}, {"input_digest": ""},
        {"instances": ()}, {"instances": (IMAGE, IMAGE)}, {"study_uid": "2.25.9"},
        {"instances": (dataclasses.replace(IMAGE, sop_uid="DOE^JANE"),)},
        {"instances": (dataclasses.replace(IMAGE, series_uid="1." * 40),)},
        {"grant": ""}, {"grant": "a\nb"}, {"grant": "g" * 8193},
        {"grant_expires_at": datetime.now(UTC) - timedelta(seconds=1)},
        {"grant_expires_at": datetime.now(UTC) + timedelta(days=3)},
        {"grant_expires_at": datetime(2030, 1, 1)},
    ],
)  # fmt: skip
def test_a_submission_that_breaks_a_rule_is_refused_without_its_value(
    database: Database, anna: Site, changes: dict[str, object]
) -> None:
    with pytest.raises(BadMessage) as refused:
        accept(database, anna, submission(**changes))  # type: ignore[arg-type]
    assert "JANE" not in str(refused.value)


def test_an_outcome_is_handed_over_until_it_is_collected(database: Database, anna: Site, berta: Site) -> None:
    request_id = accept(database, anna, submission()).request_id
    answer = prediction(claimed(database, request_id).request)
    settle(database, answer, 1)
    assert uncollected(database, anna) == uncollected(database, anna) == (answer,)
    assert uncollected(database, berta) == ()
    with pytest.raises(NotFound):
        collected(database, berta, request_id)
    collected(database, anna, request_id)
    collected(database, anna, request_id)
    assert uncollected(database, anna) == ()


def test_an_outcome_is_stored_as_the_bytes_that_the_site_gets(database: Database, anna: Site) -> None:
    request_id = accept(database, anna, submission()).request_id
    answer = prediction(claimed(database, request_id).request)
    settle(database, answer, 1)
    with database.transaction() as transaction:
        row = transaction.execute("SELECT body FROM outcome").fetchone()
    assert row is not None
    assert row["body"].encode() == api.encode(answer)
    assert api.encode(uncollected(database, anna)[0]) == api.encode(answer)


@pytest.mark.parametrize("request_id", ["", "x", "00000000-0000-4000-8000-000000000000", "'; DROP TABLE request; --"])
def test_what_is_not_there_cannot_be_collected(database: Database, anna: Site, request_id: str) -> None:
    with pytest.raises(NotFound):
        collected(database, anna, request_id)


def test_a_request_that_runs_cannot_be_collected(database: Database, anna: Site) -> None:
    request_id = accept(database, anna, submission()).request_id
    with pytest.raises(NotFound):
        collected(database, anna, request_id)


def test_requests_are_counted_by_state(database: Database, anna: Site) -> None:
    accept(database, anna, submission(1))
    claimed(database, accept(database, anna, submission(2)).request_id)
    counts = {item.state: item.requests for item in count_requests(database)}
    assert counts == {RequestState.WAITING: 1, RequestState.RUNNING: 1}
    assert [line.study_uid for line in list_requests(database, RequestState.RUNNING)] == ["2.25.2"]
