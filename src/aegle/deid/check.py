"""The independent check before anything leaves: another reader (pydicom) over the written file.

It trusts nothing the engine says but the rules and the UID map: it reads both files anew, collects the source's
identifiers itself, and looks for them in the output's elements and raw bytes in every encoding. Peak memory is the
header's and, of the pixels, one piece of 1 MiB from each file.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset, FileDataset, dcmread
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.encaps import parse_fragments

from aegle.deid.identifiers import IDENTIFYING, Search, words
from aegle.deid.outcome import Deidentified
from aegle.deid.part10 import DEFLATED, IMPLEMENTATION_VERSION
from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import is_public
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.rules import DUMMIES, Action
from aegle.deid.survey import MARK
from aegle.deid.sweep import Region, same_pixels, sweep
from aegle.deid.table import METHOD_CODES

_PIXELS = 0x7FE00010
_UNDEFINED = 0xFFFFFFFF
_DEFER_BYTES = 1 << 16
#: What every output says about itself; a patient called like a word of it is not left in it.
_OWN_WORDS = " ".join((MARK, IMPLEMENTATION_VERSION, *(meaning for _, meaning in METHOD_CODES.values()))).encode()
_RAW_SHORTEST = 8  #: characters; a shorter word turns up by chance in binary values
_LONG_NUMBER = 7  #: characters from which an integer may be somebody's number
_SWEPT = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"})
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
    original, written = _read(source), _read(target)
    before, after = _pixel_region(source, original), _pixel_region(target, written)  # while they are still raw
    fault = next(_faults(written, done, profile), None)
    if fault:
        return Held(reason=HoldReason.CHECK_FAILED, detail=fault)
    if done.transfer_syntax != DEFLATED and not same_pixels(before, after, blanks=done.blanked > 0):
        return Held(reason=HoldReason.CHECK_FAILED, detail="pixel bytes differ from the source's")
    charset = _character_set(original)
    found = _identifiers(original, profile, done)
    where = _left_in(written, Search(found, charset)) or sweep(after, Search(found, charset, shortest=_RAW_SHORTEST))
    return Held(reason=HoldReason.IDENTIFIER_LEFT, detail=where) if where else None


def _read(path: Path) -> FileDataset:
    return dcmread(path, defer_size=_DEFER_BYTES)


def _faults(written: FileDataset, done: Deidentified, profile: Profile) -> Iterator[str]:
    yield from _meta_faults(written, done)
    for element in _elements(written):
        yield from _element_faults(element, done, profile)
    if written.get("PatientID") != done.patient_alias:
        yield "the patient's alias is not in its place"
    if str(written.get("SOPInstanceUID")) != done.alias.sop_uid:
        yield "the instance's alias is not in its place"


def _meta_faults(written: FileDataset, done: Deidentified) -> Iterator[str]:
    meta = written.file_meta
    expected = {
        "MediaStorageSOPClassUID": done.alias.sop_class,
        "MediaStorageSOPInstanceUID": done.alias.sop_uid,
        "TransferSyntaxUID": done.transfer_syntax,
    }
    if any(str(meta.get(keyword)) != value for keyword, value in expected.items()):
        yield "the file meta group does not describe the data set"
    if written.preamble and any(written.preamble):
        yield "the preamble holds data"


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    """Every element at every depth; deferred values are not read."""
    for tag in dataset.keys():  # noqa: SIM118 - iterating the dataset would read deferred values
        raw: Any = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.value is None and raw.length:
            continue
        element = dataset[tag]
        yield element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _elements(item)


def _element_faults(element: DataElement, done: Deidentified, profile: Profile) -> Iterator[str]:
    name = f"({element.tag.group:04X},{element.tag.element:04X})"
    rule = profile.rules.get(element.tag)
    if element.tag.is_private or rule is None or not dictionary_has_tag(element.tag):
        yield f"{name} is private or unknown"
    elif element.tag in _OURS:
        return
    elif rule.action is Action.REMOVE:
        yield f"{name} should have been removed"
    elif rule.action is Action.EMPTY and not element.is_empty:
        yield f"{name} should be empty"
    elif rule.action is Action.DUMMY and element.VR in _SWEPT and str(element.value) != DUMMIES[rule.vr].decode():
        yield f"{name} should hold its dummy value"
    elif element.VR == "UI" and rule.action is not Action.KEEP:
        yield from _uid_faults(name, element, done)


def _uid_faults(name: str, element: DataElement, done: Deidentified) -> Iterator[str]:
    values = element.value if element.VM > 1 else [element.value]
    for value in values or ():
        if value and not is_public(str(value)) and done.uids.get(str(value), str(value)) == str(value):
            yield f"{name} holds a UID that was not replaced"


def _character_set(dataset: Dataset) -> tuple[str, ...]:
    value = dataset.get("SpecificCharacterSet") or ""
    return (value,) if isinstance(value, str) else tuple(str(term) for term in value)


def _identifiers(original: Dataset, profile: Profile, done: Deidentified) -> set[str]:
    """The source's own names and numbers wherever it has them, less the words that the output writes itself."""
    found: set[str] = set()
    for element in _elements(original):
        rule = profile.rules.get(element.tag)
        if (rule and rule.action is Action.KEEP) or element.is_empty:
            continue
        if element.VR == "PN" or element.tag in IDENTIFYING:
            values = element.value if element.VM > 1 else [element.value]
            found |= {word for value in values for word in words(element.VR, str(value))}
    return {word for word in found if not Search([word], ()).hits(_OWN_WORDS) and word != done.patient_alias}


def _left_in(written: Dataset, search: Search) -> str | None:
    """The first text element of the output that holds an identifier."""
    for element in _elements(written):
        if (element.VR in _SWEPT or _long_number(element)) and search.hits(
            str(element.value).encode("utf-8", "replace")
        ):
            return f"({element.tag.group:04X},{element.tag.element:04X})"
    return None


def _long_number(element: DataElement) -> bool:
    return element.VR == "IS" and len(str(element.value)) >= _LONG_NUMBER


def _pixel_region(path: Path, dataset: FileDataset) -> Region:
    """Where the file's pixel bytes lie; an empty region at the end where it has none that can be compared."""
    size = path.stat().st_size
    raw: Any = dataset.get_item(_PIXELS) if _PIXELS in dataset else None
    if not isinstance(raw, RawDataElement) or dataset.file_meta.TransferSyntaxUID == DEFLATED:
        return Region(path=path, start=size, end=size, fragments=())
    if raw.length != _UNDEFINED:
        return Region(path=path, start=raw.value_tell, end=raw.value_tell + raw.length, fragments=())
    with path.open("rb") as file:
        file.seek(raw.value_tell)
        _, starts = parse_fragments(file)
    return Region(path=path, start=raw.value_tell, end=_last_end(path, starts), fragments=tuple(starts))


def _last_end(path: Path, starts: list[int]) -> int:
    with path.open("rb") as file:
        file.seek(starts[-1] + 4)
        return starts[-1] + 8 + int.from_bytes(file.read(4), "little")
