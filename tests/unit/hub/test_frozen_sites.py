"""A site that was retired or stopped on purpose: let in no more, waited for no more, and let in again when it thaws."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hubworld import ARCHIVE, Running, Trail

from aegle import api
from aegle.errors import Unauthenticated
from aegle.hub.database import Database
from aegle.hub.enrolments import take_in
from aegle.hub.overview import take_overview
from aegle.hub.sites import (
    Enrolment,
    authenticate,
    authenticate_account,
    enroll,
    greet,
    list_sites,
    rotate_credential,
)
from aegle.local.enrolment import freeze_others
from aegle.records import SiteKind

ANNA = Enrolment(kind=SiteKind.HOSPITAL, archive_url=ARCHIVE.format("st-anna"))
ACCOUNT = "site-new@sites-prod.iam.gserviceaccount.com"
HELLO = api.Hello(software="0.1.0", held=3, spooled=0, undelivered=0, disk_free_bytes=1)


def frozen(database: Database) -> Mapping[str, bool]:
    return {status.name: status.frozen for status in list_sites(database)}


def written(**more: object) -> Mapping[str, bytes]:
    said = {"kind": "lab", "account": ACCOUNT, "archive_url": "https://h.example/x", **more}
    return {"new.json": json.dumps(said).encode()}


def test_a_frozen_site_is_let_in_no_more_until_it_thaws(database: Database) -> None:
    enroll(database, "st-anna", ANNA)
    secret = rotate_credential(database, "st-anna")
    assert authenticate(database, "st-anna", secret).name == "st-anna"
    enroll(database, "st-anna", replace(ANNA, frozen=True))
    with pytest.raises(Unauthenticated, match="frozen"):
        authenticate(database, "st-anna", secret)
    with pytest.raises(Unauthenticated, match="does not hold"):  # a stranger does not learn that it is
        authenticate(database, "st-anna", "guessed")
    enroll(database, "st-anna", ANNA)
    assert authenticate(database, "st-anna", secret).name == "st-anna"


def test_nobody_waits_for_the_hello_of_a_frozen_site(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    enroll(hub.database, "st-anna", ANNA)
    for site in ("st-anna", "st-berta"):
        greet(hub.database, authenticate(hub.database, site, rotate_credential(hub.database, site)), HELLO)
    later = datetime.now(UTC) + timedelta(hours=1)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return later

    monkeypatch.setattr("aegle.hub.overview.datetime", Later)
    before = {alert.site for alert in take_overview(hub.database, hub.services.warehouse).alerts}
    enroll(hub.database, "st-anna", replace(ANNA, frozen=True))
    after = {alert.site for alert in take_overview(hub.database, hub.services.warehouse).alerts}
    assert before - after == {"st-anna"}


@dataclass
class Operator:
    """The operator's client, on this hub."""

    hub: Running

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        status, content = self.hub.call("operator", method, path, json.dumps(body).encode() if body else None)
        assert status == 200, content
        return httpx.Response(status, content=content)


def test_on_one_machine_every_site_that_shall_not_run_is_frozen_and_keeps_its_policy(hub: Running) -> None:
    enroll(hub.database, "st-anna", replace(ANNA, operating_point=0.25))
    revision = {status.name: status.policy_revision for status in list_sites(hub.database)}
    for _ in range(2):
        freeze_others(Operator(hub), {"st-berta"})  # type: ignore[arg-type]
    assert [name for name, is_frozen in frozen(hub.database).items() if not is_frozen] == ["st-berta"]
    assert {status.name: status.policy_revision for status in list_sites(hub.database)} == revision


def test_on_google_a_site_is_frozen_by_its_file_and_by_its_file_being_gone(hub: Running) -> None:
    trail, others = Trail(), frozen(hub.database)
    take_in(hub.database, trail, written())
    assert not frozen(hub.database)["new"]
    take_in(hub.database, trail, written(frozen=True))
    assert frozen(hub.database)["new"]
    take_in(hub.database, trail, written())
    assert not frozen(hub.database)["new"]
    assert [take_in(hub.database, trail, {}) for _ in range(2)] == [1, 0]
    assert frozen(hub.database) == {**others, "new": True}
    with pytest.raises(Unauthenticated, match="frozen"):
        authenticate_account(hub.database, ACCOUNT)
    assert trail.acts() == ["hub:site:enroll ok"] * 4


def test_a_file_that_cannot_be_used_freezes_no_site(hub: Running) -> None:
    take_in(hub.database, Trail(), written())
    take_in(hub.database, Trail(), {"new.json": b"not json"})
    assert not frozen(hub.database)["new"]
