"""Answers come home: each one that was asked for is kept, in whatever order the replies arrive."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from aegle.local.audit import ChainedLines
from aegle.records import BundleRef, Failure, Rejection, RejectReason
from aegle.site.results import Outcomes
from aegle.site.state import RequestPhase, SiteState

STUDY = "2.25.7"


class HubOf:
    """A hub that has these outcomes ready."""

    def __init__(self, *outcomes: Rejection) -> None:
        self.ready = {outcome.request_id: outcome for outcome in outcomes}

    def outcomes(self) -> list[Rejection]:
        return list(self.ready.values())

    def collected(self, request_id: str) -> None:
        del self.ready[request_id]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SiteState]:
    made = SiteState(tmp_path / "site.db")
    made.touch(STUDY)
    made.complete(STUDY, "d1", "k1")
    yield made
    made.close()


def outcome(input_digest: str = "d1") -> Rejection:
    return Rejection(
        request_id="r1", site="st-anna", study_uid=STUDY, input_digest=input_digest,
        bundle=BundleRef(name="papnet", version="1", digest="b" * 64), reason=RejectReason.OUT_OF_FOCUS, detail="",
        quality=None, decided_at=datetime.now(UTC),
    )  # fmt: skip


def collect(state: SiteState, tmp_path: Path, *outcomes: Rejection) -> SimpleNamespace:
    hub, audit = HubOf(*outcomes), ChainedLines(tmp_path / "audit", "st-anna", "site")
    Outcomes(site="st-anna", state=state, hub=hub, audit=audit).collect()  # type: ignore[arg-type]
    audit.close()
    (wish,) = state.wishes(*RequestPhase)
    return SimpleNamespace(wish=wish, ready=hub.ready)


def test_an_answer_that_comes_before_the_reply_to_its_submission_is_kept(state: SiteState, tmp_path: Path) -> None:
    found = collect(state, tmp_path, outcome())
    assert found.wish.phase is RequestPhase.ANSWERED
    assert isinstance(found.wish.outcome, Rejection)
    assert not found.ready


def test_an_answer_for_other_images_becomes_a_failure_and_never_a_result(state: SiteState, tmp_path: Path) -> None:
    state.submitted("k1", "r1", datetime.now(UTC))
    found = collect(state, tmp_path, outcome("of-other-images"))
    assert isinstance(found.wish.outcome, Failure) and found.wish.outcome.code == "CONFLICT"


def test_an_answer_nobody_waits_for_is_collected_and_changes_nothing(state: SiteState, tmp_path: Path) -> None:
    found = collect(state, tmp_path, outcome("of-other-images"))
    assert found.wish.outcome is None and not found.ready
