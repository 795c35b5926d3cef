"""The AuditSink contract on every implementation: chained lines, and the same with a copy in Cloud Logging."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from google_double import Double, Token, running

from aegle.access import Act
from aegle.errors import Overloaded
from aegle.google import CloudTrail, Session
from aegle.local.audit import ChainedLines, verify
from aegle.ports import AuditSink
from aegle.records import AuditEvent, AuditOutcome


def event(subject: str = "") -> AuditEvent:
    return AuditEvent(
        event_id=str(uuid.uuid4()),
        happened_at=datetime.now(UTC),
        act=Act.INTAKE_INSTANCE_ADMIT,
        outcome=AuditOutcome.OK,
        principal="system",
        site="st-anna",
        subject=subject,
    )


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[ChainedLines]:
    chain = ChainedLines(tmp_path / "audit", "st-anna", "site")
    yield chain
    chain.close()


@pytest.fixture
def double() -> Iterator[Double]:
    with running() as made:
        yield made


@pytest.fixture
def trail(lines: ChainedLines, double: Double, tmp_path: Path) -> Iterator[CloudTrail]:
    with httpx.Client() as client:
        session = Session(Token(double), client, wait=lambda seconds: None)
        yield CloudTrail(lines, tmp_path / "shipped.json", session, "p", f"{double.url}/v2")


@pytest.fixture(params=["lines", "cloud"])
def sink(request: pytest.FixtureRequest) -> AuditSink:
    made: AuditSink = request.getfixturevalue("lines" if request.param == "lines" else "trail")
    return made


def test_events_are_read_back_latest_first(sink: AuditSink) -> None:
    events = [event(str(number)) for number in range(5)]
    sink.append(*events[:3])
    sink.append(*events[3:])
    assert list(sink.read(10)) == events[::-1]
    assert list(sink.read(2)) == events[:2:-1]


def test_the_head_counts_and_changes_with_every_event(sink: AuditSink) -> None:
    heads = [sink.head()]
    for _ in range(3):
        sink.append(event())
        heads.append(sink.head())
    assert [head.count for head in heads] == [0, 1, 2, 3]
    assert len({head.digest for head in heads}) == 4
    assert {head.chain for head in heads} == {"st-anna/site"}


def test_an_acknowledged_event_is_on_disk(sink: AuditSink, lines: ChainedLines) -> None:
    sink.append(event("the one"))
    assert "the one" in lines.path.read_text()
    assert verify(lines.path, "st-anna/site", [sink.head()]) == 1


def test_what_was_appended_is_at_google_once_and_in_order(trail: CloudTrail, double: Double) -> None:
    events = [event(str(number)) for number in range(1203)]
    trail.append(*events)
    assert trail.waiting == 1203
    assert trail.ship() == 1203
    assert trail.waiting == 0 and trail.ship() == 0
    assert list(double.log) == [f"st-anna/site/{number}" for number in range(1, 1204)]
    assert [entry["jsonPayload"]["subject"] for entry in double.log.values()] == [item.subject for item in events]  # type: ignore[index]


def test_the_copy_carries_the_digest_of_the_chain(trail: CloudTrail, double: Double) -> None:
    trail.append(event(), event())
    trail.ship()
    *_, last = double.log.values()
    assert last["labels"]["digest"] == trail.head().digest  # type: ignore[index]


def test_an_outage_delays_the_copy_and_loses_nothing(trail: CloudTrail, double: Double) -> None:
    trail.append(event("before"))
    double.fail = [429] * 5
    with pytest.raises(Overloaded):
        trail.ship()
    trail.append(event("during"))
    assert trail.ship() == 2
    assert len(double.log) == 2


def test_what_was_sent_and_not_noted_is_sent_again_and_kept_once(
    trail: CloudTrail, double: Double, tmp_path: Path
) -> None:
    trail.append(event(), event())
    trail.ship()
    (tmp_path / "shipped.json").unlink()  # as if the process had been killed between the answer and the note
    trail.append(event())
    assert trail.ship() == 3
    assert len(double.log) == 3
