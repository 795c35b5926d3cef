"""The nouns of the platform as frozen records: what travels between rooms once bytes, JSON and YAML have been read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from aegle.references import InstanceRef as InstanceRef


class SiteKind(StrEnum):
    """What a site is: a hospital sends studies and gets predictions; a laboratory uploads, views and labels."""

    HOSPITAL = "hospital"
    LAB = "lab"


@dataclass(frozen=True, kw_only=True)
class Site:
    """One hospital or laboratory."""

    name: str  #: lower-case letters, digits and hyphens; also its host name under `.localhost`
    kind: SiteKind


@dataclass(frozen=True, kw_only=True)
class StoredInstance(InstanceRef):
    """An instance as an archive holds it."""

    transfer_syntax: str
    size_bytes: int
    digest: str  #: SHA-256 of the Part 10 file, lower-case hexadecimal
    modality: str
    frames: int  #: Number of Frames, 1 where absent; 0 for an object without pixels
    rows: int
    columns: int


# --- predictions


@dataclass(frozen=True, kw_only=True)
class BundleRef:
    """One packaged model version, named by content."""

    name: str
    version: str
    digest: str  #: SHA-256 of the bundle's SHA256SUMS file


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """The threshold in force for a site when a prediction was decided."""

    threshold: float  #: score in [0, 1] at or above which the study is called abnormal
    policy: str  #: which policy set it, for example `bundle-default` or `st-anna/2`


@dataclass(frozen=True, kw_only=True)
class Score:
    """The model's probability of one class."""

    code: str  #: our short code (Bethesda 2014), for example `HSIL`
    value: float  #: in [0, 1]


@dataclass(frozen=True, kw_only=True)
class Region:
    """An area of an image that carries the finding."""

    sop_uid: str  #: the image; for a slide the instance of its highest resolution
    polygon_px: tuple[tuple[float, float], ...]  #: (column, row) in the image, or in the slide's Total Pixel Matrix
    code: str
    score: float  #: in [0, 1]


@dataclass(frozen=True, kw_only=True)
class EvidenceMap:
    """Where in one image the model saw the finding: a coarse map that covers the whole image."""

    sop_uid: str
    code: str
    rows: int
    columns: int
    values_b64: str  #: base64 of `rows * columns` uint8, row by row; 255 is full evidence


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What the input check measured before the model ran."""

    accepted: bool
    focus: float  #: relative sharpness in [0, 1]; see the bundle's card for its limit
    cells: int  #: cells counted in the image or in the sampled fields of a slide
    reason: str = ""  #: a `RejectReason` code when not accepted


class RejectReason(StrEnum):
    """Why a study was not read by the model. Each has a line in docs/reference/reasons.md."""

    WRONG_CLASS = "WRONG_CLASS"
    WRONG_SPACING = "WRONG_SPACING"
    OUT_OF_FOCUS = "OUT_OF_FOCUS"
    TOO_FEW_CELLS = "TOO_FEW_CELLS"
    WRONG_STAIN = "WRONG_STAIN"
    UNREADABLE_PIXELS = "UNREADABLE_PIXELS"
    NO_IMAGES = "NO_IMAGES"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The model's answer for one study. Everything a result object shows derives from it, dates and UIDs included."""

    prediction_id: str  #: UUID
    request_id: str  #: UUID
    site: str
    study_uid: str
    input_digest: str
    sources: tuple[InstanceRef, ...]  #: the images the model read
    bundle: BundleRef
    operating_point: OperatingPoint
    finding: str  #: our short code of the called class
    score: float  #: the abnormality score compared with the threshold, in [0, 1]
    scores: tuple[Score, ...]  #: one a class, sums to 1
    quality: Quality
    regions: tuple[Region, ...]  #: highest score first, at most 50
    evidence: tuple[EvidenceMap, ...]
    decided_at: datetime


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A study the model may not read, with the reason; never a result."""

    request_id: str
    site: str
    study_uid: str
    input_digest: str
    bundle: BundleRef
    reason: RejectReason
    detail: str  #: one plain sentence of facts, no patient values
    quality: Quality | None
    decided_at: datetime


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A study that could not be processed after every retry; an operator is alerted."""

    request_id: str
    site: str
    study_uid: str
    input_digest: str
    code: str  #: an error code of `errors.MEANING`
    detail: str
    decided_at: datetime


Outcome = Prediction | Rejection | Failure


class RequestState(StrEnum):
    """Life of a request at the hub."""

    WAITING = "waiting"
    RUNNING = "running"
    PREDICTED = "predicted"
    REJECTED = "rejected"
    FAILED = "failed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A site's wish to have one study read, as the hub holds it."""

    request_id: str  #: UUID
    site: str
    key: str  #: the site's idempotency key
    study_uid: str
    input_digest: str
    instances: tuple[InstanceRef, ...]
    archive_url: str
    state: RequestState
    bundle: BundleRef  #: pinned when the request was submitted
    operating_point: OperatingPoint  #: likewise
    attempt: int
    submitted_at: datetime
    finished_at: datetime | None


# --- labels


class LabelSubject(StrEnum):
    """What a label is about."""

    SLIDE = "slide"
    REGION = "region"


@dataclass(frozen=True, kw_only=True)
class Label:
    """One assertion by one person, append-only: a correction supersedes, nothing is edited."""

    event_id: str  #: UUID made where the label was made; the idempotency key
    made_at: datetime
    site: str
    reader: str  #: the site's pseudonym for the person
    study_uid: str
    series_uid: str
    sop_uid: str
    subject: LabelSubject
    code: str  #: our short code (Bethesda 2014); empty when `retracted`
    shape: str  #: `none`, `point` or `box`
    points_px: tuple[tuple[float, float], ...]  #: (column, row) in the Total Pixel Matrix
    label_id: str  #: stable over corrections of the same label
    supersedes: str = ""  #: event_id of the assertion this one replaces
    retracted: bool = False


# --- audit


class AuditOutcome(StrEnum):
    """How an audited act ended."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One entry of the audit trail. `facts` holds allow-listed keys only (`access.FACTS`)."""

    event_id: str  #: UUID
    happened_at: datetime
    act: str  #: an `access.Act`
    outcome: AuditOutcome
    principal: str  #: `user:NAME`, `site:NAME`, `peer:AE`, `worker:ID`, `system` or `nobody`
    site: str  #: empty at the hub when no site is concerned
    subject: str = ""  #: an alias UID, a request id, an event id
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AuditHead:
    """The state of one audit chain, lodged with the other party so that a cut tail is noticed."""

    chain: str  #: for example `st-anna/site` or `hub/hub`
    count: int
    digest: str  #: SHA-256 of the last line, 64 zeros for an empty chain


# --- searching an archive


class Level(StrEnum):
    """What a search answers: one result a study, a series or an instance (PS3.4 C.6.1.1)."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


class Match(StrEnum):
    """How a criterion matches (PS3.4 C.2.2.2); universal matching is no criterion at all."""

    ONE_OF = "one-of"  #: single value, or a list of UIDs
    LIKE = "like"  #: wildcards `*` and `?`
    BETWEEN = "between"  #: a range of dates or times, both ends included; an empty end is open


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One attribute that must match, by its tag (`0020000D`); values in the form `dicom.levels.normal` gives them."""

    tag: str
    match: Match
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Query:
    """A search: every criterion holds. Results come in one fixed order, so that pages neither overlap nor leave a gap."""

    level: Level
    criteria: tuple[Criterion, ...] = ()
    limit: int
    offset: int = 0
    after: tuple[str, ...] = ()  #: `Found.place` of the last result of the page before
    whole: bool = False  #: at INSTANCE: every attribute of the header


@dataclass(frozen=True, kw_only=True)
class Found:
    """One result: its DICOM JSON, and where it stands in the order of its query."""

    attributes: Mapping[str, Any]
    place: tuple[str, ...]
