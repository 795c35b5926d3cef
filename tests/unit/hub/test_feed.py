"""What is decided reaches the warehouse once, however often the feed breaks off; sites that were written down are taken in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hubworld import Running, Trail, prediction, submission

from aegle.access import Act, event
from aegle.errors import PeerUnreachable
from aegle.hub.claims import claim, settle
from aegle.hub.database import Database
from aegle.hub.enrolments import take_in
from aegle.hub.feed import AuditFeed, feed_outcomes, queue_depth
from aegle.hub.requests import accept
from aegle.hub.sites import list_sites
from aegle.local.warehouse import DuckWarehouse
from aegle.records import Outcome, Site


class Away(DuckWarehouse):
    """A warehouse that takes what it is given and then does not answer."""

    away = False

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        super().add_outcomes(outcomes)
        self._answer()

    def add_audit(self, *given: Any) -> None:
        super().add_audit(*given)
        self._answer()

    def _answer(self) -> None:
        if self.away:
            raise PeerUnreachable("away")


def read(database: Database, anna: Site, number: int) -> None:
    receipt = accept(database, anna, submission(number))
    held = claim(database, receipt.request_id, "w")
    assert held and settle(database, prediction(held.request), held.request.attempt)


def test_an_outcome_is_fed_once_though_the_warehouse_did_not_answer(
    database: Database, anna: Site, tmp_path: Path
) -> None:
    with Away(tmp_path / "w.duckdb") as warehouse:
        read(database, anna, 1)
        warehouse.away = True
        with pytest.raises(PeerUnreachable):
            feed_outcomes(database, warehouse)
        warehouse.away = False
        read(database, anna, 2)
        assert feed_outcomes(database, warehouse) == 2
        assert feed_outcomes(database, warehouse) == 0
        assert warehouse.query("SELECT study_uid FROM prediction ORDER BY 1").rows == (("2.25.1",), ("2.25.2",))


def test_acts_are_fed_in_order_from_where_it_broke_off(tmp_path: Path) -> None:
    trail = Trail()
    with Away(tmp_path / "w.duckdb") as warehouse:
        feed = AuditFeed(trail, tmp_path / "fed.json", warehouse)
        assert feed.turn() == 0
        trail.append(event(Act.HUB_PROCESS_START), event(Act.HUB_SITE_ENROLL, subject="st-anna"))
        warehouse.away = True
        with pytest.raises(PeerUnreachable):
            feed.turn()
        warehouse.away = False
        trail.append(event(Act.HUB_BUNDLE_REGISTER))
        assert feed.turn() == 3
        rows = warehouse._database.cursor().execute("SELECT number, act FROM audit ORDER BY 1").fetchall()
    assert rows == [(1, "hub:process:start"), (2, "hub:site:enroll"), (3, "hub:bundle:register")]


def test_the_depth_is_what_waits_and_what_is_being_read(database: Database, anna: Site) -> None:
    assert queue_depth(database) == 0
    receipts = [accept(database, anna, submission(number)) for number in (1, 2)]
    claim(database, receipts[0].request_id, "w")
    assert queue_depth(database) == 2
    read(database, anna, 3)
    assert queue_depth(database) == 2


def written(**changes: object) -> bytes:
    said = {
        "kind": "lab",
        "account": "site-new@sites-prod.iam.gserviceaccount.com",
        "archive_url": "https://h.example/x",
    }
    return json.dumps(said | changes).encode()


def test_a_site_that_was_written_down_is_enrolled_and_only_a_change_is_news(hub: Running) -> None:
    trail = Trail()
    assert take_in(hub.database, trail, {"new.json": written()}) == 1
    assert take_in(hub.database, trail, {"new.json": written()}) == 0
    assert take_in(hub.database, trail, {"new.json": written(archive_url="https://h.example/y")}) == 1
    assert trail.acts() == ["hub:site:enroll ok"] * 2
    (status,) = [item for item in list_sites(hub.database) if item.name == "new"]
    assert (status.account, status.archive_url) == (
        "site-new@sites-prod.iam.gserviceaccount.com",
        "https://h.example/y",
    )


@pytest.mark.parametrize(
    "content",
    [b"not json", b"[]", b"{}", written(kind="other"), written(account="a person"), written(archive_url="ftp://x")],
)
def test_one_that_cannot_be_used_keeps_no_other_back(hub: Running, content: bytes) -> None:
    assert take_in(hub.database, Trail(), {"bad.json": content, "new.json": written(), "hub.json": written()}) == 1
    assert "bad" not in {item.name for item in list_sites(hub.database)}
