"""A hospital's own machine becomes its site by its certificate: a token service behind TLS that asks for it, and nothing stored.

Google itself was never asked (see infra/README.md); google-auth's own client does the exchange here, against loopback.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from test_google_identity import ACCOUNT, HUB, Issuer

from aegle.errors import Unauthenticated
from aegle.google import site_token
from aegle.provision.gateway import hand_over
from certificates import authority

AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/site-st-anna/providers/certificate"


@dataclass
class TokenServices:
    """The security token service, which wants a certificate, and the one that gives a service account's tokens."""

    issuer: Issuer = field(default_factory=Issuer)
    shown: list[str] = field(default_factory=list)  #: common names of the certificates that were shown
    asked: list[dict[str, object]] = field(default_factory=list)

    def exchange(self, handler: BaseHTTPRequestHandler, body: bytes) -> object:
        certificate = handler.connection.getpeercert()  # type: ignore[attr-defined]
        self.shown += [value for ((key, value),) in certificate["subject"] if key == "commonName"]
        assert parse_qs(body.decode())["audience"] == [AUDIENCE]
        return {"access_token": "federated", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}

    def lend(self, handler: BaseHTTPRequestHandler, body: bytes) -> object:
        assert handler.path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateIdToken"
        self.asked.append({**json.loads(body), "by": handler.headers["authorization"]})
        return {"token": self.issuer.token()}


@pytest.fixture
def services() -> TokenServices:
    return TokenServices()


def serving(answer: Callable[[BaseHTTPRequestHandler, bytes], object]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.dumps(answer(self, self.rfile.read(int(self.headers["content-length"])))).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def lender(services: TokenServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine of the hospital with the files it was given and its own certificate; answers where tokens are lent."""
    ours = authority(tmp_path, "hospital")
    mine = ours.issue("aegle-st-anna", trusts=ours.file)
    files = hand_over(tmp_path, "st-anna", {"audience": AUDIENCE, "identity": ACCOUNT, "config": '{"sites": {}}'})
    certificate, who = files / "certificate.json", files / "google.json"
    certificate.write_text(
        json.dumps({"cert_configs": {"workload": {"cert_path": str(mine.certificate), "key_path": str(mine.key)}}})
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(who))
    monkeypatch.setenv("GOOGLE_API_CERTIFICATE_CONFIG", str(certificate))
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ours.file))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*_of(ours.issue("token-service", trusts=ours.file)))
    exchange, lending = serving(services.exchange), serving(services.lend)
    exchange.socket = context.wrap_socket(exchange.socket, server_side=True)
    said = json.loads(who.read_text()) | {"token_url": f"https://127.0.0.1:{exchange.server_address[1]}/v1/token"}
    who.write_text(json.dumps(said))
    for server in (exchange, lending):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{lending.server_address[1]}/v1"
    for server in (exchange, lending):
        server.shutdown()
        server.server_close()


def _of(tls: object) -> tuple[str, str]:
    return str(tls.certificate), str(tls.key)  # type: ignore[attr-defined]


def test_the_machine_shows_its_certificate_and_gets_the_sites_token_for_the_hub(
    services: TokenServices, lender: str
) -> None:
    with httpx.Client(trust_env=False) as client:
        token = site_token(HUB, client, lender)
        assert token() == token()
    assert services.shown == ["aegle-st-anna"]
    assert services.asked == [{"audience": HUB, "includeEmail": True, "by": "Bearer federated"}]


def test_without_its_certificate_the_machine_gets_nothing_and_is_told_so(
    services: TokenServices, lender: str, tmp_path: Path
) -> None:
    (tmp_path / "aegle-st-anna.key").unlink()
    with httpx.Client(trust_env=False) as client, pytest.raises(Unauthenticated, match="does not give this machine"):
        site_token(HUB, client, lender)()
    assert services.asked == []


def test_a_damaged_file_of_the_machine_is_no_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "google.json").write_text('{"type": "external_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "google.json"))
    with httpx.Client(trust_env=False) as client, pytest.raises(Unauthenticated, match="no Google identity"):
        site_token(HUB, client)
