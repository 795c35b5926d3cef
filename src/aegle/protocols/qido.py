"""The parameters of a search (QIDO-RS, PS3.18 §8.3.4 and §10.6.1), read into a query of the archive.

What cannot be matched is refused, never ignored: a search that answers more than it was asked for misleads.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from aegle.dicom.levels import DEFAULTS, KEPT, KEY_OF, KEYS, LEVELS, normal
from aegle.dicom.uids import is_uid
from aegle.errors import BadMessage
from aegle.records import Criterion, Level, Match, Query

LIMIT_DEFAULT = 1_000
LIMIT_MAX = 5_000
OFFSET_MAX = 100_000  #: beyond it a page begins with `after`, which costs the same at any depth
UIDS_MAX = 500  #: in one list
_LONGEST_VALUE = 16_384
_FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_RANGED = {"DA": re.compile(r"\d{8}"), "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A search as it was asked for."""

    query: Query
    fields: frozenset[str] | None  #: tags to answer; None: all there are
    warnings: tuple[str, ...]


def read(level: Level, scope: Sequence[tuple[str, str]], parameters: Sequence[tuple[str, str]]) -> Asked:
    """The search of a resource. `scope` holds what its path names, as (tag, UID). Raises BadMessage."""
    plain = {name: value for name, value in parameters if name in _PLAIN}
    if len(plain) < sum(name in _PLAIN for name, _ in parameters):
        raise BadMessage("a parameter is given twice")
    criteria = [Criterion(tag=tag, match=Match.ONE_OF, values=(uid,)) for tag, uid in scope]
    for name, value in parameters:
        if name not in _PLAIN and name != "includefield":
            criteria += _criterion(level, name, value)
    if len({item.tag for item in criteria}) < len(criteria):
        raise BadMessage("an attribute is given twice, or once more than the path names it")
    included = _included([value for name, value in parameters if name == "includefield"])
    fields = None if included is None else frozenset(included | _unasked(level, scope))
    query = Query(
        level=level,
        criteria=tuple(criteria),
        limit=_number(plain.get("limit", str(LIMIT_DEFAULT)), "limit", None, LIMIT_MAX),
        offset=_number(plain.get("offset", "0"), "offset", OFFSET_MAX, OFFSET_MAX),
        after=_place(plain.get("after", "")),
        whole=level is Level.INSTANCE and (fields is None or bool(included and included - _KEPT)),
    )
    return Asked(query=query, fields=fields, warnings=(_FUZZY,) if _flag(plain.get("fuzzymatching", "false")) else ())


_PLAIN = frozenset({"limit", "offset", "after", "fuzzymatching", "accept"})
_KEPT = {tag for level in Level for tag in KEPT[level]} | {tag for level in Level for tag in DEFAULTS[level]}


def token(place: Sequence[str]) -> str:
    """`Found.place` for the `after` parameter of the next page."""
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode().rstrip("=")


def _place(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) if text else []
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) > 4 or not all(isinstance(item, str) for item in found):
        raise BadMessage("after is not what an answer before gave")
    return tuple(found)


def _unasked(level: Level, scope: Sequence[tuple[str, str]]) -> set[str]:
    """The defaults of the level, and of those above it that the path does not name (PS3.18 §10.6.3.3); always the UIDs."""
    named = len(scope)
    levels = LEVELS[named if named < len(LEVELS) else 0 : LEVELS.index(level) + 1]
    uids = {"0020000D", "0020000E", "00080018"} if level is Level.INSTANCE else {"0020000D"}
    return {tag for it in levels for tag in DEFAULTS[it]} | uids | ({"00080060"} if level is not Level.STUDY else set())


def _criterion(level: Level, name: str, value: str) -> list[Criterion]:
    """None for universal matching (PS3.4 C.2.2.2.3)."""
    tag = _tag(name)
    key = KEY_OF.get(tag)
    if key is None:
        able = ", ".join(keyword_for_tag(int(it.tag, 16)) for it in KEYS)
        raise BadMessage(f"that attribute cannot be matched here; these can: {able}")
    if LEVELS.index(key.level) > LEVELS.index(level):
        raise BadMessage(f"an attribute of a {key.level} does not match a search for {level} results")
    if len(value) > _LONGEST_VALUE:
        raise BadMessage("a value is too long")
    if not value.strip(" *"):
        return []
    match, values = _values(key.vr, value)
    return [Criterion(tag=tag, match=match, values=values)]


def _values(vr: str, value: str) -> tuple[Match, tuple[str, ...]]:
    if vr == "UI":
        uids = tuple(part.strip() for part in re.split(r"[,\\]", value))
        if len(uids) > UIDS_MAX or not all(is_uid(uid) for uid in uids):
            raise BadMessage(f"a list of UIDs holds at most {UIDS_MAX} of them and nothing else")
        return Match.ONE_OF, uids
    if vr in _RANGED:
        return _range(vr, value)
    if vr == "CS" and re.search(r"[,\\]", value):
        return Match.ONE_OF, tuple(sorted({normal(vr, part) for part in re.split(r"[,\\]", value)}))
    if vr != "IS" and re.search(r"[*?]", value):
        return Match.LIKE, (normal(vr, value),)
    return Match.ONE_OF, (normal(vr, value),)


def _range(vr: str, value: str) -> tuple[Match, tuple[str, ...]]:
    low, dash, high = value.replace(" ", "").partition("-")
    form = _RANGED[vr]
    ends = [normal(vr, low) if vr == "DA" else low, normal(vr, high) if vr == "DA" else high]
    if not any(ends) or any(end and not form.fullmatch(end) for end in ends):
        raise BadMessage("a date is YYYYMMDD, a time HHMMSS.FFFFFF, and a range has one or both ends around a hyphen")
    if not dash:
        ends = [ends[0], ends[0]]
    if vr == "TM":  # a time cut short means all of the hour or minute (PS3.4 C.2.2.2.5)
        return Match.BETWEEN, (normal(vr, ends[0]), _last(ends[1]))
    return (Match.BETWEEN, (ends[0], ends[1])) if dash else (Match.ONE_OF, (ends[0],))


def _last(time: str) -> str:
    whole, _, fraction = time.partition(".")
    return f"{whole}{'235959'[len(whole) :]}.{fraction:9<6}" if time else ""


def _included(values: Sequence[str]) -> set[str] | None:
    names = [name for value in values for name in value.split(",") if name]
    return None if "all" in names else {_tag(name.partition(".")[0]) for name in names}


def _tag(name: str) -> str:
    """By keyword, tag or path (PS3.18 §8.3.4.1). Raises BadMessage."""
    if "." in name:
        raise BadMessage("attributes inside a sequence cannot be matched here")
    if re.fullmatch(r"[0-9A-Fa-f]{8}", name):
        return name.upper()
    tag = tag_for_keyword(name) if name.isalnum() else None
    if tag is None:
        raise BadMessage("a parameter is neither a keyword nor a tag of the standard")
    return f"{tag:08X}"


def _number(text: str, name: str, refuse_over: int | None, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadMessage(f"{name} is not a whole number")
    if refuse_over is not None and int(text) > refuse_over:
        raise BadMessage(f"{name} is at most {refuse_over}; follow the Link header of each answer instead")
    return min(int(text), most)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise BadMessage("fuzzymatching is true or false")
    return text == "true"
