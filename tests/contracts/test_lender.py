"""The Lender contract: a site's own grants, and tokens of a reader on Google Cloud by a double of IAM Credentials."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from google.auth.credentials import Credentials

from aegle.errors import Forbidden
from aegle.google import ReaderToken, Session
from aegle.ports import Lender
from aegle.site import grants

KEY, STORE = bytes(range(32)), "https://healthcare.googleapis.com/v1/projects/p/dicomStores/archive/dicomWeb"
READER = "read-st-anna@sites-prod-1.iam.gserviceaccount.com"


class Own(Credentials):  # type: ignore[misc]
    """The site's own identity."""

    def refresh(self, request: object) -> None:
        self.token = "own"


class Minting:
    """What IAM Credentials was asked for; it mints for one reader only."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.url = ""


@pytest.fixture
def minting() -> Iterator[Minting]:
    made = Minting()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            ours = self.path == f"/v1/projects/-/serviceAccounts/{READER}:generateAccessToken"
            until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            body = {"accessToken": f"ya29.{len(made.asked)}", "expireTime": until} if ours else {"error": {"code": 403}}
            content = json.dumps(body).encode()
            self.send_response(200 if ours else 403)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def session() -> Iterator[Session]:
    with httpx.Client() as client:
        yield Session(Own(), client, wait=lambda seconds: None)


@pytest.fixture(params=["own", "google"])
def lender(request: pytest.FixtureRequest) -> Lender:
    if request.param == "own":
        return grants.OwnEndpoint("st-anna", KEY, STORE)
    return ReaderToken(request.getfixturevalue("session"), READER, STORE, request.getfixturevalue("minting").url)


def test_a_loan_names_the_archive_and_ends_within_its_life(lender: Lender) -> None:
    loan = lender.lend("2.25.1")
    assert loan.archive_url == STORE
    assert loan.grant
    assert abs(loan.until - datetime.now(UTC) - lender.life) < timedelta(seconds=5)
    assert loan.until.tzinfo is not None
    assert loan.grant not in repr(loan)


def test_a_sites_own_grant_is_for_one_study() -> None:
    loan = grants.OwnEndpoint("st-anna", KEY, STORE).lend("2.25.1")
    grants.admit(KEY, "st-anna", "2.25.1", loan.grant)
    with pytest.raises(Forbidden):
        grants.admit(KEY, "st-anna", "2.25.2", loan.grant)


def test_a_readers_token_is_for_reading_health_care_data_alone(minting: Minting, session: Session) -> None:
    ReaderToken(session, READER, STORE, minting.url).lend("2.25.1")
    assert minting.asked == [{"scope": ["https://www.googleapis.com/auth/cloud-healthcare"], "lifetime": "3600s"}]


def test_another_sites_reader_cannot_be_lent(minting: Minting, session: Session) -> None:
    other = READER.replace("anna", "berta")
    with pytest.raises(Forbidden):
        ReaderToken(session, other, STORE, minting.url).lend("2.25.1")
