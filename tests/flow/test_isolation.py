"""Every route of a site's pages and archive and of the hub, walked from its registry, by everybody who may not call it: refused
with the right status, and audited."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from stage import HOSPITAL, LAB, Stage, staged

from aegle.access import ROLES_OF, Act, Role
from aegle.hub.app import ROUTES
from aegle.hub.console import console
from aegle.hub.routes import Caller
from aegle.local.enrolment import CREDENTIAL
from aegle.local.secrets import FileSecrets
from aegle.pages.shell import Page
from aegle.protocols.dicomweb_server import archive_routes
from aegle.records import AuditEvent, AuditOutcome, SiteKind
from aegle.site import grants
from aegle.site.pages import site_shell

OTHER = "st-berta"
STUDY = "2.25.1"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("isolation"), HOSPITAL, OTHER, LAB) as running:
        for site in (HOSPITAL, OTHER, LAB):
            running.await_pages(site)
        yield running


def fill(path: str) -> str:
    """A path with something in its parameters."""
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: "1" if found[2] or found[1] == "frames" else STUDY, path)


def pages_of(site: str) -> tuple[Page, ...]:
    unused: Any = None
    services: Any = SimpleNamespace(audit=None)
    if site == "hub":
        return console(services, unused).pages
    program: Any = SimpleNamespace(name=site, config=SimpleNamespace(kind=PLACES[site]))
    return site_shell(program, unused, unused).pages


def refused(events: list[AuditEvent]) -> list[str]:
    return [f"{event.act} {event.facts.get('route', '')}".strip() for event in events
            if event.outcome is AuditOutcome.REFUSED]  # fmt: skip


PLACES = {HOSPITAL: SiteKind.HOSPITAL, LAB: SiteKind.LAB, "hub": None}


@pytest.mark.parametrize("site", PLACES)
def test_every_page_refuses_strangers_and_the_people_of_another_site(stage: Stage, site: str) -> None:
    pages = pages_of(site)
    with stage.visit(OTHER, Role.CLINICIAN) as elsewhere, stage.stranger(site) as stranger:
        stranger_of_rank = {f"aegle_{site}": elsewhere.cookies[f"aegle_{OTHER}"]}
        for cookies in ({}, stranger_of_rank, dict(elsewhere.cookies)):
            stranger.cookies = httpx.Cookies(cookies)
            answers = {
                (page.method, page.path): stranger.request(page.method, fill(page.path)).status_code for page in pages
            }
            assert answers == dict.fromkeys(answers, 401)
    told = set(refused(stage.audit(site)))  # the same refusal is told once in ten minutes
    assert {f"access:request:refuse {page.act}" for page in pages} <= told


@pytest.mark.parametrize(
    ("site", "role"),
    [(site, role) for site, kind in PLACES.items() for role in ROLES_OF[kind]],
)
def test_every_page_refuses_the_roles_that_lack_its_act(stage: Stage, site: str, role: Role) -> None:
    pages = pages_of(site)
    principal = stage.principal(site, role)
    before = len(stage.audit(site))
    with stage.visit(site, role) as client:
        forbidden = [page for page in pages if not principal.may(page.act)]
        answers = {
            (page.method, page.path): client.request(page.method, fill(page.path)).status_code for page in forbidden
        }
        assert answers == dict.fromkeys(answers, 403)
        assert refused(stage.audit(site)[before:]) == [page.act.value for page in forbidden]
        allowed = [page for page in pages if principal.may(page.act) and page.method == "GET"]
        answers = {page.path: client.get(fill(page.path)).status_code for page in allowed}
        assert set(answers.values()) <= {200, 404}, answers


@pytest.mark.parametrize(
    ("site", "role"), [(HOSPITAL, Role.ADMINISTRATOR), (LAB, Role.CYTOLOGIST), ("hub", Role.ADMINISTRATOR)]
)
def test_nothing_is_changed_without_the_sessions_form_token(stage: Stage, site: str, role: Role) -> None:
    principal = stage.principal(site, role)
    with stage.visit(site, role) as client:
        del client.headers["x-form-token"]
        for page in pages_of(site):
            if page.method != "GET" and principal.may(page.act):
                assert client.request(page.method, fill(page.path)).status_code == 403, page.path


def grant(stage: Stage, site: str, study: str, seconds: float = 600, key_of: str = "") -> str:
    key = FileSecrets(stage.folder(key_of or site).secrets).get("grant-key")
    return grants.give(key, site, study, datetime.now(UTC) + timedelta(seconds=seconds))


def test_every_route_of_an_archive_refuses_all_but_a_grant_for_its_study(stage: Stage) -> None:
    unused: Any = None
    table = archive_routes(unused)
    routes = [route for route in table if "{study}" in route.path and route.method == "GET"]
    wrong = {
        "": 401,
        "Bearer nonsense": 401,
        f"Bearer {grant(stage, HOSPITAL, STUDY, key_of=OTHER)}": 401,
        f"Bearer {grant(stage, OTHER, STUDY, key_of=OTHER)}": 401,
        f"Bearer {grant(stage, OTHER, STUDY, key_of=HOSPITAL)}": 403,
        f"Bearer {grant(stage, HOSPITAL, '2.25.2')}": 403,
        f"Bearer {grant(stage, HOSPITAL, STUDY, seconds=-1)}": 401,
        f"Bearer {HOSPITAL}.{FileSecrets(stage.folder(HOSPITAL).secrets).get(CREDENTIAL).decode()}": 401,
    }
    before = len(stage.audit())
    with httpx.Client(
        base_url=f"http://127.0.0.1:{stage.applied.site(HOSPITAL).archive_port}", trust_env=False
    ) as client:
        for authorization, status in wrong.items():
            headers = {"Authorization": authorization} if authorization else {}
            answers = {route.path: client.get(fill(route.path), headers=headers).status_code for route in routes}
            assert answers == dict.fromkeys(answers, status), authorization[:12]
        assert refused(stage.audit()[before:]).count("access:request:refuse archive:study:read") >= len(wrong)
        assert len(refused(stage.audit()[before:])) == len(wrong) * len(routes)
        good = {"Authorization": f"Bearer {grant(stage, HOSPITAL, STUDY)}"}
        assert {client.get(fill(route.path), headers=good).status_code for route in routes} <= {200, 204, 404}
        others = [route for route in table if route not in routes]  # the whole archive, and what changes it
        assert {client.request(it.method, fill(it.path), headers=good).status_code for it in others} == {403}


def callers(stage: Stage) -> dict[str, str]:
    """Credentials by who holds them."""
    found = {}
    for site in (HOSPITAL, LAB):
        found[site] = f"{site}.{FileSecrets(stage.folder(site).secrets).get(CREDENTIAL).decode()}"
    found["operator"] = "operator." + FileSecrets(stage.home.hub / "secrets").get("operator-token").hex()
    found["nobody"] = ""
    found["a wrong secret"] = f"{HOSPITAL}.{'0' * 43}"
    found["another's secret"] = f"{OTHER}.{found[LAB].partition('.')[2]}"
    found["an unknown site"] = f"nowhere.{found[LAB].partition('.')[2]}"
    return found


MAY = {
    Caller.SITE: {HOSPITAL, LAB},
    Caller.HOSPITAL: {HOSPITAL},
    Caller.OPERATOR: {"operator"},
}


@pytest.mark.parametrize(
    "who", [HOSPITAL, LAB, "operator", "nobody", "a wrong secret", "another's secret", "an unknown site"]
)
def test_every_route_of_the_hub_refuses_all_but_its_callers(stage: Stage, who: str) -> None:
    credential = callers(stage)[who]
    known = who in {HOSPITAL, LAB, "operator"}
    before = len(stage.audit("hub"))
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    refusals = 0
    with httpx.Client(
        base_url=f"http://127.0.0.1:{stage.applied.hub.port}", trust_env=False, headers=headers
    ) as client:
        for route in ROUTES:
            status = client.request(route.method, fill(route.path), content=b"[]").status_code
            if who in MAY[route.caller]:
                assert status not in (401, 403), (route.path, status)
            else:
                refusals += 1
                assert status == (403 if known else 401), (route.path, status)
    told = [event for event in stage.audit("hub")[before:]
            if event.act == Act.ACCESS_REQUEST_REFUSE and event.facts["status"] in (401, 403)]  # fmt: skip
    assert len(told) == refusals


def test_a_site_cannot_collect_another_sites_answer_or_submit_in_its_name(stage: Stage) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{stage.applied.hub.port}", trust_env=False) as client:
        headers = {"Authorization": f"Bearer {callers(stage)[HOSPITAL]}"}
        answer = client.post("/v1/outcomes/00000000-0000-4000-8000-000000000001/collected", headers=headers)
        assert answer.status_code == 404


def test_a_strange_host_name_and_a_foreign_origin_are_refused(stage: Stage) -> None:
    started = time.monotonic()
    with stage.stranger(HOSPITAL) as client:
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/", headers={"Host": f"{OTHER}.localhost"}).status_code == 421
        form = {"name": "clinician", "password": "x" * 12}
        assert client.post("/sign-in", data=form, headers={"Origin": "http://evil.example"}).status_code == 403
    assert time.monotonic() - started < 30
