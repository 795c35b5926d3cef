"""The Secrets port on Secret Manager: one secret a name, one version a value; the newest enabled version is current.

The blueprint makes the secrets and lets the site's identity read them and add versions; it may neither list nor delete
others. https://cloud.google.com/secret-manager/docs/reference/rest
"""

import base64
import re
from collections.abc import Sequence
from typing import Any

import google_crc32c

from aegle.errors import BadMessage, Forbidden, NotFound, Unreadable
from aegle.google.session import Session

SERVICE = "https://secretmanager.googleapis.com/v1"
_NAME = re.compile(r"[a-z0-9-]{1,64}")
_PAGE = 100


class SecretManager:
    """The secrets of one site or of the hub: `projects/PROJECT/secrets/PREFIX-NAME`."""

    def __init__(self, session: Session, project: str, prefix: str, service: str = SERVICE) -> None:
        self._session, self._service = session, service
        self._parent = f"projects/{project}/secrets/{prefix}"

    def get(self, name: str) -> bytes:
        """The current value. Raises NotFound, also where this identity may not read it: Google does not tell them apart."""
        try:
            return self._value(f"{self._secret(name)}/versions/latest")
        except (Forbidden, NotFound):
            raise NotFound(
                f"secret {name!r} is not there or not ours; `aegle apply` makes the secrets of a site"
            ) from None

    def versions(self, name: str) -> Sequence[bytes]:
        """Every value still readable, newest first; empty when the name is unknown."""
        try:
            found = self._enabled(self._secret(name))
        except (Forbidden, NotFound):
            return []
        return [self._value(version) for version in found]

    def put(self, name: str, value: bytes) -> None:
        """A new current value, durable before it returns; older values stay readable. Raises NotFound for a secret that
        the blueprint did not make."""
        payload = {"data": base64.b64encode(value).decode(), "dataCrc32c": str(google_crc32c.value(value))}
        try:
            self._session.call("POST", f"{self._service}/{self._secret(name)}:addVersion", {"payload": payload})
        except (Forbidden, NotFound):
            raise NotFound(
                f"secret {name!r} is not there or not ours; `aegle apply` makes the secrets of a site"
            ) from None

    def _secret(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise BadMessage(f"{name!r} is not a secret's name: a-z, 0-9 and hyphen")
        return f"{self._parent}-{name}"

    def _value(self, version: str) -> bytes:
        payload = self._session.call("GET", f"{self._service}/{version}:access")["payload"]
        value = base64.b64decode(payload.get("data", ""))
        if "dataCrc32c" in payload and int(payload["dataCrc32c"]) != google_crc32c.value(value):
            raise Unreadable("a secret was damaged on its way; try again")
        return value

    def _enabled(self, secret: str) -> Sequence[str]:
        """Names of the versions that can be read, newest first."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._session.call("GET", f"{self._service}/{secret}/versions?pageSize={_PAGE}&pageToken={token}")
            found += page.get("versions", ())
            token = page.get("nextPageToken", "")
            if not token:
                break
        enabled = (str(version["name"]) for version in found if version.get("state") == "ENABLED")
        return sorted(enabled, key=lambda name: int(name.rpartition("/")[2]), reverse=True)
