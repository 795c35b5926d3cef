"""Cloud SQL for PostgreSQL at its private address, signed in to as this machine's identity; there is no password.

The instance says its address and its own authority (connectSettings); TLS is checked against that authority, which signs
for this one instance. What stands where a password would is this identity's access token, which ends after an hour, so it lies in
libpq's password file and is renewed there: every new connection of whatever library reads it anew.
https://cloud.google.com/sql/docs/postgres/iam-logins, https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/connect
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from aegle import durable, logs
from aegle.errors import AegleError, BadConfig
from aegle.estate import HubDatabase
from aegle.google.services import address
from aegle.google.session import Session

RENEW_S = 120.0  #: google-auth answers a new token some minutes before the old one ends


class CloudSql:
    """How this machine's programs reach the hub's database."""

    def __init__(self, session: Session, database: HubDatabase, folder: Path, endpoint: str | None = None) -> None:
        """`folder` takes the authority and the password file; only its owner may enter it."""
        self._session, self._wanted, self._folder = session, database, folder
        project, _, name = database.instance.split(":")
        self._settings = address("sqladmin", f"v1/projects/{project}/instances/{name}/connectSettings", endpoint)

    @contextmanager
    def reached(self, every_s: float = RENEW_S) -> Iterator[str]:
        """The URL for libpq, good while the block runs. Raises what the session does; BadConfig for an instance without a
        private address."""
        host = self._prepare()
        ended = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(host, ended, every_s), name="database-token", daemon=True)
        renewal.start()
        try:
            yield self._url(host)
        finally:
            ended.set()
            renewal.join()

    def _prepare(self) -> str:
        told = self._session.call("GET", self._settings)
        found = [item["ipAddress"] for item in told.get("ipAddresses", ()) if item.get("type") == "PRIVATE"]
        if not found:
            raise BadConfig(f"{self._wanted.instance} has no private address; `aegle apply` gives it one")
        durable.private_folder(self._folder)
        durable.write(self._authority, told["serverCaCert"]["cert"].encode())
        host = str(found[0])
        self._write_token(host)
        return host

    @property
    def _authority(self) -> Path:
        return self._folder / "database-authority.pem"

    @property
    def _passwords(self) -> Path:
        return self._folder / "database-token"

    def _write_token(self, host: str) -> None:
        words = (host, str(self._wanted.port), self._wanted.name, self._wanted.user, self._session.token())
        line = ":".join(word.replace("\\", "\\\\").replace(":", "\\:") for word in words)
        durable.write(self._passwords, f"{line}\n".encode())

    def _renew(self, host: str, ended: threading.Event, every_s: float) -> None:
        while not ended.wait(every_s):
            try:
                self._write_token(host)
            except AegleError as error:  # the old one may hold for a while; the next turn tries again
                logs.warning("database token not renewed", code=error.meaning.code)

    def _url(self, host: str) -> str:
        # The authority signs for one instance by its name, not by its address: verify-ca is the whole check here.
        options = {"sslmode": "verify-ca", "sslrootcert": str(self._authority), "passfile": str(self._passwords)}
        place = f"{quote(self._wanted.user, safe='')}@{host}:{self._wanted.port}/{quote(self._wanted.name, safe='')}"
        return f"postgresql://{place}?{urlencode(options)}"
