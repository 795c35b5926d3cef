"""Grants: short-lived permission to read one study of this site's archive, sent to the hub with a request.

A grant is `BODY.MAC`: base64url JSON `{site, study, until}` and HMAC-SHA256 under the site's grant key. Nothing is stored; it
ends by itself. A command also gives grants for every study, with `may`: what else than reading they permit, and `id`: by which
they are taken back. What is stored is which were.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Container
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from aegle import durable
from aegle.access import Act
from aegle.errors import BadMessage, Forbidden, Unauthenticated
from aegle.ports import Loan

EVERY_STUDY = "*"
_ID = re.compile(r"[0-9a-f]{16}")
READING = frozenset({Act.ARCHIVE_STUDY_READ, Act.ARCHIVE_STUDY_FIND})


class Revoked:
    """Which grants were taken back: an empty file for each, seen by every process of the site at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, grant_id: str) -> None:
        """Take a grant back; durable. Raises BadMessage for what is no grant's id."""
        if not _ID.fullmatch(grant_id):
            raise BadMessage("a grant's id is the 16 letters and digits that `aegle archive grant` told")
        durable.write(durable.private_folder(self._folder) / grant_id, b"")

    def __contains__(self, grant_id: object) -> bool:
        return bool(grant_id) and (not _ID.fullmatch(str(grant_id)) or (self._folder / str(grant_id)).exists())


def give(
    key: bytes, site: str, study_uid: str, until: datetime, may: frozenset[Act] = READING, grant_id: str = ""
) -> str:
    """A grant for one study, or for EVERY_STUDY, until a moment (aware UTC)."""
    facts: dict[str, object] = {"site": site, "study": study_uid, "until": int(until.timestamp())}
    if grant_id:
        facts["id"] = grant_id
    if may != READING:
        facts["may"] = sorted(may)
    encoded = base64.urlsafe_b64encode(json.dumps(facts, separators=(",", ":")).encode()).decode()
    return f"{encoded}.{_mac(key, encoded)}"


def admit(
    key: bytes,
    site: str,
    study_uid: str,
    grant: str,
    act: Act = Act.ARCHIVE_STUDY_READ,
    revoked: Container[object] = (),
) -> None:
    """Return when the grant holds for this act at this site and study now; an empty study is the whole archive.

    Raises Unauthenticated, or Forbidden for another study or act."""
    held = _read(key, grant)
    if held.grant_id in revoked:
        raise Unauthenticated("the grant was taken back")
    if held.until < time.time():
        raise Unauthenticated("the grant has ended; the site renews it by submitting again")
    if held.site != site or held.study not in (study_uid, EVERY_STUDY):
        raise Forbidden("the grant is for another study")
    if act not in held.may:
        raise Forbidden("the grant does not permit that")


class _Held(NamedTuple):
    """What a grant says, once its MAC was found right."""

    site: str
    study: str
    until: int
    may: frozenset[object]
    grant_id: object


@lru_cache(maxsize=256)  # a viewer shows one grant for each of thousands of tiles; one that does not hold is not kept
def _read(key: bytes, grant: str) -> _Held:
    encoded, _, mac = grant.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(key, encoded).encode()):
        raise Unauthenticated("the grant does not hold")
    try:
        body = json.loads(base64.urlsafe_b64decode(encoded))
        may = frozenset(body.get("may", READING))
        return _Held(str(body["site"]), str(body["study"]), int(body["until"]), may, body.get("id", ""))
    except (binascii.Error, ValueError, KeyError):
        raise Unauthenticated("the grant cannot be read") from None


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
