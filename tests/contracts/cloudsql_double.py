"""Cloud SQL as a hub's machine meets it: a real PostgreSQL behind TLS of the instance's own authority, where the password
of an identity is the access token that it was given last.

The embedded server speaks no TLS; a front answers PostgreSQL's SSLRequest (protocol 3.0, 55.2.10) and hands on what is inside.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg import sql

from aegle.local.postgres import Postgres

_SSL_REQUEST = struct.pack("!II", 8, 80877103)


@dataclass(kw_only=True)
class Instance:
    """One instance, with a database `aegle` of which nobody but its identities knows anything."""

    name: str
    owner: str  #: URL of the one who may do everything
    authority: str  #: PEM
    port: int = 0
    plain: list[bytes] = field(default_factory=list)  #: beginnings of connections that asked for no TLS

    def settings(self) -> dict[str, object]:
        """What connectSettings answers."""
        return {
            "kind": "sql#connectSettings",
            "databaseVersion": "POSTGRES_17",
            "serverCaCert": {"kind": "sql#sslCert", "cert": self.authority},
            "ipAddresses": [
                {"type": "OUTGOING", "ipAddress": "192.0.2.1"}, {"type": "PRIVATE", "ipAddress": "127.0.0.1"},
            ],
        }  # fmt: skip

    def sign_in(self, account: str, token: str) -> None:
        """Let the identity in with this token, if it is a user of the instance, and no longer with the one before."""
        user = account.removesuffix(".gserviceaccount.com")
        with psycopg.connect(self.owner, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchone():
                change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(token))
                connection.execute(change)

    def add_user(self, account: str, *, owns: bool = False) -> None:
        """A user; one that `owns` may make tables, as a member of cloudsqlsuperuser may."""
        user = sql.Identifier(account.removesuffix(".gserviceaccount.com"))
        with psycopg.connect(self.owner, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(user))
            if owns:
                connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(user))


@contextmanager
def instance(folder: Path, name: str = "p:europe-west4:cervix-hub") -> Iterator[Instance]:
    """An instance while the block runs."""
    with Postgres(folder / "postgres", settings={"fsync": "off"}) as url:
        authority, context = _certificates(folder, name)
        made = Instance(name=name, owner=url, authority=authority)
        socket_folder = parse_qs(urlsplit(url).query)["host"][0]
        with _front(f"{socket_folder}/.s.PGSQL.5432", context, made.plain) as made.port:
            yield made


def _certificates(folder: Path, name: str) -> tuple[str, ssl.SSLContext]:
    """The instance's authority, and TLS under a certificate of it for PROJECT:NAME, which is no address."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    project, _, short = name.split(":")
    root = _signed("Google Cloud SQL Server CA", root_key, "Google Cloud SQL Server CA", root_key, authority=True)
    own = _signed(f"{project}:{short}", key, "Google Cloud SQL Server CA", root_key, authority=False)
    pem = serialization.Encoding.PEM
    (folder / "server.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + own.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return root.public_bytes(pem).decode(), context


def _signed(
    who: str, key: ec.EllipticCurvePrivateKey, by: str, by_key: ec.EllipticCurvePrivateKey, *, authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(by_key, hashes.SHA256())
    )


@contextmanager
def _front(path: str, context: ssl.SSLContext, plain: list[bytes]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                threading.Thread(target=_hand_on, args=(caller, path, context, plain), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _hand_on(caller: socket.socket, path: str, context: ssl.SSLContext, plain: list[bytes]) -> None:
    first = caller.recv(8)
    if first != _SSL_REQUEST:
        plain.append(first)  # ENCRYPTED_ONLY: nobody is served in the open
        caller.close()
        return
    caller.sendall(b"S")
    with contextlib.suppress(OSError):
        inside = context.wrap_socket(caller, server_side=True)
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        threading.Thread(target=_pump, args=(server, inside), daemon=True).start()
        _pump(inside, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
