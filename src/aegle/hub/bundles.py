"""The registry of model bundles: which are known by content, and which one reads when a site has no pin."""

import re
from dataclasses import dataclass
from datetime import datetime

from aegle.errors import BadMessage, Conflict
from aegle.hub.database import Database, Transaction, changed, every, one
from aegle.records import BundleRef

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A bundle as whoever verified its files announces it."""

    name: str
    version: str
    digest: str  #: SHA-256 of the bundle's SHA256SUMS file
    threshold: float  #: the bundle's own operating point


@dataclass(frozen=True, kw_only=True)
class RegisteredBundle(Registration):
    """A bundle of the registry."""

    registered_at: datetime
    promoted_at: datetime  #: the latest of all reads for every site without a pin


def register(database: Database, registration: Registration) -> None:
    """Know the bundle and promote it. Idempotent; an older one registered again is promoted again.

    Raises BadMessage, and Conflict when the name and version belong to other bytes."""
    _check(registration)
    with database.transaction() as transaction:
        values = {"name": registration.name, "version": registration.version, "threshold": registration.threshold}
        changed(transaction, "add_bundle", digest=registration.digest, **values)
        row = one(transaction, "bundle", digest=registration.digest)
        if row is None or any(row[key] != value for key, value in values.items()):
            raise Conflict("this name and version, or this digest, is registered otherwise. Raise the bundle's version")
        latest = one(transaction, "bundle_in_force", pinned=None)
        if latest is not None and latest["digest"] != registration.digest:
            changed(transaction, "promote_bundle", digest=registration.digest)


def bundle_in_force(transaction: Transaction, pinned: str | None) -> tuple[BundleRef, float] | None:
    """The pinned bundle, else the latest promoted, with its own threshold; None while none is registered."""
    row = one(transaction, "bundle_in_force", pinned=pinned)
    if row is None:
        return None
    return BundleRef(name=row["name"], version=row["version"], digest=row["digest"]), row["threshold"]


def list_bundles(database: Database) -> tuple[RegisteredBundle, ...]:
    """Every registered bundle, the latest promoted first."""
    with database.transaction() as transaction:
        return tuple(RegisteredBundle(**row) for row in every(transaction, "bundles"))


def _check(registration: Registration) -> None:
    if not _NAME.fullmatch(registration.name) or not _NAME.fullmatch(registration.version):
        raise BadMessage("name and version: letters, digits, dot, hyphen and underscore, at most 64")
    if not _DIGEST.fullmatch(registration.digest):
        raise BadMessage("digest: 64 hexadecimal digits in lower case")
    if not 0 < registration.threshold < 1:
        raise BadMessage("threshold: between 0 and 1")
