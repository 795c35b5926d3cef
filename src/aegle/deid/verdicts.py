"""What the independent check finds in elements of the top level and in all that lies in them.

The elements of a series repeat. What was found in the same bytes, read in the same way and judged by the same profile, is the
same and is remembered; what also depends on the object, its UIDs, is answered for the caller to judge.
"""

import math
import re
from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]
from pydicom.dataelem import DataElement

from aegle.deid.identifiers import IDENTIFYING, words
from aegle.deid.overlays import overlay_rules
from aegle.deid.profile import Profile
from aegle.deid.reading import Element, Opaque, Plain, Reader, may_nest
from aegle.deid.rules import DUMMIES, Action, Rule
from aegle.deid.runs import Run
from aegle.deid.spellings import of_text
from aegle.deid.values import GATED, is_published

_LONG_NUMBER = 7  #: digits from which a number may be somebody's
SWEPT = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"})
#: What a moved value looks like; that it moved is found by comparing with the source's.
_TIME = r"([01]\d|2[0-3])([0-5]\d([0-6]\d(\.\d{1,6})?)?)?"
_SHIFTED = {"TM": re.compile(f"({_TIME})?"), "DT": re.compile(rf"(\d{{4,8}}|\d{{8}}{_TIME})?")}
GATED_VRS = frozenset(vr.decode() for vr in GATED)
_NUMBERS = frozenset({"DS", "IS"})
_BINARY = {"UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_TEXT, _TOKEN = 0x0040A160, re.compile(r"[0-9A-F]{14}")  #: Text Value, which may be what stands for the name of a thing
_OURS = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})  #: written whatever the rules say


class Found(NamedTuple):
    """In some elements and all that lies in them."""

    texts: list[tuple[int, bytes]]  #: what it says in letters or in a long number, folded, by tag
    published: list[bytes]  #: what it says besides, in words that are known to name nobody
    fault: str  #: the first thing that is wrong with it; empty for none
    uids: list[tuple[int, str]]  #: UIDs that must not be the source's, each once
    has_private: bool  #: private attributes that may be safe, of which only all of the level tells, and this nothing


def in_output(run: Run, reader: Reader, profile: Profile, sop_class: str) -> Found:
    """What is in elements of an output of that SOP class. The answer is shared: it is not to be changed."""
    return run.once((profile, sop_class, reader.encodings), lambda: _look(run, reader, profile, sop_class))


def identifiers(run: Run, reader: Reader, profile: Profile) -> frozenset[str]:
    """The source's own names and numbers in some of its elements."""
    return run.once((profile, reader.encodings), lambda: _identifiers(run, reader, profile))


def _look(run: Run, reader: Reader, profile: Profile, sop_class: str) -> Found:
    rules = profile.rules_of(sop_class)
    texts: list[tuple[int, bytes]] = []
    published: list[bytes] = []
    uids: dict[tuple[int, str], None] = {}
    fault, has_private = "", False
    found = ((at, *each) for raw in run.elements.values() for at, each in enumerate(reader.within(raw)))
    for at, tag, element in found:  # the first that an element tells is itself, of the top level
        if tag & 0x00010000 and profile.private:
            has_private = True
            continue
        if element.VR in GATED_VRS and not isinstance(element, Opaque):
            known, others = by_publication(tag, element)
            published += known
            texts += ((tag, other) for other in others)
        elif text := _text(element):
            texts.append((tag, text))
        rule = rules.get(tag)
        if rule is None and not at:
            rule = profile.overlays.get(tag)
        fault = fault or _fault(tag, element, rule)
        if rule and rule.action is not Action.KEEP and element.VR == "UI" and tag not in _OURS:
            uids.update(dict.fromkeys((tag, value) for value in values_of(element) if value))
    return Found(texts, published, fault, list(uids), has_private)


def _fault(tag: int, element: Element, rule: Rule | None) -> str:
    what = what_is_wrong(tag, element, rule)
    return what and f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {what}"


def what_is_wrong(tag: int, element: Element, rule: Rule | None) -> str:
    """How an attribute of an output is other than its rule wants it; empty for one that is as it should."""
    if tag & 0x00010000 or rule is None or not (tag in DicomDictionary or tag in overlay_rules()):
        return "is private or unknown"
    if tag in _OURS:
        return ""
    if rule.action is Action.REMOVE:
        return "should have been removed"
    if rule.action is Action.EMPTY and not element.is_empty:
        return "should be empty"
    if isinstance(element, Opaque):
        return ""
    if rule.action is Action.DUMMY and element.VR in SWEPT and not _stands_for_any(tag, str(element.value or ""), rule):
        return "should hold its dummy value"
    if rule.action is Action.SHIFT and not _moved(element):
        return "holds a time that is none, or tells its offset from UTC"
    return ""


def _stands_for_any(tag: int, text: str, rule: Rule) -> bool:
    """Whether a text is the dummy, or where it may be the name of a thing what stands for that."""
    return text == DUMMIES[rule.vr].decode() or (tag == _TEXT and _TOKEN.fullmatch(text) is not None)


def _moved(element: DataElement | Plain) -> bool:
    """Whether times of day and moments have their form, without an offset from UTC."""
    form = _SHIFTED.get(element.VR)
    return form is None or all(map(form.fullmatch, values_of(element)))


def by_publication(tag: int, element: DataElement | Plain) -> tuple[list[bytes], list[bytes]]:
    """The values of an element of words, folded: those that are known to name nobody, and the others with their spellings."""
    found: tuple[list[bytes], list[bytes]] = ([], [])
    for value in filter(None, values_of(element)):
        known = is_published(tag, value, is_term=element.VR == "CS")
        text = value.lower().encode("utf-8", "replace")
        found[0 if known else 1].append(text if known else text + of_text(value))
    return found


def _text(element: Element) -> bytes:
    """What an element says in letters or in a long number; empty for one that says nothing."""
    if isinstance(element, Opaque):
        if element.VR in _BINARY and element.raw:
            form = Struct(("<" if element.is_little_endian else ">") + _BINARY[element.VR])
            return whole_numbers(number for (number,) in form.iter_unpack(element.raw))
    elif element.VR in SWEPT:
        return str(element.value).lower().encode("utf-8", "replace")
    elif isinstance(element, Plain) and element.VR in _NUMBERS:  # a date that an option keeps is no number
        numbers = element.values
        shown = element.value if len(numbers) == 1 else f"[{', '.join(numbers)}]"
        if len(shown) >= _LONG_NUMBER:
            return shown.encode() + b"\n" + whole_numbers(float(number or 0) for number in numbers)
    return b""


def whole_numbers(numbers: Iterable[float]) -> bytes:
    """Whole numbers of seven digits and more, in digits."""
    long = (number for number in numbers if 10 ** (_LONG_NUMBER - 1) <= abs(number) < math.inf)
    return b"\n".join(b"%d" % abs(number) for number in long if number == math.trunc(number))


def _identifiers(run: Run, reader: Reader, profile: Profile) -> frozenset[str]:
    # an element that holds no items is passed by unread here; in one that does, each is asked for by itself
    telling = (raw for tag, raw in run.elements.items() if may_nest(raw) or is_identifying(tag, raw.VR or ""))
    return frozenset(
        word
        for raw in telling
        for tag, element in reader.within(raw, is_identifying)
        if _is_told_by(tag, element, profile.rules.get(tag))
        for value in values_of(element)
        for word in words(element.VR, value)
    )


def is_identifying(tag: int, vr: str) -> bool:
    """Whether the values of an attribute identify."""
    return vr == "PN" or tag in IDENTIFYING


def _is_told_by(tag: int, element: Element, rule: Rule | None) -> bool:
    """Whether an element of the source identifies, and is not one that stays."""
    kept = rule is not None and rule.action is Action.KEEP
    return not kept and not element.is_empty and is_identifying(tag, element.VR)


def values_of(element: Element) -> Iterable[str]:
    """Each value of an element; of one that is bytes, those."""
    if isinstance(element, Plain):
        return element.values
    if isinstance(element, Opaque):
        return [(element.raw or b"").decode("latin-1")]
    return [str(value or "") for value in (element.value if element.VM > 1 else [element.value])]
