"""The shell every page stands in: who gets in, who does not, and what the trail says of it."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from aegle.access import Act, Role
from aegle.local.accounts import SqliteAccounts
from aegle.pages.accounts import Account, SignIn, new_account
from aegle.pages.people import PeoplePages
from aegle.pages.shell import TEMPLATES, Page, Place, Shell, Visit, _with_commands
from aegle.records import AuditEvent, AuditHead, AuditOutcome, SiteKind

PASSWORD = "a password for tests"


class Trail:
    """An audit sink in memory."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def append(self, *events: AuditEvent) -> None:
        self.events += events

    def head(self) -> AuditHead:
        return AuditHead(chain="st-anna/site", count=len(self.events), digest="0" * 64)

    def read(self, newest: int) -> Iterator[AuditEvent]:
        return iter(self.events[::-1][:newest])

    def refused(self) -> list[AuditEvent]:
        return [event for event in self.events if event.outcome is AuditOutcome.REFUSED]


class Browser:
    """Asks the application without a network, follows nothing and keeps its cookies."""

    def __init__(self, application: ASGIApp, address: str) -> None:
        self._application, self._address, self._cookies = application, address, httpx.Cookies()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **options))

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._application)
        async with httpx.AsyncClient(transport=transport, base_url=self._address, cookies=self._cookies) as client:
            answer = await client.request(method, path, **options)
            self._cookies = client.cookies
        return answer


@pytest.fixture
def trail() -> Trail:
    return Trail()


@cache
def people_of_the_hospital() -> tuple[Account, ...]:
    """Hashing a password is slow on purpose; once will do."""
    roles = {"adam": Role.ADMINISTRATOR, "clara": Role.CLINICIAN, "tom": Role.TECHNICIAN}
    return tuple(new_account(name, role, SiteKind.HOSPITAL, PASSWORD)[0] for name, role in roles.items())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteAccounts]:
    accounts = SqliteAccounts(tmp_path / "accounts.db")
    for account in people_of_the_hospital():
        accounts.put(account)
    yield accounts
    accounts.close()


@pytest.fixture
def browser(trail: Trail, store: SqliteAccounts) -> Browser:
    """A browser at a hospital with one page to read, one to post to, and its people."""
    return client(trail, store)


def client(trail: Trail, store: SqliteAccounts, site: str = "st-anna") -> Browser:
    sign_in = SignIn(store, SiteKind.HOSPITAL, b"k" * 32)

    def answer(visit: Visit) -> Response:
        return PlainTextResponse(visit.principal.name)

    def pages(shell: Shell) -> Sequence[Page]:
        return (
            Page(path="/", act=Act.SITE_STUDIES_LIST, answer=answer),
            Page(path="/studies/{study}", act=Act.SITE_STUDY_VIEW, answer=answer, subject="study"),
            Page(path="/upload", act=Act.SITE_FILE_UPLOAD, answer=answer, method="POST"),
            *PeoplePages(shell=shell, sign_in=sign_in, audit=trail).pages(),
        )

    place = Place(site=site, title=site, kind=SiteKind.HOSPITAL, navigation=())
    shell = Shell(place, sign_in, trail, TEMPLATES, pages)
    return Browser(shell.application(), f"http://{site}.localhost:8000")


def enter(browser: Browser, name: str, password: str = PASSWORD, then: str = "/") -> httpx.Response:
    return browser.post("/sign-in", data={"name": name, "password": password, "next": then})


def token_on(page: str) -> str:
    return page.split('name="form_token" value="')[1].split('"')[0]


# --- signing in


def test_a_person_signs_in_and_the_cookie_is_the_sites_own_and_out_of_reach_of_scripts(browser: Browser) -> None:
    answer = enter(browser, "clara")
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert cookie.startswith("aegle_st-anna=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert browser.get("/").text == "clara"


def test_a_session_of_one_site_is_nothing_at_another(trail: Trail, store: SqliteAccounts, tmp_path: Path) -> None:
    anna, elsewhere = client(trail, store), SqliteAccounts(tmp_path / "other.db")
    berta = client(trail, elsewhere, "st-berta")
    session = enter(anna, "clara").headers["set-cookie"].split(";")[0].partition("=")[2]
    answer = berta.get("/", headers={"cookie": f"aegle_st-anna={session}; aegle_st-berta={session}"})
    elsewhere.close()
    assert answer.status_code == 401


def test_a_wrong_password_and_an_unknown_name_get_the_same_words_and_are_audited(
    browser: Browser, trail: Trail
) -> None:
    wrong, unknown = enter(browser, "clara", "not the password"), enter(browser, "nobody")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text
    assert [event.act for event in trail.refused()] == [Act.PAGE_SESSION_OPEN] * 2
    assert {event.principal for event in trail.refused()} == {"nobody"}


def test_five_wrong_passwords_lock_the_name_for_a_while_even_for_the_right_one(browser: Browser, trail: Trail) -> None:
    for _ in range(5):
        assert enter(browser, "clara", "not the password").status_code == 401
    assert [enter(browser, "clara").status_code for _ in range(4)] == [503] * 4
    assert enter(browser, "tom").status_code == 303
    told = [event.facts["reason"] for event in trail.refused()]
    assert told == ["UNAUTHENTICATED"] * 5 + ["OVERLOADED"], "what the lock turns away cannot fill the trail"


@pytest.mark.parametrize("then", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(browser: Browser, then: str) -> None:
    assert enter(browser, "clara", then=then).headers["location"] == "/"


def test_a_sign_in_form_of_another_origin_is_refused(browser: Browser, trail: Trail) -> None:
    form = {"name": "clara", "password": PASSWORD, "next": "/"}
    answer = browser.post("/sign-in", data=form, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert trail.refused()[-1].facts["reason"] == "FOREIGN_ORIGIN"


def test_signing_out_ends_the_session_itself(browser: Browser) -> None:
    session = enter(browser, "adam").headers["set-cookie"].split(";")[0]
    token = token_on(browser.get("/people").text)
    assert browser.post("/sign-out", data={"form_token": token}).status_code == 303
    assert browser.get("/", headers={"cookie": session}).status_code == 401


# --- every request


def test_a_request_without_a_session_is_refused_and_audited_and_a_flood_is_told_once(
    browser: Browser, trail: Trail
) -> None:
    answers = [browser.get("/studies/1.2.3", headers={"accept": "application/json"}) for _ in range(50)]
    assert {answer.status_code for answer in answers} == {401}
    (told,) = trail.refused()
    assert (told.act, told.principal) == (Act.ACCESS_REQUEST_REFUSE, "nobody")
    assert told.facts == {"route": "site:study:view", "method": "GET", "reason": "UNAUTHENTICATED"}


def test_a_browser_without_a_session_is_led_to_the_sign_in_page_and_back(browser: Browser, trail: Trail) -> None:
    answer = browser.get("/studies/1.2.3?x=1", headers={"accept": "text/html"})
    assert answer.headers["location"] == "/sign-in?next=/studies/1.2.3"
    assert len(trail.refused()) == 1


def test_a_role_without_the_act_is_refused_and_audited_under_the_persons_name(browser: Browser, trail: Trail) -> None:
    enter(browser, "tom")
    assert browser.get("/studies/1.2.3").status_code == 403
    told = trail.refused()[-1]
    assert (told.act, told.principal, told.subject) == (Act.SITE_STUDY_VIEW, "user:tom", "1.2.3")


@pytest.mark.parametrize("headers", [{}, {"x-form-token": "guessed"}])
def test_a_post_without_the_sessions_form_token_is_refused_and_audited(
    browser: Browser, trail: Trail, headers: dict[str, str]
) -> None:
    enter(browser, "tom")
    assert browser.post("/upload", headers=headers).status_code == 403
    assert trail.refused()[-1].act == Act.SITE_FILE_UPLOAD


@pytest.mark.parametrize(
    "host", ["evil.example", "st-berta.localhost", "st-anna.localhost.evil.example", "", "10.0.0.1"]
)
def test_a_foreign_host_name_gets_nothing_and_is_audited(browser: Browser, trail: Trail, host: str) -> None:
    enter(browser, "clara")
    answer = browser.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "clara" not in answer.text
    assert trail.refused()[-1].facts["reason"] == "FOREIGN_HOST"


@pytest.mark.parametrize("path", ["/nothing", "/studies", "/assets/nothing.js"])
def test_an_address_without_a_page_is_answered_by_a_page_with_the_way_back(browser: Browser, path: str) -> None:
    page = browser.get(path, headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "There is no such page" in page.text and 'href="/"' in page.text and "st-anna" in page.text
    assert browser.get(path, headers={"accept": "*/*"}).json() == {
        "code": "NOT_FOUND",
        "detail": "There is no such page.",
    }


def test_a_method_that_no_page_takes_is_refused_in_the_same_way(browser: Browser) -> None:
    assert browser.post("/", headers={"accept": "text/html"}).status_code == 405


def test_words_between_backticks_are_shown_as_code_and_nothing_else_is_html() -> None:
    assert _with_commands("run `aegle plan` <b>") == "run <code>aegle plan</code> &lt;b&gt;"


@pytest.mark.parametrize(
    ("path", "host"), [("/", "st-anna.localhost"), ("/sign-in", "localhost"), ("/nothing", "localhost"), ("/", "evil")]
)
def test_every_answer_has_the_strict_headers(browser: Browser, path: str, host: str) -> None:
    headers = browser.get(path, headers={"host": host}).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"


# --- people


def people(browser: Browser, **form: str) -> httpx.Response:
    token = token_on(browser.get("/people").text)
    return browser.post("/people", data={"form_token": token, **form})


def shown_password(page: str) -> str:
    return page.split("shown this once: ")[1].split("<")[0].strip()


def test_an_added_person_must_choose_a_password_before_anything_else(
    browser: Browser, trail: Trail, store: SqliteAccounts
) -> None:
    enter(browser, "adam")
    given = shown_password(people(browser, do="add", name="nora", role="clinician").text)
    changed = trail.events[-2]
    assert (changed.act, changed.facts["role_to"]) == (Act.PAGE_ACCOUNT_CHANGE, "clinician")

    nora = client(trail, store)
    enter(nora, "nora", given)
    assert nora.get("/", headers={"accept": "text/html"}).headers["location"] == "/password"
    assert nora.get("/", headers={"accept": "application/json"}).status_code == 403
    token = token_on(nora.get("/password").text)
    form = {"form_token": token, "old": given, "new": "my own long words", "again": "my own long words"}
    assert nora.post("/password", data=form).headers["location"] == "/sign-in?changed=1"
    assert nora.get("/").status_code == 401, "every session ended"
    enter(nora, "nora", "my own long words")
    assert nora.get("/").text == "nora"


@pytest.mark.parametrize(
    ("old", "new", "again", "status"),
    [
        ("wrong", "my own long words", "my own long words", 403),
        (PASSWORD, "short", "short", 400),
        (PASSWORD, "my own long words", "my own other words", 400),
        (PASSWORD, PASSWORD, PASSWORD, 400),
    ],
)
def test_a_password_is_not_changed_without_the_present_one_and_a_good_new_one(
    browser: Browser, old: str, new: str, again: str, status: int
) -> None:
    enter(browser, "clara")
    token = token_on(browser.get("/password").text)
    answer = browser.post("/password", data={"form_token": token, "old": old, "new": new, "again": again})
    assert answer.status_code == status
    assert enter(browser, "clara").status_code == 303


def test_another_role_and_removal_end_the_persons_sessions(
    browser: Browser, trail: Trail, store: SqliteAccounts
) -> None:
    tom = client(trail, store)
    enter(browser, "adam")
    enter(tom, "tom")
    people(browser, do="role", name="tom", role="clinician")
    assert tom.get("/").status_code == 401
    enter(tom, "tom")
    assert tom.get("/studies/1.2.3").text == "tom"
    people(browser, do="remove", name="tom")
    assert tom.get("/").status_code == 401
    assert enter(tom, "tom").status_code == 401


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"do": "remove", "name": "adam"}, 409),
        ({"do": "role", "name": "adam", "role": "clinician"}, 409),
        ({"do": "remove", "name": "zoe"}, 404),
        ({"do": "add", "name": "clara", "role": "clinician"}, 409),
        ({"do": "add", "name": "zoe", "role": "cytologist"}, 400),
        ({"do": "add", "name": " zoe\n", "role": "clinician"}, 400),
        ({"do": "conquer", "name": "zoe"}, 400),
    ],
)
def test_what_cannot_be_done_to_people_is_said_and_changes_nothing(
    browser: Browser, store: SqliteAccounts, form: dict[str, str], status: int
) -> None:
    enter(browser, "adam")
    before = store.all()
    answer = people(browser, **form)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert store.all() == before


def test_only_an_administrator_sees_the_people(browser: Browser) -> None:
    enter(browser, "clara")
    assert browser.get("/people").status_code == 403
    assert browser.post("/people").status_code == 403


def test_accounts_made_before_one_time_passwords_still_open(tmp_path: Path) -> None:
    import sqlite3

    old = sqlite3.connect(tmp_path / "accounts.db")
    old.execute("CREATE TABLE account (name TEXT PRIMARY KEY, role TEXT NOT NULL, password_hash TEXT NOT NULL) STRICT")
    old.execute("INSERT INTO account VALUES ('clara', 'clinician', 'x')")
    old.commit()
    old.close()
    accounts = SqliteAccounts(tmp_path / "accounts.db")
    found = accounts.find("clara")
    accounts.close()
    assert found is not None
    assert not found.one_time
