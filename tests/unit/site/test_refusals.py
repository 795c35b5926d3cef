"""Refusals at a listener: each is written down, and a flood of them within a bound."""

import socket
import threading
from pathlib import Path

import pytest

from aegle.access import Act
from aegle.local.audit import ChainedLines
from aegle.protocols.dialogue import Patience
from aegle.protocols.door import DimseDoor
from aegle.protocols.peers import News, Sender
from aegle.records import AuditOutcome
from aegle.site import refusals
from aegle.site.door import Notices
from aegle.site.refusals import Refusals
from aegle.site.unwritten import Unwritten


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_of_an_address_are_told_each_and_the_rest_of_its_minute_as_a_count() -> None:
    clock = Clock()
    made = Refusals(clock)
    told = [made.is_told("10.0.0.1", "MALFORMED") for _ in range(50)]
    assert told == [True] * refusals.ONE_BY_ONE + [False] * (50 - refusals.ONE_BY_ONE)
    assert made.is_told("10.0.0.2", "MALFORMED")
    assert not made.is_told("10.0.0.1", "NO_TLS")
    assert made.due() == []
    clock.now = refusals.WINDOW_SECONDS
    assert sorted(made.due()) == [("10.0.0.1", "MALFORMED", 40), ("10.0.0.1", "NO_TLS", 1)]
    assert made.due(ending=True) == []
    assert made.is_told("10.0.0.1", "MALFORMED")


def test_more_addresses_than_can_be_kept_apart_share_one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "ADDRESSES_MAX", 20)
    made = Refusals(Clock())
    told = sum(made.is_told(f"10.0.{number // 256}.{number % 256}", "MALFORMED") for number in range(1_000))
    assert told == 20 + refusals.ONE_BY_ONE
    assert made.due(ending=True) == [("", "MALFORMED", 1_000 - told)]


def test_a_flood_of_malformed_associations_leaves_a_bounded_trail_that_counts_all_of_them(tmp_path: Path) -> None:
    audit, refused = ChainedLines(tmp_path / "audit", "x1", "site"), threading.Semaphore(0)
    notices = Notices(site="x1", audit=audit, unwritten=Unwritten())
    really = notices.of("dimse")

    def notice(news: News, sender: Sender, reason: str) -> None:
        really(news, sender, reason)
        refused.release()

    door = DimseDoor(
        ae_title="X1",
        address=("127.0.0.1", 0),
        allow=(),
        folder=tmp_path,
        receive=lambda *_: None,
        notice=notice,
        patience=Patience(request_s=5),
    )
    port = door.start()
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x1\r\n\r\n")
            while peer.recv(100):
                pass
    for _ in range(60):
        assert refused.acquire(timeout=10)
    door.stop()
    notices.tell_counted(ending=True)
    told = list(audit.read(100))
    assert len(told) == refusals.ONE_BY_ONE + 1
    assert sum(int(event.facts.get("count", 1)) for event in told) == 60
    assert {(event.act, event.outcome, event.facts["reason"], event.facts["peer"]) for event in told} == {
        (Act.DOOR_ASSOCIATION_OPEN, AuditOutcome.REFUSED, "MALFORMED", "127.0.0.1")
    }
