"""The site's memory of studies, requests and results: each step once, in order, across restarts."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aegle.errors import NotFound, StorageFull
from aegle.records import BundleRef, Failure, Rejection, RejectReason
from aegle.site.state import Delivery, RequestPhase, SiteState, Step

STUDY = "2.25.7"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SiteState]:
    made = SiteState(tmp_path / "site.db")
    yield made
    made.close()


def submitted(state: SiteState, key: str = "k1", request_id: str = "r1") -> None:
    state.touch(STUDY)
    state.complete(STUDY, "d" + key, key)
    state.submitted(key, request_id, datetime.now(UTC) + timedelta(hours=1))


def outcome(request_id: str = "r1", input_digest: str = "dk1") -> Rejection:
    return Rejection(
        request_id=request_id,
        site="st-anna",
        study_uid=STUDY,
        input_digest=input_digest,
        bundle=BundleRef(name="n", version="1", digest="0" * 64),
        reason=RejectReason.OUT_OF_FOCUS,
        detail="",
        quality=None,
        decided_at=datetime.now(UTC),
    )


def delivery(sop_uid: str = "2.25.9") -> Delivery:
    return Delivery(
        sop_uid=sop_uid, key="k1", study_uid=STUDY, kind="sr", file=f"{sop_uid}.dcm", sent_at=None, tries=0, problem=""
    )


def test_a_study_is_fresh_until_complete_and_again_when_something_comes(state: SiteState) -> None:
    state.touch(STUDY)
    assert [study.study_uid for study in state.studies(fresh=True)] == [STUDY]
    state.complete(STUDY, "d", "")
    assert state.studies(fresh=True) == []
    state.touch(STUDY)
    assert state.study(STUDY).fresh
    with pytest.raises(NotFound):
        state.study("2.25.8")


def test_a_study_is_not_complete_when_something_came_in_while_its_images_were_listed(state: SiteState) -> None:
    state.touch(STUDY)
    seen = state.study(STUDY)
    state.touch(STUDY)
    assert not state.complete(STUDY, "d-without-the-last-image", "k1", as_of=seen.last_at)
    assert state.study(STUDY).fresh and state.wishes(RequestPhase.WANTED) == []
    assert state.complete(STUDY, "d", "k2", as_of=state.study(STUDY).last_at)
    assert not state.study(STUDY).fresh and [wish.key for wish in state.wishes(RequestPhase.WANTED)] == ["k2"]


def test_a_commit_that_fails_is_undone_and_the_next_one_goes_through(state: SiteState) -> None:
    class Full(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_FULL

    with pytest.raises(StorageFull), state.transaction() as database:
        database.execute("INSERT INTO step VALUES ('2.25.8', 'received', 0)")
        raise Full
    state.touch(STUDY)
    assert state.timeline("2.25.8") == {}


def test_a_changed_study_supersedes_its_open_request_and_late_answers_change_nothing(state: SiteState) -> None:
    submitted(state, "k1", "r1")
    submitted(state, "k2", "r2")
    assert [wish.key for wish in state.wishes(RequestPhase.SUPERSEDED)] == ["k1"]
    assert not state.keep_outcome(outcome("r1"))
    assert state.keep_outcome(outcome("r2", "dk2"))


def test_an_answer_about_other_images_is_not_kept(state: SiteState) -> None:
    submitted(state)
    assert not state.keep_outcome(outcome("r1", "other"))
    assert state.open_wish("r1") is not None


def test_only_failures_of_the_same_images_count(state: SiteState) -> None:
    submitted(state)
    failure = Failure(
        request_id="r1",
        site="st-anna",
        study_uid=STUDY,
        input_digest="dk1",
        code="UNREADABLE",
        detail="",
        decided_at=datetime.now(UTC),
    )
    assert state.keep_outcome(failure)
    assert (state.failures(STUDY, "dk1"), state.failures(STUDY, "dk2")) == (1, 0)


def test_an_outcome_is_kept_once_and_reads_back_the_same(state: SiteState) -> None:
    submitted(state)
    kept = outcome()
    assert state.keep_outcome(kept)
    assert not state.keep_outcome(kept)
    (wish,) = state.wishes(RequestPhase.ANSWERED)
    assert wish.outcome == kept


def test_an_answer_is_kept_when_the_reply_to_its_submission_was_lost(state: SiteState) -> None:
    state.touch(STUDY)
    state.complete(STUDY, "dk1", "k1")
    assert state.keep_outcome(outcome("r1"))
    state.submitted("k1", "r1", datetime.now(UTC))
    (wish,) = state.wishes(RequestPhase.ANSWERED)
    assert wish.request_id == "r1"


def test_an_answer_for_other_images_is_not_kept(state: SiteState) -> None:
    state.touch(STUDY)
    state.complete(STUDY, "d-of-other-images", "k1")
    assert not state.keep_outcome(outcome("r1"))


def test_renewing_a_grant_does_not_undo_an_answer(state: SiteState) -> None:
    submitted(state)
    state.keep_outcome(outcome())
    state.submitted("k1", "r1", datetime.now(UTC))
    assert [wish.phase for wish in state.wishes(*RequestPhase)] == [RequestPhase.ANSWERED]


def test_results_are_due_until_sent_and_wait_longer_after_a_failure(state: SiteState) -> None:
    submitted(state)
    state.built("k1", [delivery()])
    state.built("k1", [delivery()])
    assert [item.sop_uid for item in state.due()] == ["2.25.9"]
    state.postponed(delivery(), "PACS_LOST", 60)
    assert state.due() == []
    assert state.undelivered() == 1
    state.sent(delivery())
    assert state.undelivered() == 0


def test_the_timeline_keeps_the_first_time_of_each_step(state: SiteState) -> None:
    submitted(state)
    before = state.timeline(STUDY)
    state.touch(STUDY)
    assert state.timeline(STUDY) == before
    assert list(before) == [Step.RECEIVED, Step.COMPLETE, Step.SUBMITTED]


def test_everything_is_there_after_opening_again_and_for_a_reader_beside(state: SiteState, tmp_path: Path) -> None:
    submitted(state)
    beside = SiteState(tmp_path / "site.db", read_only=True)
    assert [wish.key for wish in beside.wishes(RequestPhase.SUBMITTED)] == ["k1"]
    beside.close()
