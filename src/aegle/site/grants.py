"""Grants: short-lived permission to read one study of this site's archive, sent to the hub with a request.

A grant is `BODY.MAC`: base64url JSON `{site, study, until}` and HMAC-SHA256 under the site's grant key. Nothing is stored; it
ends by itself.
"""

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

from aegle.errors import Forbidden, Unauthenticated
from aegle.ports import Loan


def give(key: bytes, site: str, study_uid: str, until: datetime) -> str:
    """A grant for one study until a moment (aware UTC)."""
    body = json.dumps({"site": site, "study": study_uid, "until": int(until.timestamp())}, separators=(",", ":"))
    encoded = base64.urlsafe_b64encode(body.encode()).decode()
    return f"{encoded}.{_mac(key, encoded)}"


def admit(key: bytes, site: str, study_uid: str, grant: str) -> None:
    """Return when the grant holds for this site and study now. Raises Unauthenticated, or Forbidden for another study."""
    encoded, _, mac = grant.partition(".")
    if not hmac.compare_digest(mac, _mac(key, encoded)):
        raise Unauthenticated("the grant does not hold")
    try:
        body = json.loads(base64.urlsafe_b64decode(encoded))
        named, until = (str(body["site"]), str(body["study"])), int(body["until"])
    except (binascii.Error, ValueError, KeyError):
        raise Unauthenticated("the grant cannot be read") from None
    if until < datetime.now(UTC).timestamp():
        raise Unauthenticated("the grant has ended; the site renews it by submitting again")
    if named != (site, study_uid):
        raise Forbidden("the grant is for another study")


class OwnEndpoint:
    """The Lender port for an archive that this site serves itself."""

    life = timedelta(hours=1)

    def __init__(self, site: str, key: bytes, archive_url: str) -> None:
        self._site, self._key, self._url = site, key, archive_url

    def lend(self, study_uid: str) -> Loan:
        """A grant for this one study."""
        until = datetime.now(UTC) + self.life
        return Loan(archive_url=self._url, grant=give(self._key, self._site, study_uid, until), until=until)


def _mac(key: bytes, encoded: str) -> str:
    return hmac.new(key, encoded.encode(), hashlib.sha256).hexdigest()
