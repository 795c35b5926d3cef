"""The messages between site and hub: one documented HTTP API, its paths and bodies.

Every call carries `Authorization: Bearer SITE.SECRET`. Bodies are JSON forms of the records here and in
`aegle.records`; `encode` and `decode` are the only way in and out. The hub answers an error as `{"code", "detail"}`
with the status of `errors.MEANING`.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from aegle.errors import BadMessage
from aegle.records import AuditHead, BundleRef, InstanceRef, Label, OperatingPoint, Outcome, RequestState

HELLO = "/v1/hello"
REQUESTS = "/v1/requests"  #: POST `Submission` -> `Receipt`
OUTCOMES = "/v1/outcomes"  #: GET -> `OutcomeList`: finished, not yet collected, oldest first
COLLECTED = "/v1/outcomes/{request_id}/collected"  #: POST, no body
LABELS = "/v1/labels"  #: POST `LabelBatch` -> `LabelReceipt`
AUDIT_HEADS = "/v1/audit/heads"  #: POST `HeadList` -> `HeadList` (the hub's own heads in return)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Hello:
    """A site says it is alive; answered by `Welcome`."""

    software: str  #: version of Aegle at the site
    held: int  #: instances in quarantine that wait for a person
    spooled: int  #: instances received, not yet admitted
    undelivered: int  #: results not yet accepted by the PACS
    disk_free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The hub's answer to a hello: what the site may expect."""

    software: str
    bundle: BundleRef | None  #: the model this site's studies are read with; None for a laboratory
    operating_point: OperatingPoint | None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One study to be read. Idempotent by `key`; a second submission with the same key only renews the grant."""

    key: str
    study_uid: str  #: alias
    input_digest: str  #: SHA-256 over the sorted digests of the study's images
    instances: tuple[InstanceRef, ...]
    archive_url: str  #: where the hub's workers read; checked against the address the hub has for this site
    grant: str  #: bearer token for that archive, this study, read only
    grant_expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of a submission."""

    request_id: str
    state: RequestState


@dataclass(frozen=True, kw_only=True)
class OutcomeList:
    """Finished requests the site has not yet collected, oldest first, at most 20."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, kw_only=True)
class LabelBatch:
    """Label events from a site's outbox, at most 500."""

    labels: tuple[Label, ...]


@dataclass(frozen=True, kw_only=True)
class LabelReceipt:
    """The event ids the warehouse now holds durably, new or known; and those refused, with the reason."""

    stored: tuple[str, ...]
    refused: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class HeadList:
    """Audit heads exchanged so that either side can prove the other's trail was not shortened."""

    heads: tuple[AuditHead, ...]


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))


def encode(message: object, kind: Hashable = None) -> bytes:
    """JSON of a record, UTF-8, keys in declaration order (stable: the same record gives the same bytes)."""
    return _adapter(kind or cast("Hashable", type(message))).dump_json(message)


def decode(kind: type[T], body: bytes | str) -> T:
    """The record `kind` from its JSON. Raises BadMessage with the path of the first field that does not fit."""
    try:
        value: T = _adapter(cast("Hashable", kind)).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise BadMessage(f"{where}: {first['msg']}") from None
    return value
