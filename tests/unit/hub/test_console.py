"""The operator's console: every route for every role, the analyst's queries, and what a page shows."""

import csv
import io
import re
from collections.abc import Iterator

import httpx
import pytest
from hubworld import Running, label, serving, submission

from aegle import api
from aegle.access import ALLOWED, ROLES_OF, Act, Role
from aegle.hub.console import console
from aegle.hub.people import HubAccounts, add_person
from aegle.pages.accounts import SignIn
from aegle.pages.shell import Page, Shell

COUNT = "SELECT code, count(*) AS labels FROM label_current GROUP BY code ORDER BY code"


@pytest.fixture
def shell(hub: Running) -> Shell:
    return console(hub.services, SignIn(HubAccounts(hub.database), None, b"k" * 32))


@pytest.fixture
def browser(shell: Shell) -> Iterator[httpx.Client]:
    with serving(shell.application()) as client:
        yield client


def sign_in(hub: Running, browser: httpx.Client, role: Role) -> str:
    """Sign in as a fresh person of this role; answers the form token of the session."""
    password = add_person(hub.database, f"one-{role.value}", role).password
    browser.cookies.clear()
    answer = browser.post("/sign-in", data={"name": f"one-{role.value}", "password": password, "next": "/"})
    assert answer.status_code == 303, answer.text
    found = re.search(r'name="form-token" content="([0-9a-f]+)"', browser.get("/").text)
    assert found
    return found[1]


def ask(browser: httpx.Client, page: Page, token: str = "") -> int:
    data = {"form_token": token, "sql": COUNT, "do": "add", "name": "zoe", "role": "analyst"}
    answer = browser.request(page.method, page.path, data=data if page.method == "POST" else None)
    return answer.status_code


def test_every_route_is_open_to_the_roles_that_have_its_act_and_refused_and_audited_for_the_others(
    hub: Running, shell: Shell, browser: httpx.Client
) -> None:
    for role in ROLES_OF[None]:
        token = sign_in(hub, browser, role)
        for page in shell.pages:
            before = len(hub.trail.events)
            status = ask(browser, page, token)
            acts = [(event.act, event.outcome, event.principal) for event in hub.trail.events[before:]]
            refused = (page.act, "refused", f"user:one-{role.value}")
            if page.act in ALLOWED[None, role]:
                # a password is refused for what was sent, not for who sent it
                may_be = {403} if page.path == "/password" else set()
                assert status not in {401, 403} - may_be, (role, page.path)
            else:
                assert acts == [refused] and status == 403, (role, page.path)


def test_nobody_gets_a_page_without_signing_in(shell: Shell, browser: httpx.Client) -> None:
    for page in shell.pages:
        assert ask(browser, page) == 401, page.path


def test_a_form_of_another_session_is_refused(hub: Running, shell: Shell, browser: httpx.Client) -> None:
    sign_in(hub, browser, Role.ADMINISTRATOR)
    assert browser.post("/people", data={"form_token": "0" * 64, "do": "add", "name": "eve"}).status_code == 403
    assert HubAccounts(hub.database).find("eve") is None


def test_another_sites_cookie_and_host_name_do_not_work(hub: Running, browser: httpx.Client) -> None:
    sign_in(hub, browser, Role.OPERATOR)
    session = browser.cookies["aegle_hub"]
    browser.cookies.clear()
    browser.cookies.set("aegle_st-anna", session)
    assert browser.get("/").status_code == 401
    assert browser.get("/", headers={"host": "elsewhere.example"}).status_code == 421


def test_the_overview_shows_sites_requests_model_labels_and_alerts(hub: Running, browser: httpx.Client) -> None:
    hub.call("st-anna", "POST", api.REQUESTS, api.encode(submission()))
    hub.call("cytolab", "POST", api.LABELS, api.encode(api.LabelBatch(labels=(label(),))))
    sign_in(hub, browser, Role.OPERATOR)
    text = browser.get("/").text
    for expected in ("st-anna", "cytolab", "papnet 1.0.0", "0.400", "HSIL", "no worker is alive", "hub:labels:store"):
        assert expected in text


def test_requests_are_listed_by_state(hub: Running, browser: httpx.Client) -> None:
    _, body = hub.call("st-anna", "POST", api.REQUESTS, api.encode(submission()))
    short = api.decode(api.Receipt, body).request_id[:8]
    sign_in(hub, browser, Role.OPERATOR)
    assert short in browser.get("/requests").text
    assert short in browser.get("/requests?state=waiting").text
    assert short not in browser.get("/requests?state=failed").text
    assert browser.get("/requests?state=lost").status_code == 400


def test_an_analyst_sees_a_query_and_saves_it(hub: Running, browser: httpx.Client) -> None:
    batch = api.LabelBatch(labels=(label(1), label(2, code="NILM"), label(3)))
    hub.call("cytolab", "POST", api.LABELS, api.encode(batch))
    form = {"form_token": sign_in(hub, browser, Role.ANALYST), "sql": COUNT}
    assert "2 rows" in browser.post("/labels", data=form).text
    saved = browser.post("/labels.csv", data=form)
    assert saved.headers["content-disposition"] == 'attachment; filename="labels.csv"'
    assert list(csv.reader(io.StringIO(saved.text))) == [["code", "labels"], ["HSIL", "2"], ["NILM", "1"]]
    assert [event.act for event in hub.trail.events[-2:]] == [Act.HUB_LABELS_QUERY] * 2


@pytest.mark.parametrize(
    "sql", ["DELETE FROM label", "SELECT * FROM read_text('x')", "SELECT 1; SELECT 2", "nonsense("]
)
@pytest.mark.parametrize("path", ["/labels", "/labels.csv"])
def test_a_query_that_is_not_one_select_is_explained(hub: Running, browser: httpx.Client, path: str, sql: str) -> None:
    form = {"form_token": sign_in(hub, browser, Role.ANALYST), "sql": sql}
    answer = browser.post(path, data=form)
    assert answer.status_code == 400
    assert 'class="problem" role="alert"' in answer.text


def test_pages_forbid_foreign_code_and_framing(hub: Running, browser: httpx.Client) -> None:
    sign_in(hub, browser, Role.OPERATOR)
    answer = browser.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", answer.text)
