"""What the operator is told: health, counts, and what needs a person."""

from datetime import UTC, datetime, timedelta

import pytest
from hubworld import BUNDLE, Running, label, submission

from aegle import api
from aegle.errors import NotFound
from aegle.hub.overview import (
    LONG_WAIT,
    SILENT_AFTER,
    Overview,
    SiteCount,
    SiteLine,
    age,
    by_state,
    find_alerts,
)  # fmt: skip
from aegle.hub.sites import SiteStatus
from aegle.records import BundleRef, OperatingPoint, RequestState, SiteKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HELLO = api.Hello(software="0.1.0", held=0, spooled=0, undelivered=0, disk_free_bytes=10**12)


def line(*counts: SiteCount, hello: api.Hello | None = HELLO, ago_s: float = 5, bundle: bool = True) -> SiteLine:
    status = SiteStatus(
        name="st-anna", kind=SiteKind.HOSPITAL, archive_url="http://127.0.0.1:1", account="",
        enrolled_at=NOW - timedelta(days=1), credential_made_at=None, policy_revision=0, bundle_digest=None,
        threshold=None, hello=hello,
        hello_at=NOW - timedelta(seconds=ago_s) if hello else None,
    )  # fmt: skip
    known = BundleRef(name="papnet", version="1", digest="b" * 64) if bundle else None
    point = OperatingPoint(threshold=0.4, policy="bundle-default") if bundle else None
    return SiteLine(status=status, bundle=known, operating_point=point, requests=counts)


def count(state: RequestState, *, ago: timedelta = timedelta(seconds=5), lately: int = 0) -> SiteCount:
    return SiteCount(site="st-anna", state=state, requests=1, lately=lately, oldest=NOW - ago, uncollected=0)


def told(*lines: SiteLine, workers: int = 1) -> list[str]:
    return [alert.what for alert in find_alerts(lines, workers, NOW)]


def test_a_healthy_site_gives_no_alert() -> None:
    assert told(line(count(RequestState.WAITING), count(RequestState.PREDICTED, ago=timedelta(days=3)))) == []


def test_a_silent_site_and_one_that_never_spoke_are_named() -> None:
    assert told(line(ago_s=SILENT_AFTER.total_seconds())) == []
    assert told(line(ago_s=SILENT_AFTER.total_seconds() + 1)) == ["st-anna has been silent for 61 s."]
    assert told(line(hello=None)) == ["st-anna has never said hello."]


def test_a_failure_is_told_for_a_day_and_then_no_more() -> None:
    assert told(line(count(RequestState.FAILED, lately=1))) == ["1 request of st-anna failed in the last 24 hours."]
    assert told(line(count(RequestState.FAILED, lately=0))) == []


@pytest.mark.parametrize("state", [RequestState.WAITING, RequestState.RUNNING])
def test_a_request_that_waits_too_long_is_told(state: RequestState) -> None:
    assert told(line(count(state, ago=LONG_WAIT))) == []
    late = LONG_WAIT + timedelta(seconds=1)
    assert told(line(count(state, ago=late))) == [f"A request of st-anna has been {state.value} for 2 min."]


def test_work_without_workers_and_hospitals_without_a_model_are_told_first() -> None:
    assert told(line(count(RequestState.WAITING)), workers=0) == ["Requests wait and no worker is alive."]
    assert told(line(bundle=False)) == ["No model is registered."]


def test_what_is_held_and_a_full_disk_are_worth_a_look_and_not_grave() -> None:
    hello = api.Hello(software="0.1.0", held=2, spooled=0, undelivered=0, disk_free_bytes=10**9)
    alerts = list(find_alerts([line(hello=hello)], 1, NOW))
    assert [alert.what for alert in alerts] == [
        "st-anna has 1.0 GB of disk left.",
        "2 objects held at the door of st-anna.",
    ]
    assert not any(alert.grave for alert in alerts)


def test_counts_of_several_sites_add_up_and_the_oldest_wins() -> None:
    lines = [line(count(RequestState.WAITING)), line(count(RequestState.WAITING, ago=timedelta(seconds=9)))]
    found = by_state(lines)
    assert found[RequestState.WAITING] == (2, NOW - timedelta(seconds=9))
    assert found[RequestState.FAILED] == (0, None)


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0 s"), (119, "119 s"), (121, "2 min"), (7200, "2 h"), (200_000, "2 days")]
)
def test_an_age_is_said_as_a_person_says_it(seconds: int, words: str) -> None:
    assert age(timedelta(seconds=seconds)) == words


def test_the_overview_shows_health_model_requests_and_labels(hub: Running) -> None:
    hub.call("st-anna", "POST", api.HELLO, api.encode(HELLO))
    hub.call("st-anna", "POST", api.REQUESTS, api.encode(submission()))
    batch = api.LabelBatch(labels=(label(1), label(2), label(3, code="NILM", reader="r2")))
    hub.call("cytolab", "POST", api.LABELS, api.encode(batch))
    _, body = hub.call("operator", "GET", "/v1/admin/overview")
    overview = api.decode(Overview, body)
    anna, lab = overview.site("st-anna"), overview.site("cytolab")
    assert anna.status.hello == HELLO
    assert anna.bundle is not None and anna.bundle.digest == BUNDLE.digest
    assert [(item.state, item.requests) for item in anna.requests] == [(RequestState.WAITING, 1)]
    assert lab.bundle is None and lab.requests == ()
    assert [(item.code, item.labels, item.readers) for item in overview.labels] == [("HSIL", 2, 1), ("NILM", 1, 1)]
    assert "Requests wait and no worker is alive." in [alert.what for alert in overview.alerts]
    with pytest.raises(NotFound):
        overview.site("nowhere")


def test_a_hello_is_audited_when_it_is_news(hub: Running) -> None:
    def hellos() -> int:
        return sum(event.act == "hub:site:hello" for event in hub.trail.events)

    for _ in range(3):
        hub.call("st-anna", "POST", api.HELLO, api.encode(HELLO))
    assert hellos() == 1
    held = api.Hello(software="0.1.0", held=1, spooled=0, undelivered=0, disk_free_bytes=1)
    hub.call("st-anna", "POST", api.HELLO, api.encode(held))
    assert hellos() == 2
