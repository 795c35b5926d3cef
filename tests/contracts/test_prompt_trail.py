"""The audit trail of a machine that may go with its disk: at Google before an act is acknowledged, kept when Google is away."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cloud_double import Cloud, clouded

from aegle.access import Act, event
from aegle.google import Figures, PromptTrail, Session, address
from aegle.google.figures import QUEUE_DEPTH
from aegle.local.audit import ChainedLines, verify


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with clouded() as opened:
        yield opened


@pytest.fixture
def session(cloud: Cloud) -> Iterator[Session]:
    with httpx.Client() as client:
        yield Session(cloud.identity("aegle-hub@p.iam.gserviceaccount.com"), client, wait=lambda seconds: None)


@pytest.fixture
def trail(cloud: Cloud, session: Session, tmp_path: Path) -> Iterator[PromptTrail]:
    chain = ChainedLines(tmp_path, "hub", "hub-1")
    trail = PromptTrail(
        chain, tmp_path / "copied.json", session, "p", address("logging", "v2", cloud.url), patience_s=20
    )
    yield trail
    trail.close()
    chain.close()


def numbers(cloud: Cloud) -> list[str]:
    return [entry["labels"]["number"] for entry in cloud.rest.log.values()]  # type: ignore[index]


def test_an_act_lies_in_cloud_logging_when_its_append_returns(trail: PromptTrail, cloud: Cloud) -> None:
    for count in range(1, 4):
        trail.append(event(Act.HUB_PROCESS_START))
        assert numbers(cloud) == [str(number) for number in range(1, count + 1)]


def test_while_google_is_away_acts_are_kept_and_nobody_waits(trail: PromptTrail, cloud: Cloud, tmp_path: Path) -> None:
    trail.append(event(Act.HUB_PROCESS_START))
    cloud.away.add("logging")
    trail.append(event(Act.HUB_PROCESS_START))  # notices; well before its patience ends
    before = time.monotonic()
    trail.append(event(Act.HUB_PROCESS_START))
    assert time.monotonic() - before < 10
    assert trail.waiting == 2
    cloud.away.clear()
    trail.close()
    assert numbers(cloud) == ["1", "2", "3"] and trail.waiting == 0
    assert verify(tmp_path / "hub-1.jsonl", "hub/hub-1", [trail.head()]) == 3


def test_a_figure_that_another_hub_wrote_within_seconds_is_left_to_it(session: Session, cloud: Cloud) -> None:
    figures = Figures(session, "p", cloud.url)
    assert figures.write(QUEUE_DEPTH, 3)
    cloud.too_often = True
    assert not figures.write(QUEUE_DEPTH, 4)
    assert [series["points"][0]["value"] for series in cloud.figures] == [{"int64Value": "3"}]
