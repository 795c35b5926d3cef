"""Identifiers of C-FIND and C-GET (PS3.4 Annex C.4): a data set of keys, read into a search of the archive and answered.

Matching is QIDO-RS's own (`protocols.qido`), so that both ways of asking give the same answers.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue

from aegle.dicom.levels import KEY_OF, LEVELS
from aegle.dicom.uids import is_uid
from aegle.errors import BadDicom
from aegle.protocols import qido
from aegle.protocols.qido import Asked
from aegle.records import Level

SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
LONGEST = 65_536  #: bytes of an identifier
_LEVELS = {"STUDY": Level.STUDY, "SERIES": Level.SERIES, "IMAGE": Level.INSTANCE}
_UNIQUE = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}
_QUERY_LEVEL, _RETRIEVE_AE, _CHARACTER_SET, _AVAILABILITY = "00080052", "00080054", "00080005", "00080056"
_OURS = frozenset({_QUERY_LEVEL, _RETRIEVE_AE, _CHARACTER_SET, "00080053"})
_PAGE = 500
_FAILED = "00080058"


class WrongIdentifier(BadDicom):
    """Keys that the information model does not allow together (status A900)."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """An identifier as it was sent. `values` holds the keys that are to match, empty ones are to be answered alone."""

    level: Level
    values: Mapping[str, str]  #: by tag; several values with a backslash between
    asked: Mapping[str, str]  #: value representation of each key that is to be answered, by tag


def read(content: bytes, syntax: str) -> Keys:
    """Parse an identifier. Raises BadDicom, WrongIdentifier for one without a level."""
    try:
        with warnings.catch_warnings(action="ignore"):
            found = read_dataset(BytesIO(content), syntax == SYNTAXES[1], is_little_endian=True)
            values = {f"{int(item.tag):08X}": _text(item) for item in found}
            asked = {f"{int(item.tag):08X}": str(item.VR) for item in found if not item.tag.is_private}
    except (
        ValueError,
        KeyError,
        AttributeError,
        EOFError,
        NotImplementedError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BadDicom(f"an identifier that cannot be read ({type(error).__name__})") from None
    level = _LEVELS.get(values.get(_QUERY_LEVEL, ""))
    if level is None:
        raise WrongIdentifier("QueryRetrieveLevel is STUDY, SERIES or IMAGE")
    plain = {tag: text for tag, text in values.items() if text and tag not in _OURS and tag in asked}
    return Keys(level=level, values=plain, asked={tag: vr for tag, vr in asked.items() if tag not in _OURS})


def _text(item: pydicom.DataElement) -> str:
    """The value as QIDO-RS would have it in a URL; a sequence with something in it is a key that we do not match."""
    if item.VR == "SQ":
        return "*" if any(len(inner) for inner in item.value) else ""
    if item.value is None or isinstance(item.value, bytes):
        return "" if not item.value else "*"
    parts = item.value if isinstance(item.value, MultiValue) else [item.value]
    return "\\".join(str(part) for part in parts)


def require_path(keys: Keys) -> None:
    """Hierarchical search (PS3.4 C.4.1.2.1): what lies above the level is named by one UID each. Raises WrongIdentifier."""
    above = [_UNIQUE[level] for level in LEVELS[: LEVELS.index(keys.level)]]
    if not all(is_uid(keys.values.get(tag, "")) for tag in above):
        raise WrongIdentifier("a search below the level of studies names one study, and for images one series of it")


def search(keys: Keys) -> tuple[Asked, frozenset[str]]:
    """The search that an identifier of C-FIND asks for, and the keys that it wants matched and that we do not match.

    Raises WrongIdentifier, BadMessage."""
    require_path(keys)
    reach = LEVELS.index(keys.level)
    able = {tag for tag in keys.values if tag in KEY_OF and LEVELS.index(KEY_OF[tag].level) <= reach}
    criteria = [(tag, keys.values[tag]) for tag in sorted(able)]
    included = [("includefield", tag) for tag in keys.asked if tag != _AVAILABILITY]
    parameters = [*criteria, *included, ("limit", str(_PAGE))]
    return qido.read(keys.level, [], parameters), frozenset(keys.values) - able


def wanted(keys: Keys) -> Mapping[str, Collection[str]]:
    """What an identifier of C-GET names: UIDs by tag. Raises WrongIdentifier: it holds unique keys alone (PS3.4 C.4.3.1.3)."""
    require_path(keys)
    reach = LEVELS[: LEVELS.index(keys.level) + 1]
    named = {tag: text.split("\\") for tag, text in keys.values.items()}
    allowed = {_UNIQUE[level] for level in reach}
    uids = named.get(_UNIQUE[keys.level], [])
    if not named.keys() <= allowed or not 0 < len(uids) <= qido.UIDS_MAX or not all(is_uid(uid) for uid in uids):
        raise WrongIdentifier(f"a retrieval names 1 to {qido.UIDS_MAX} UIDs at its level and what they lie in, no more")
    return named


def answer(keys: Keys, attributes: Mapping[str, Any], title: str, syntax: str) -> bytes:
    """One match: every key that was asked for, empty where it is not kept, and where it can be retrieved."""
    told: dict[str, Any] = {tag: {"vr": vr} for tag, vr in keys.asked.items()}
    told |= {tag: attributes[tag] for tag in told if tag in attributes}
    told |= {_UNIQUE[level]: attributes[_UNIQUE[level]] for level in LEVELS[: LEVELS.index(keys.level) + 1]}
    told[_QUERY_LEVEL] = {"vr": "CS", "Value": [next(name for name, it in _LEVELS.items() if it is keys.level)]}
    told[_RETRIEVE_AE] = {"vr": "AE", "Value": [title]}
    told[_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return _written(Dataset.from_json(told), syntax)


def failed(uids: Sequence[str], syntax: str) -> bytes:
    """The identifier of a C-GET that ends with failures: the instances that the requestor did not get."""
    return _written(Dataset.from_json({_FAILED: {"vr": "UI", "Value": list(uids)}}), syntax)


def _written(made: Dataset, syntax: str) -> bytes:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, syntax == SYNTAXES[1]
    write_dataset(stream, made)
    return stream.getvalue()
