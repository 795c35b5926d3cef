"""The gate for words: a value of a kept text attribute passes once somebody at the site has decided that it may.

A table by tag cannot know that a technician's name was typed into Manufacturer's Model Name. So every value of a kept
attribute that holds words (AE, CS, LO, SH, ST, LT, UC, UR, UT) must be known: from the list we ship (makers, models,
terms of the standard, see data/approved_values.txt), from the standard's own codes, or by a decision of the site. One
that nobody has seen holds its object until it is approved (it stays) or denied (it is emptied). A value that says
nothing (one or two Latin characters, or up to four digits) needs no decision, nor does a version, a kernel or a pulse
sequence that its maker's scheme names (`makers`); a UID in a text is denied unasked, and so is a label that people type
for one patient (`rules.LABELS`). Values of several parts are judged by part;
capital letters and repeated spaces do not count.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from itertools import chain

from pydicom.datadict import DicomDictionary, RepeatersDictionary, keyword_for_tag  # type: ignore[attr-defined]

from aegle.deid import makers, ps316, safe_private
from aegle.deid.fold import folded, shown
from aegle.deid.identifiers import texts
from aegle.deid.pseudonyms import is_public
from aegle.deid.reasons import FirstSeen
from aegle.deid.rules import LABELS
from aegle.deid.table import DATA, rows

GATED = frozenset({b"AE", b"CS", b"LO", b"SH", b"ST", b"LT", b"UC", b"UR", b"UT"})
ANY = "*"  #: stands for a keyword: a term of the standard, approved in every CS attribute
LONGEST = 10_240  #: characters of a value that a person can be asked about; a longer one is denied

_ONE_VALUE = frozenset({b"ST", b"LT", b"UR", b"UT"})
#: Two characters of Chinese, Japanese or Korean are somebody's whole name.
_SAYS_NOTHING = re.compile(r"[\0-\u024f\u03bc]{0,2}|[.\-]*(?:[0-9][.\-]*){0,4}")
_UID = re.compile(r"(?<![0-9.])[0-2](?:\.[0-9]+){5,}(?![0-9])")  #: of six parts and more, as every instance's is
_CODES = frozenset({"CodeValue", "LongCodeValue", "URNCodeValue"})
_CACHED = 100_000
#: Attributes that may not be empty where they stand (Type 1 in every macro that has them): denied, they read so.
NEVER_EMPTY = frozenset(
    {0x00080100, 0x00080102, 0x00080104, 0x00080119, 0x00080120}  # of a code
    | {0x00409210, 0x00480106, 0x006A000E, 0x00620005, 0x00700002, 0x00700080}  # labels
    | {0x00187062, 0x0018925B}  # of an exposure, of spin labelling
    | {0x30020052, 0x300A030F, 0x300A034C, 0x300A0362, 0x300A0372, 0x300A0390}  # of a beam
)
_NO_WORD = b"ANONYMIZED"


class Decision(StrEnum):
    """What a site has decided about one value."""

    APPROVE = "approve"  #: it stays
    DENY = "deny"  #: it is emptied
    PENDING = "pending"  #: nobody has decided; objects with it are held


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A value that does not pass as it stands."""

    value: bytes = field(repr=False)  #: without what was denied; what is pending still stands in it
    first_seen: frozenset[FirstSeen]  #: not empty: the object must be held


class Values:
    """The decisions in force. Immutable but for its memory of what it has judged; safe to share between threads."""

    def __init__(self, decided: Mapping[tuple[str, str], Decision] | None = None) -> None:
        """`decided` maps (keyword, value) to the site's decision, which goes before the list we ship."""
        self._decided = {(keyword, folded(value)): what for (keyword, value), what in (decided or {}).items()}
        self._known: dict[tuple[int, bytes, bytes, tuple[str, ...]], Judged | None] = {}

    @property
    def digest(self) -> str:
        """SHA-256 over the list we ship and the site's decisions, pending ones apart."""
        lines = sorted(
            f"{what} {keyword} {value}"
            for (keyword, value), what in self._decided.items()
            if what is not Decision.PENDING
        )
        return hashlib.sha256("\n".join((_list(), makers.SCHEMES, *lines)).encode()).hexdigest()

    def judge(self, tag: int, vr: bytes, raw: bytes, character_set: Sequence[str]) -> Judged | None:
        """None when every part of the raw value may stay."""
        key = (tag, vr, raw, () if raw.isascii() else tuple(character_set))
        if key not in self._known:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[key] = self._judged(tag, vr, raw, character_set)
        return self._known[key]

    def decision(self, keyword: str, value: str, *, is_term: bool = False) -> Decision:
        """What holds for one part of a value; `is_term` for CS, where the standard's own terms are approved."""
        word = folded(value)
        said = self._decided.get((keyword, word))
        if said is not None:
            return said
        if (
            _is_on_list(keyword, word, is_term=is_term)
            or _SAYS_NOTHING.fullmatch(word)
            or makers.is_in_scheme(keyword, word)
        ):
            return Decision.APPROVE
        return Decision.DENY if keyword in LABELS or _names_an_object(keyword, word) else Decision.PENDING

    def _judged(self, tag: int, vr: bytes, raw: bytes, character_set: Sequence[str]) -> Judged | None:
        text, keyword = texts(raw, character_set).strip("\0 "), keyword_of(tag)
        parts = [text] if vr in _ONE_VALUE else text.split("\\")
        decisions = [self._bounded_decision(keyword, part, is_term=vr == b"CS") for part in parts]
        if all(what is Decision.APPROVE for what in decisions):
            return None
        pending = (part for part, what in zip(parts, decisions, strict=True) if what is Decision.PENDING)
        first_seen = frozenset(FirstSeen(keyword=keyword, value=shown(part)) for part in pending)
        return Judged(value=_without_denied(tag, vr, raw, decisions), first_seen=first_seen)

    def _bounded_decision(self, keyword: str, part: str, *, is_term: bool) -> Decision:
        return Decision.DENY if len(part) > LONGEST else self.decision(keyword, part, is_term=is_term)


def _without_denied(tag: int, vr: bytes, raw: bytes, decisions: Sequence[Decision]) -> bytes:
    """The raw value with its denied parts emptied; all of it where its parts cannot be told apart in bytes."""
    parts = [raw] if vr in _ONE_VALUE else raw.split(b"\\")
    if len(parts) != len(decisions):
        parts, decisions = [raw], [Decision.DENY]
    instead = _NO_WORD if tag in NEVER_EMPTY else b""
    return b"\\".join(
        instead if what is Decision.DENY else part for part, what in zip(parts, decisions, strict=True)
    ).rstrip(b"\\")


@lru_cache(maxsize=8192)
def is_published(tag: int, part: str, *, is_term: bool) -> bool:
    """Whether one part of an attribute's value is on the list that we ship for it, a term of the standard (`is_term`: in CS)
    or a code of it: such a value names nobody, also where somebody is called so."""
    word = folded(part)
    return bool(word) and _is_on_list(keyword_of(tag), word, is_term=is_term)


def _is_on_list(keyword: str, word: str, *, is_term: bool) -> bool:
    listed = word in _shipped().get(keyword, ()) or (is_term and word in _terms())
    return listed or _is_standard_code(keyword, word)


def load_list() -> None:
    """Read the list that we ship, for whoever is about to make copies of this process."""
    _terms()


@cache
def keyword_of(tag: int) -> str:
    """The keyword of an attribute, from the dictionary or from Table E.1-1, of a safe private one its name; else its eight
    digits."""
    return safe_private.name_of(tag) or keyword_for_tag(tag) or _keywords_of_table().get(tag, f"{tag:08X}")


@cache
def _keywords_of_table() -> dict[int, str]:
    return {row.tag: row.keyword for row in rows()}


@cache
def is_keyword(keyword: str) -> bool:
    """Whether decisions about this keyword can ever be asked for."""
    of_standard = chain(DicomDictionary.values(), RepeatersDictionary.values())
    return (
        any(entry[4] == keyword for entry in of_standard)
        or keyword in _keywords_of_table().values()
        or keyword in (row.name for row in safe_private.rows())
    )


@cache
def _attributes() -> frozenset[str]:
    """What the standard's attributes are called, in words and as keywords, folded."""
    return frozenset(folded(name) for entry in DicomDictionary.values() for name in (entry[2], entry[4]) if name)


@cache
def _shipped() -> Mapping[str, frozenset[str]]:
    """The approved list by keyword, folded."""
    found: dict[str, frozenset[str]] = {}
    for keywords, values in _sections():
        words = frozenset(map(folded, values))
        for keyword in keywords:
            found[keyword] = found[keyword] | words if keyword in found else words
    return found


@cache
def _terms() -> frozenset[str]:
    """Terms of the standard for CS attributes, several a line in the list."""
    return frozenset(word for line in _shipped().get(ANY, ()) for word in line.split(" | "))


def _sections() -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """The keywords of each section of the list, with its values."""
    for section in _list().split("\n[")[1:]:
        keywords, _, lines = section.partition("]\n")
        yield keywords.split(), [line for line in lines.split("\n") if line and not line.startswith("#")]


@cache
def _list() -> str:
    return (DATA / "approved_values.txt").read_text(encoding="utf-8")


def _names_an_object(keyword: str, word: str) -> bool:
    """Whether a value holds a UID that is nobody's standard: a person cannot judge it, and it names an object of the source."""
    return keyword not in _CODES and any(not is_public(uid) for uid in _UID.findall(word))


def _is_standard_code(keyword: str, word: str) -> bool:
    if keyword == "CodeMeaning":
        return ps316.is_meaning(word)
    if keyword == "SegmentLabel":  # most segments are called by what their type's code means
        return ps316.is_structure(word)
    if keyword == "DimensionDescriptionLabel":  # and dimensions by the attribute that makes them
        return word in _attributes()
    return keyword in _CODES and ps316.is_code(word)


def tell(first_seen: Iterable[FirstSeen]) -> str:
    """Which attributes hold a first-seen value, without the values: `2 in SoftwareVersions, 1 in ManufacturerModelName`."""
    counts: dict[str, int] = {}
    for item in first_seen:
        counts[item.keyword] = counts.get(item.keyword, 0) + 1
    return ", ".join(f"{count} in {keyword}" for keyword, count in sorted(counts.items()))
