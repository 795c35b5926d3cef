"""What may enter the label warehouse: known codes and bounded geometry, no free text."""

import math
import re
from datetime import UTC, datetime, timedelta

from aegle.api import LabelReceipt
from aegle.errors import Forbidden, TooLarge
from aegle.ports import Warehouse
from aegle.records import Label, LabelSubject, Site

BATCH_MAX = 500
PIXEL_MAX = 10_000_000.0  #: columns or rows of the largest slide we would believe
CODES = frozenset(
    {
        "NILM", "ASC-US", "ASC-H", "LSIL", "HSIL", "SCC", "AGC", "AGC-NEO", "AIS", "ADENO", "UNSAT", "OTHER",
        "ORGANISM", "ARTEFACT",
    }
)  # fmt: skip
"""Bethesda 2014 short codes and two of our own for regions."""
POINTS_OF = {"none": 0, "point": 1, "box": 2}

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UID = re.compile(r"[0-9.]{1,64}")
_READER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLOCK_MARGIN = timedelta(days=1)


def store(warehouse: Warehouse, site: Site, labels: tuple[Label, ...]) -> LabelReceipt:
    """Keep what is fit and say what is not. Raises TooLarge, and Forbidden for a batch with another site's label."""
    if len(labels) > BATCH_MAX:
        raise TooLarge(f"labels: at most {BATCH_MAX} in a batch")
    if any(label.site != site.name for label in labels):
        raise Forbidden("a label of another site")
    refused = {label.event_id: reason for label in labels if (reason := fault_of(label))}
    fit = [label for label in labels if label.event_id not in refused]
    if fit:
        warehouse.add_labels(fit)
    return LabelReceipt(stored=tuple(label.event_id for label in fit), refused=refused)


def fault_of(label: Label) -> str:
    """Why this label cannot be kept, with the name of the field and never its value; empty for a good one."""
    checks = {
        "event_id: not a UUID": _UUID.fullmatch(label.event_id),
        "label_id: not a UUID": _UUID.fullmatch(label.label_id),
        "supersedes: not a UUID": not label.supersedes or _UUID.fullmatch(label.supersedes),
        "reader: 1 to 64 of letters, digits, hyphen and underscore": _READER.fullmatch(label.reader),
        "study_uid, series_uid, sop_uid: not UIDs": all(
            _UID.fullmatch(uid) for uid in (label.study_uid, label.series_uid, label.sop_uid)
        ),
        "code: unknown": label.code in CODES or (label.retracted and not label.code),
        "retracted: without the event it takes back": not label.retracted or label.supersedes,
        "made_at: without a time zone, or in the future": _has_been(label.made_at),
        "shape: does not fit the subject": (label.subject is LabelSubject.SLIDE) == (label.shape == "none"),
        "points_px: does not fit the shape, or out of bounds": _fits(label),
    }
    return next((fault for fault, good in checks.items() if not good), "")


def _has_been(moment: datetime) -> bool:
    return moment.tzinfo is not None and moment <= datetime.now(UTC) + _CLOCK_MARGIN


def _fits(label: Label) -> bool:
    numbers = [number for point in label.points_px for number in point]
    bounded = all(math.isfinite(number) and 0 <= number <= PIXEL_MAX for number in numbers)
    return bounded and len(label.points_px) == POINTS_OF.get(label.shape)
