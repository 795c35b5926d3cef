"""Who a token belongs to: signed by Google, for this hub, in its time, with a verified address; and nothing else."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from aegle.errors import PeerUnreachable, Unauthenticated
from aegle.google import TokenVerifier

HUB = "https://hub.example.test"
ACCOUNT = "site-st-anna@sites-prod.iam.gserviceaccount.com"
Claims = dict[str, object]


class Issuer:
    """Signs as Google does, and publishes its certificates at a loopback address."""

    def __init__(self, key_id: str = "key-1") -> None:
        self.fetched = 0
        self.certificates: dict[str, str] = {}
        self.signer = self.rotate(key_id)

    def rotate(self, key_id: str) -> crypt.RSASigner:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.certificates[key_id] = certificate.public_bytes(serialization.Encoding.PEM).decode()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        self.signer = crypt.RSASigner.from_string(pem, key_id)
        return self.signer

    def token(self, **changes: object) -> str:
        now = int(time.time())
        claims: Claims = {
            "iss": "https://accounts.google.com",
            "aud": HUB,
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
        }
        return jwt.encode(self.signer, claims | changes).decode()


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def address(issuer: Issuer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetched += 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(issuer.certificates).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/certs"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def verifier(address: str, clock: list[float]) -> Iterator[TokenVerifier]:
    with httpx.Client() as client:
        yield TokenVerifier(HUB, client, address, clock=lambda: clock[0])


def test_a_token_names_its_account(verifier: TokenVerifier, issuer: Issuer) -> None:
    assert verifier.account(issuer.token()) == ACCOUNT


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://another.example.test"},
        {"iss": "https://accounts.example.test"},
        {"email_verified": False},
        {"email_verified": "true"},
    ],
)
def test_a_token_for_somebody_else_is_refused(verifier: TokenVerifier, issuer: Issuer, changes: Claims) -> None:
    with pytest.raises(Unauthenticated):
        verifier.account(issuer.token(**changes))


@pytest.mark.parametrize("made_s", [-3660, 600])
def test_a_token_for_another_time_is_refused(verifier: TokenVerifier, issuer: Issuer, made_s: int) -> None:
    made = int(time.time()) + made_s
    with pytest.raises(Unauthenticated):
        verifier.account(issuer.token(iat=made, exp=made + 3600))


def _with_another_key(issuer: Issuer) -> str:
    return Issuer("key-1").token()


def _unsigned(issuer: Issuer) -> str:
    head, body, _ = issuer.token().split(".")
    return f"{head}.{body}."


@pytest.mark.parametrize("forge", [_with_another_key, _unsigned, lambda issuer: "st-anna.secret", lambda issuer: ""])
def test_what_google_did_not_sign_is_refused(
    verifier: TokenVerifier, issuer: Issuer, forge: Callable[[Issuer], str]
) -> None:
    with pytest.raises(Unauthenticated):
        verifier.account(forge(issuer))


def test_certificates_are_fetched_once_an_hour_and_for_a_new_key(
    verifier: TokenVerifier, issuer: Issuer, clock: list[float]
) -> None:
    before = issuer.fetched
    for _ in range(5):
        verifier.account(issuer.token())
    assert issuer.fetched == before + 1
    issuer.rotate("key-2")
    with pytest.raises(Unauthenticated):
        verifier.account(issuer.token())  # not asked again within a minute
    assert issuer.fetched == before + 1
    clock[0] += 61
    assert verifier.account(issuer.token()) == ACCOUNT
    assert issuer.fetched == before + 2


def test_certificates_that_cannot_be_had_are_no_refusal(issuer: Issuer) -> None:
    with httpx.Client() as client, pytest.raises(PeerUnreachable):
        TokenVerifier(HUB, client, "http://127.0.0.1:1/certs").account(issuer.token())
