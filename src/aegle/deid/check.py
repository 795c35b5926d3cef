"""The independent check before anything leaves: another reader (pydicom) over the written file.

It trusts nothing the engine says but the rules and the UID map: it reads both files anew, collects the source's
identifiers itself, and looks for them in the output's elements and raw bytes in every encoding. Peak memory is the
header's and, of the pixels, one piece of 1 MiB from each file.
"""

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from struct import Struct
from typing import cast

from pydicom import Dataset
from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag

from aegle.deid.identifiers import IDENTIFYING, Search, words
from aegle.deid.outcome import Deidentified
from aegle.deid.part10 import IMPLEMENTATION_VERSION
from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import is_public
from aegle.deid.reading import Opaque, Reading, opened
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.repaint import painted_well
from aegle.deid.rules import DUMMIES, Action, Rule
from aegle.deid.spare_bits import SpareBits
from aegle.deid.survey import MARK
from aegle.deid.sweep import hidden_bits, same_pixels, sweep
from aegle.deid.table import METHOD_CODES

#: What every output says about itself; a patient called like a word of it is not left in it.
_OWN_WORDS = " ".join((MARK, IMPLEMENTATION_VERSION, *(meaning for _, meaning in METHOD_CODES.values()))).encode()
_RAW_SHORTEST = 8  #: characters; a shorter word turns up by chance in binary values
_LONG_NUMBER = 7  #: characters from which a number may be somebody's
_SWEPT = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"})
#: What a moved value looks like; that it moved is found by comparing with the source's.
_TIME = r"([01]\d|2[0-3])([0-5]\d([0-6]\d(\.\d{1,6})?)?)?"
_SHIFTED = {"TM": re.compile(f"({_TIME})?"), "DT": re.compile(rf"(\d{{4,8}}|\d{{8}}{_TIME})?")}
_HOUR_ALONE = 2  #: digits of a time that says no minutes; it stays
_BINARY = {"UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_OURS = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})  #: written whatever the rules say


def check(source: Path, target: Path, done: Deidentified, profile: Profile) -> Held | None:
    """None when the target is proved clean; otherwise why it must not leave. Writes nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _checked(source, target, done, profile)
        except Exception as error:  # noqa: BLE001 - a reader over hostile bytes: whatever it raises, nothing is proved
            return Held(reason=HoldReason.CHECK_FAILED, detail=f"the other reader fails: {type(error).__name__}")


def _checked(source: Path, target: Path, done: Deidentified, profile: Profile) -> Held | None:
    with opened(source, whole=False) as original, opened(target, whole=True) as written:
        texts: list[tuple[int, bytes]] = []
        faults = chain(_faults(written, done, profile, texts), _unmoved_dates(original.header, written.header, profile))
        fault = next(faults, None)
        if fault:
            return Held(reason=HoldReason.CHECK_FAILED, detail=fault)
        spare = SpareBits(written)
        if done.painted:
            if not painted_well(source, target, done.painted):
                return Held(reason=HoldReason.CHECK_FAILED, detail="the picture differs beside what was painted over")
        elif not same_pixels(original.pixels, written.pixels, blanks=done.blanked > 0, spare=spare):
            return Held(reason=HoldReason.CHECK_FAILED, detail="pixel bytes differ from the source's")
        if hidden_bits(written.pixels, spare, met=not done.painted):
            return Held(reason=HoldReason.HIDDEN_BITS, detail="bits beside those that Bits Stored names are in use")
        charset = _character_set(original.header)
        found = _identifiers(original, profile, done)
        where = _left_in(texts, Search(found, charset)) or sweep(
            written.pixels, Search(found, charset, shortest=_RAW_SHORTEST)
        )
        return Held(reason=HoldReason.IDENTIFIER_LEFT, detail=where) if where else None


def _faults(written: Reading, done: Deidentified, profile: Profile, texts: list[tuple[int, bytes]]) -> Iterator[str]:
    """What is wrong with the output. Its texts, and its long numbers, are put into `texts`, folded."""
    yield from _meta_faults(written, done)
    rules = profile.rules_of(done.alias.sop_class)
    for tag, element in written.elements():
        text = _text(element)
        if text:
            texts.append((tag, text))
        fault = _element_fault(tag, element, done, rules)
        if fault:
            yield f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {fault}"
    if written.header.get("PatientID") != done.patient_alias:
        yield "the patient's alias is not in its place"
    if str(written.header.get("SOPInstanceUID")) != done.alias.sop_uid:
        yield "the instance's alias is not in its place"


def _meta_faults(written: Reading, done: Deidentified) -> Iterator[str]:
    expected = {
        "MediaStorageSOPClassUID": done.alias.sop_class,
        "MediaStorageSOPInstanceUID": done.alias.sop_uid,
        "TransferSyntaxUID": done.transfer_syntax,
    }
    if any(str(written.meta.get(keyword)) != value for keyword, value in expected.items()):
        yield "the file meta group does not describe the data set"
    if written.preamble != bytes(128) + b"DICM":
        yield "the preamble holds data"


def _text(element: DataElement | Opaque) -> bytes:
    """What an element says in letters or in a long number; empty for one that says nothing."""
    if isinstance(element, Opaque):
        if element.VR in _BINARY and element.raw:
            form = Struct(("<" if element.is_little_endian else ">") + _BINARY[element.VR])
            return _whole(number for (number,) in form.iter_unpack(element.raw))
    elif element.VR in _SWEPT:
        return str(element.value).lower().encode("utf-8", "replace")
    elif element.VR in {"DS", "IS"} and len(str(element.value)) >= _LONG_NUMBER:
        numbers = _values(element) if element.value is not None else ()
        return str(element.value).encode() + b"\n" + _whole(float(str(number) or 0) for number in numbers)
    return b""


def _whole(numbers: Iterable[float]) -> bytes:
    """Whole numbers of seven digits and more, in digits."""
    long = (number for number in numbers if 10 ** (_LONG_NUMBER - 1) <= abs(number) < math.inf)
    return b"\n".join(b"%d" % abs(number) for number in long if number == math.trunc(number))


def _element_fault(
    tag: int, element: DataElement | Opaque, done: Deidentified, rules: Mapping[int, Rule]
) -> str | None:
    """What is wrong with one element of the output, if anything."""
    rule = rules.get(tag)
    if tag & 0x00010000 or rule is None or tag not in DicomDictionary:
        return "is private or unknown"
    if tag in _OURS:
        return None
    if rule.action is Action.REMOVE:
        return "should have been removed"
    if rule.action is Action.EMPTY and not element.is_empty:
        return "should be empty"
    if isinstance(element, Opaque):
        return None
    if rule.action is Action.DUMMY and element.VR in _SWEPT and str(element.value) != DUMMIES[rule.vr].decode():
        return "should hold its dummy value"
    if rule.action is Action.SHIFT and not _moved(element):
        return "holds a time that is none, or tells its offset from UTC"
    replaced = element.VR != "UI" or rule.action is Action.KEEP or not _original_uid(element, done)
    return None if replaced else "holds a UID that was not replaced"


def _moved(element: DataElement) -> bool:
    """Whether times of day and moments have their form, without an offset from UTC."""
    form = _SHIFTED.get(element.VR)
    values = element.value if element.VM > 1 else [element.value]
    return form is None or all(form.fullmatch(str(value or "")) for value in values)


def _unmoved_dates(original: Dataset, written: Dataset, profile: Profile) -> Iterator[str]:
    """Dates and times of the top level that are the source's."""
    for tag in written.keys() & original.keys():
        rule = profile.rules.get(int(tag))
        if rule and rule.action is Action.SHIFT and _stays(tag, original, written):
            yield f"({tag >> 16:04X},{tag & 0xFFFF:04X}) holds the source's date or time"


def _stays(tag: BaseTag, original: Dataset, written: Dataset) -> bool:
    """Whether both hold the same value, and more than an hour alone: by their bytes, where neither was decoded yet."""
    was, now = (cast("DataElement | RawDataElement", dataset.get_item(tag)) for dataset in (original, written))
    if isinstance(was, RawDataElement) and isinstance(now, RawDataElement):
        return _bare(was.value) == _bare(now.value) and len(_bare(was.value)) > _HOUR_ALONE
    before, after = (str(dataset[tag].value).strip() for dataset in (original, written))
    return before == after and len(before) > _HOUR_ALONE


def _bare(value: bytes | None) -> bytes:
    return (value or b"").strip(b"\0 ")


def _original_uid(element: DataElement, done: Deidentified) -> bool:
    values = element.value if element.VM > 1 else [element.value]
    return any(
        value and not is_public(str(value)) and done.uids.get(str(value), str(value)) == str(value)
        for value in values or ()
    )


def _character_set(dataset: Dataset) -> tuple[str, ...]:
    value = dataset.get("SpecificCharacterSet") or ""
    return (value,) if isinstance(value, str) else tuple(str(term) for term in value)


def _identifiers(original: Reading, profile: Profile, done: Deidentified) -> set[str]:
    """The source's own names and numbers wherever it has them, less the words that the output writes itself."""
    found: set[str] = set()

    def identifying(tag: int, vr: str) -> bool:
        return vr == "PN" or tag in IDENTIFYING

    for tag, element in original.elements(identifying):
        rule = profile.rules.get(tag)
        if (rule and rule.action is Action.KEEP) or element.is_empty:
            continue
        if identifying(tag, element.VR):
            found |= {word for value in _values(element) for word in words(element.VR, str(value))}
    return {word for word in found if not _is_ours(word) and word != done.patient_alias}


def _values(element: DataElement | Opaque) -> Iterable[object]:
    if isinstance(element, Opaque):
        return [(element.raw or b"").decode("latin-1")]
    return element.value if element.VM > 1 else [element.value]


@lru_cache(maxsize=4096)
def _is_ours(word: str) -> bool:
    return Search([word], ()).hits(_OWN_WORDS)


def _left_in(texts: Sequence[tuple[int, bytes]], search: Search) -> str | None:
    """The first element of the output that holds an identifier."""
    if not search.hits(b"\n".join(text for _, text in texts)):
        return None
    return next((f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag, text in texts if search.hits(text)), None)
