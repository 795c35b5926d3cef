"""A site on Google Cloud signs in as its service account: a verified token is one site, and only that one."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from hubworld import ARCHIVE, Running, serving

from aegle import api
from aegle.errors import BadMessage, Conflict, Unauthenticated
from aegle.hub.app import create_hub_app
from aegle.hub.database import Database
from aegle.hub.sites import Enrolment, authenticate_account, enroll, list_sites
from aegle.records import SiteKind

HELLO = api.Hello(software="0.1.0", held=0, spooled=0, undelivered=0, disk_free_bytes=10**9)
ANNA, BERTA = (f"site-{name}@sites-prod-1.iam.gserviceaccount.com" for name in ("st-anna", "st-berta"))


def enrolment(name: str, account: str) -> Enrolment:
    return Enrolment(kind=SiteKind.HOSPITAL, archive_url=ARCHIVE.format(name), account=account)


def test_an_account_is_one_site(database: Database) -> None:
    enroll(database, "st-anna", enrolment("st-anna", ANNA))
    assert authenticate_account(database, ANNA).name == "st-anna"
    assert {site.name: site.account for site in list_sites(database)}["st-anna"] == ANNA
    with pytest.raises(Unauthenticated):
        authenticate_account(database, BERTA)


def test_two_sites_cannot_share_an_account(database: Database) -> None:
    enroll(database, "st-anna", enrolment("st-anna", ANNA))
    with pytest.raises(Conflict):
        enroll(database, "st-berta", enrolment("st-berta", ANNA))
    assert authenticate_account(database, ANNA).name == "st-anna"


def test_an_account_is_taken_away_by_enrolling_without_it(database: Database) -> None:
    enroll(database, "st-anna", enrolment("st-anna", ANNA))
    enroll(database, "st-anna", enrolment("st-anna", ""))
    with pytest.raises(Unauthenticated):
        authenticate_account(database, ANNA)


@pytest.mark.parametrize("account", ["anna@example.org", "site@p.iam.gserviceaccount.com.evil.org", "*"])
def test_what_is_no_service_account_is_refused(database: Database, account: str) -> None:
    with pytest.raises(BadMessage):
        enroll(database, "st-anna", enrolment("st-anna", account))


def _account_of(token: str) -> str:
    """Stands for the verifier, which tests/contracts prove: it knows two tokens."""
    known = {"a.google.token": ANNA, "b.google.token": BERTA}
    if token not in known:
        raise Unauthenticated("not a valid token")
    return known[token]


@pytest.fixture
def client(hub: Running) -> Iterator[httpx.Client]:
    enroll(hub.database, "st-anna", enrolment("st-anna", ANNA))
    with serving(create_hub_app(replace(hub.services, account_of=_account_of))) as client:
        yield client


def hello(client: httpx.Client, token: str) -> int:
    body = api.encode(HELLO)
    return client.post(api.HELLO, headers={"authorization": f"Bearer {token}"}, content=body).status_code


def test_a_token_opens_the_hub_for_its_own_site(client: httpx.Client, hub: Running) -> None:
    assert hello(client, "a.google.token") == 200
    assert hub.trail.events[-1].principal == "site:st-anna"


@pytest.mark.parametrize("token", ["b.google.token", "c.google.token", "a.google.token.more", "operator.google.token"])
def test_any_other_token_is_refused(client: httpx.Client, token: str) -> None:
    assert hello(client, token) == 401


def test_a_credential_of_ours_still_holds(client: httpx.Client, hub: Running) -> None:
    assert hello(client, hub.tokens["st-anna"]) == 200


def test_a_hub_that_takes_no_google_identity_refuses_the_token(hub: Running) -> None:
    enroll(hub.database, "st-anna", enrolment("st-anna", ANNA))
    assert hello(hub.client, "a.google.token") == 401
