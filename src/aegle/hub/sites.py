"""The sites the hub knows: enrolment, credentials, the model and operating point of each, and their health."""

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from psycopg.errors import UniqueViolation

from aegle import __version__, api
from aegle.config import RESERVED, SITE_NAME
from aegle.errors import BadMessage, Conflict, NotFound, Unauthenticated
from aegle.hub.bundles import bundle_in_force
from aegle.hub.database import Database, Transaction, changed, every, one
from aegle.records import BundleRef, OperatingPoint, Site, SiteKind

CREDENTIAL_GRACE_S = 7 * 86_400  #: how long the credential before the newest still holds
_SOFTWARE = re.compile(r"[0-9A-Za-z.+_-]{1,40}")
_ACCOUNT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com")
_NO_SECRET = bytes(32)


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What the operator says about a site."""

    kind: SiteKind
    archive_url: str  #: where workers read this site's studies
    operating_point: float | None = None  #: threshold of this site; None: the bundle's own
    account: str = ""  #: the Google service account it signs in as; empty: it has a credential of ours
    frozen: bool = False  #: stopped on purpose: it is let in no more, and no hello is waited for


@dataclass(frozen=True, kw_only=True)
class SiteStatus:
    """One site as the operator sees it."""

    name: str
    kind: SiteKind
    archive_url: str
    account: str  #: empty where it signs in with a credential of ours
    enrolled_at: datetime
    credential_made_at: datetime | None
    policy_revision: int
    bundle_digest: str | None  #: pinned; None: the latest promoted
    threshold: float | None  #: set for this site; None: the bundle's own
    hello: api.Hello | None
    hello_at: datetime | None
    frozen: bool = False  #: stopped on purpose


def enroll(database: Database, name: str, enrolment: Enrolment) -> None:
    """Make the site known, or change its archive address and operating point, freeze or thaw it. Idempotent.

    Raises BadMessage, and Conflict for another kind (a hospital never becomes a laboratory) or another site's account."""
    _check(name, enrolment)
    with database.transaction() as transaction:
        row = _enrolled(transaction, name, enrolment)
        if row is None or row["kind"] != enrolment.kind:
            raise Conflict(f"{name} is enrolled as another kind of site. Choose another name")
        pinned = _policy(transaction, name)[1]
        _set_policy(transaction, name, pinned, enrolment.operating_point)


def _enrolled(transaction: Transaction, name: str, enrolment: Enrolment) -> dict[str, Any] | None:
    kind, url, account = enrolment.kind, enrolment.archive_url, enrolment.account or None
    try:
        return one(
            transaction, "enroll_site", site=name, kind=kind, archive_url=url, account=account, frozen=enrolment.frozen
        )
    except UniqueViolation:
        raise Conflict("another site signs in as this account. Give each site its own") from None


def pin_bundle(database: Database, name: str, digest: str | None) -> None:
    """Read this site's studies with one bundle, or with the latest promoted (None). Open requests keep theirs."""
    with database.transaction() as transaction:
        if one(transaction, "hold_site", site=name) is None:
            raise NotFound(f"no site {name}")
        if digest is not None and one(transaction, "bundle", digest=digest) is None:
            raise NotFound("no such bundle. Register it first")
        _set_policy(transaction, name, digest, _policy(transaction, name)[2])


def rotate_credential(database: Database, name: str) -> str:
    """A new secret for the site, shown this once and kept as a hash.

    The one before it holds for `CREDENTIAL_GRACE_S` or until the next rotation, whichever is first."""
    secret = token_urlsafe(32)
    with database.transaction() as transaction:
        if one(transaction, "hold_site", site=name) is None:
            raise NotFound(f"no site {name}")
        changed(transaction, "add_credential", site=name, secret_sha256=_digest(secret))
    return secret


def authenticate(database: Database, name: str, secret: str) -> Site:
    """The site whose credential this is, in a time that tells nothing about the secret. Raises Unauthenticated."""
    given = _digest(secret)
    with database.transaction() as transaction:
        known = every(transaction, "credentials", site=name, grace_s=CREDENTIAL_GRACE_S)
        row = one(transaction, "site", site=name)
    digests = [bytes(item["secret_sha256"]) for item in known] or [_NO_SECRET]
    matches = [hmac.compare_digest(given, digest) for digest in digests]
    if row is None or not any(matches):
        raise Unauthenticated("the credential does not hold. Rotate it: aegle site rotate-credential NAME")
    return _alive(row)


def authenticate_account(database: Database, account: str) -> Site:
    """The site that signs in as this service account, whose token was verified. Raises Unauthenticated."""
    with database.transaction() as transaction:
        row = one(transaction, "site_of_account", account=account)
    if row is None:
        raise Unauthenticated("no site signs in as this account. Enroll it: aegle apply")
    return _alive(row)


def _alive(row: Mapping[str, Any]) -> Site:
    if row["frozen"]:
        raise Unauthenticated("this site is frozen. Take `frozen: true` out of its block, then run `aegle apply`")
    return Site(name=row["name"], kind=SiteKind(row["kind"]))


def greet(database: Database, site: Site, hello: api.Hello) -> api.Welcome:
    """Keep the site's health and tell it the model and operating point in force (none for a laboratory)."""
    if not _SOFTWARE.fullmatch(hello.software):
        raise BadMessage("software: not a version")
    if min(hello.held, hello.spooled, hello.undelivered, hello.disk_free_bytes) < 0:
        raise BadMessage("a count is negative")
    with database.transaction() as transaction:
        changed(transaction, "save_hello", site=site.name, hello=api.encode(hello).decode())
        force = in_force(transaction, site.name) if site.kind is SiteKind.HOSPITAL else None
    bundle, point = force or (None, None)
    return api.Welcome(software=__version__, bundle=bundle, operating_point=point)


def in_force(transaction: Transaction, name: str) -> tuple[BundleRef, OperatingPoint] | None:
    """The model and operating point for this site's next request; None while no model is registered."""
    revision, pinned, threshold = _policy(transaction, name)
    found = bundle_in_force(transaction, pinned)
    if found is None:
        return None
    bundle, default = found
    if threshold is None:
        return bundle, OperatingPoint(threshold=default, policy="bundle-default")
    return bundle, OperatingPoint(threshold=threshold, policy=f"{name}/{revision}")


def list_sites(database: Database) -> tuple[SiteStatus, ...]:
    """Every enrolled site by name."""
    with database.transaction() as transaction:
        rows = every(transaction, "sites")
    return tuple(
        SiteStatus(
            name=row["name"], kind=SiteKind(row["kind"]), archive_url=row["archive_url"],
            account=row["account"] or "", enrolled_at=row["enrolled_at"], credential_made_at=row["credential_made_at"],
            policy_revision=row["revision"] or 0, bundle_digest=row["bundle_digest"], threshold=row["threshold"],
            hello=api.decode(api.Hello, row["hello"]) if row["hello"] else None, hello_at=row["hello_at"],
            frozen=row["frozen"],
        )
        for row in rows
    )  # fmt: skip


def _check(name: str, enrolment: Enrolment) -> None:
    if not SITE_NAME.fullmatch(name) or name in RESERVED:
        raise BadMessage("name: 2 to 31 of a-z, 0-9 and hyphen, starting with a letter, and not hub or operator")
    point = enrolment.operating_point
    if point is not None and not (math.isfinite(point) and 0 < point < 1):
        raise BadMessage("operating_point: between 0 and 1")
    if enrolment.account and not _ACCOUNT.fullmatch(enrolment.account):
        raise BadMessage("account: NAME@PROJECT.iam.gserviceaccount.com")
    url = urlsplit(enrolment.archive_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
        raise BadMessage("archive_url: http(s)://HOST[:PORT]/PATH without user, query or fragment")


def _policy(transaction: Transaction, name: str) -> tuple[int, str | None, float | None]:
    row = one(transaction, "policy", site=name)
    return (row["revision"], row["bundle_digest"], row["threshold"]) if row else (0, None, None)


def _set_policy(transaction: Transaction, name: str, bundle_digest: str | None, threshold: float | None) -> None:
    revision, *current = _policy(transaction, name)
    if revision and current == [bundle_digest, threshold]:
        return
    changed(
        transaction, "add_policy", site=name, revision=revision + 1, bundle_digest=bundle_digest, threshold=threshold
    )


def _digest(secret: str) -> bytes:
    """A secret of 256 random bits needs no slow hash: nobody can try them all."""
    return hashlib.sha256(secret.encode()).digest()
