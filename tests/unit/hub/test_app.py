"""The hub's HTTP API: who may call what, what is audited, what is described."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubworld import ARCHIVE, BUNDLE, Running, label, submission

from aegle import api
from aegle.access import Act
from aegle.hub.app import PUBLIC, ROUTES
from aegle.hub.routes import Caller, Route
from aegle.records import AuditHead

HELLO = api.Hello(software="0.1.0", held=1, spooled=0, undelivered=2, disk_free_bytes=10**9)


def path_of(route: Route) -> str:
    return route.path.format(request_id="00000000-0000-4000-8000-000000000001", name="st-anna")


def strangers() -> Iterator[tuple[Route, str, int]]:
    callers = {
        Caller.SITE: {"operator"},
        Caller.HOSPITAL: {"operator", "cytolab"},
        Caller.OPERATOR: {"st-anna", "cytolab"},
    }
    for route in ROUTES:
        yield route, "", 401
        yield from ((route, who, 403) for who in sorted(callers[route.caller]))


@pytest.mark.parametrize(
    ("route", "who", "status"),
    list(strangers()),
    ids=lambda value: f"{value.method}{value.path}" if isinstance(value, Route) else str(value or "nobody"),
)
def test_a_route_refuses_and_audits_whoever_may_not_call_it(
    closed_hub: Running, route: Route, who: str, status: int
) -> None:
    found, body = closed_hub.call(who, route.method, path_of(route), b"{}")
    assert found == status
    assert set(json.loads(body)) == {"code", "detail"}
    assert closed_hub.trail.acts()[-1] == f"{Act.ACCESS_REQUEST_REFUSE} refused"


def test_every_path_that_answers_is_in_the_table_or_public(hub: Running) -> None:
    served = {(method, route.path) for route in hub.app.routes for method in route.methods - {"HEAD"}}
    assert served == {(route.method, route.path) for route in ROUTES} | {("GET", path) for path in PUBLIC}


def test_the_description_lists_every_path_of_the_site_api_with_its_messages(hub: Running) -> None:
    document = hub.client.get("/openapi.json").json()
    for path in (api.HELLO, api.REQUESTS, api.OUTCOMES, api.COLLECTED, api.LABELS, api.AUDIT_HEADS):
        assert path in document["paths"]
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["summary"] == route.summary
        assert ("requestBody" in operation) == (route.takes is not None)
    schemas = document["components"]["schemas"]
    assert {"Submission", "Prediction", "Label", "Error"} <= set(schemas)
    references = set(json.dumps(document).split('"#/components/schemas/')[1:])
    assert {reference.split('"')[0] for reference in references} <= set(schemas)


def test_a_submission_is_accepted_once_and_answered_the_same_again(hub: Running) -> None:
    body = api.encode(submission())
    status, first = hub.call("st-anna", "POST", api.REQUESTS, body)
    assert status == 200
    assert hub.call("st-anna", "POST", api.REQUESTS, body) == (200, first)
    assert hub.trail.acts()[-1] == f"{Act.HUB_REQUEST_ACCEPT} ok"


def test_a_hello_tells_a_hospital_its_model_and_a_laboratory_nothing(hub: Running) -> None:
    _, body = hub.call("st-anna", "POST", api.HELLO, api.encode(HELLO))
    welcome = api.decode(api.Welcome, body)
    assert welcome.bundle is not None and welcome.bundle.digest == BUNDLE.digest
    assert welcome.operating_point is not None and welcome.operating_point.policy == "bundle-default"
    _, body = hub.call("cytolab", "POST", api.HELLO, api.encode(HELLO))
    assert api.decode(api.Welcome, body).bundle is None


def test_the_last_hello_of_a_site_is_shown_to_the_operator(hub: Running) -> None:
    hub.call("st-anna", "POST", api.HELLO, api.encode(HELLO))
    _, body = hub.call("operator", "GET", "/v1/admin/sites")
    shown = {site["name"]: site["hello"] for site in json.loads(body)}
    assert shown["st-anna"]["undelivered"] == 2
    assert shown["st-berta"] is None


def test_one_hospital_cannot_collect_for_another(hub: Running) -> None:
    _, body = hub.call("st-anna", "POST", api.REQUESTS, api.encode(submission()))
    request_id = api.decode(api.Receipt, body).request_id
    status, _ = hub.call("st-berta", "POST", api.COLLECTED.format(request_id=request_id))
    assert status == 404
    assert hub.trail.acts()[-1] == f"{Act.ACCESS_REQUEST_REFUSE} refused"


def test_one_site_cannot_name_anothers_archive_chain_or_labels(hub: Running) -> None:
    stolen = api.encode(submission(archive_url=ARCHIVE.format("st-berta")))
    assert hub.call("st-anna", "POST", api.REQUESTS, stolen)[0] == 403
    head = AuditHead(chain="st-berta/site", count=1, digest="0" * 64)
    assert hub.call("st-anna", "POST", api.AUDIT_HEADS, api.encode(api.HeadList(heads=(head,))))[0] == 403
    batch = api.encode(api.LabelBatch(labels=(label(),)))
    assert hub.call("st-anna", "POST", api.LABELS, batch)[0] == 403


def test_a_credential_of_another_name_or_length_does_not_hold(hub: Running) -> None:
    secret = hub.tokens["st-anna"].split(".")[1]
    for token in (
        f"st-berta.{secret}",
        f"nobody-here.{secret}",
        f"st-anna.{secret[:-1]}",
        "st-anna.",
        ".x",
        "operator.x",
        f"operator.{secret}",
        "x" * 9000,
    ):
        answer = hub.client.post(api.HELLO, headers={"authorization": f"Bearer {token}"}, content=api.encode(HELLO))
        assert answer.status_code == 401, token[:30]
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_body_over_its_bound_is_refused_unread(hub: Running) -> None:
    status, body = hub.call("st-anna", "POST", api.HELLO, b"x" * 70_000)
    assert status == 413
    assert json.loads(body)["code"] == "TOO_LARGE"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"software": 1}', b"null", b"[" * 5000])
def test_a_body_that_is_not_the_message_is_refused_without_echo(hub: Running, body: bytes) -> None:
    status, answer = hub.call("st-anna", "POST", api.HELLO, body)
    assert status == 400
    assert json.loads(answer)["code"] == "BAD_MESSAGE"


def test_an_unknown_path_is_refused_and_audited(hub: Running) -> None:
    assert hub.call("st-anna", "GET", "/v1/requests/../../etc")[0] == 404
    assert hub.call("st-anna", "DELETE", api.REQUESTS)[0] == 404
    assert hub.trail.acts()[-1] == f"{Act.ACCESS_REQUEST_REFUSE} refused"


def test_a_poll_that_finds_nothing_is_no_act(hub: Running) -> None:
    before = len(hub.trail.events)
    assert hub.call("st-anna", "GET", api.OUTCOMES) == (200, b'{"outcomes":[]}')
    assert len(hub.trail.events) == before


def test_labels_are_stored_once_and_unfit_ones_are_named(hub: Running) -> None:
    batch = (label(1), label(2, code="carcinoma of Mrs Example"), label(3, points_px=((1.0, float("inf")), (2.0, 2.0))))
    _, body = hub.call("cytolab", "POST", api.LABELS, api.encode(api.LabelBatch(labels=batch[:2])))
    receipt = api.decode(api.LabelReceipt, body)
    assert receipt.stored == (batch[0].event_id,)
    assert receipt.refused == {batch[1].event_id: "code: unknown"}
    hub.call("cytolab", "POST", api.LABELS, api.encode(api.LabelBatch(labels=batch[:1])))
    query = json.dumps({"sql": "SELECT code, COUNT(*) AS n FROM label_current GROUP BY code"}).encode()
    _, body = hub.call("operator", "POST", "/v1/admin/labels/query", query)
    assert json.loads(body) == {"columns": ["code", "n"], "rows": [["HSIL", 1]], "truncated": False}
    assert hub.trail.events[-1].facts == {"rows": 1}


def test_a_query_that_is_no_select_is_refused(hub: Running) -> None:
    query = json.dumps({"sql": "SELECT * FROM read_text('/etc/hostname')"}).encode()
    status, body = hub.call("operator", "POST", "/v1/admin/labels/query", query)
    assert (status, json.loads(body)["code"]) == (400, "BAD_MESSAGE")
    assert hub.trail.acts()[-1] == f"{Act.HUB_LABELS_QUERY} refused"


def test_heads_are_exchanged_and_a_trail_that_went_back_is_a_conflict(hub: Running) -> None:
    def lodge(count: int, digest: str) -> int:
        head = AuditHead(chain="cytolab/site", count=count, digest=digest * 64)
        return hub.call("cytolab", "POST", api.AUDIT_HEADS, api.encode(api.HeadList(heads=(head,))))[0]

    assert [lodge(3, "a"), lodge(3, "a"), lodge(5, "b")] == [200, 200, 200]
    assert lodge(4, "c") == 409
    assert lodge(5, "d") == 409
    assert hub.trail.acts()[-1] == f"{Act.HUB_AUDIT_EXCHANGE} refused"
    _, body = hub.call("operator", "GET", "/v1/admin/audit/heads")
    assert json.loads(body)[0]["chain"] == "cytolab/site"


def test_the_operator_enrols_rotates_pins_and_looks(hub: Running) -> None:
    enrolment = json.dumps(
        {"kind": "hospital", "archive_url": ARCHIVE.format("st-clara"), "operating_point": 0.3}
    ).encode()
    status, body = hub.call("operator", "PUT", "/v1/admin/sites/st-clara", enrolment)
    assert (status, json.loads(body)["policy_revision"]) == (200, 1)
    assert hub.call("operator", "PUT", "/v1/admin/sites/st-clara", enrolment)[1] == body
    _, body = hub.call("operator", "POST", "/v1/admin/sites/st-clara/credential")
    hub.tokens["st-clara"] = f"st-clara.{json.loads(body)['secret']}"
    _, body = hub.call("st-clara", "POST", api.HELLO, api.encode(HELLO))
    point = api.decode(api.Welcome, body).operating_point
    assert point is not None and (point.threshold, point.policy) == (0.3, "st-clara/1")
    pin = json.dumps({"digest": BUNDLE.digest}).encode()
    assert json.loads(hub.call("operator", "PUT", "/v1/admin/sites/st-clara/bundle", pin)[1])["policy_revision"] == 2
    status, body = hub.call("operator", "GET", "/v1/admin/status")
    assert json.loads(body)["sites"] == 4
    assert hub.call("operator", "GET", "/v1/admin/requests?state=odd")[0] == 400
    assert hub.call("operator", "GET", "/v1/admin/requests?state=waiting&limit=5") == (200, b"[]")
    assert json.loads(hub.call("operator", "GET", "/v1/admin/audit?limit=1")[1])[0]["act"] == Act.HUB_CONSOLE_VIEW


def test_a_secret_appears_in_no_audit_event_and_no_row_of_the_database(hub: Running) -> None:
    _, body = hub.call("operator", "POST", "/v1/admin/sites/st-anna/credential")
    secret = json.loads(body)["secret"]
    assert secret not in repr(hub.trail.events)
    with hub.database.transaction() as transaction:
        assert secret not in repr(transaction.execute("SELECT * FROM site_credential").fetchall())


def test_liveness_needs_no_credential(hub: Running) -> None:
    assert hub.call("", "GET", "/healthz") == (200, b'{"status":"ok"}')


def test_every_route_and_its_act_have_a_line_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "hub-api.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    for route in ROUTES:
        line = next((line for line in lines if f"`{route.method} {route.path}`" in line), "")
        assert f"`{route.act.value}`" in line, f"{route.method} {route.path}"


def test_each_row_of_the_table_is_one_operation() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert all(route.summary.endswith(".") for route in ROUTES)
