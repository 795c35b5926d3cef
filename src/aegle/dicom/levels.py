"""Which attributes an archive keeps of a study, a series and an instance, and which of them a search can match.

The tables are the conformance statement's too (PS3.18 §10.6.1.2 and §10.6.3.3, PS3.4 C.6.2.1).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from pydicom.datadict import dictionary_VR

from aegle.records import Level

MODALITIES_IN_STUDY = "00080061"


class Key(NamedTuple):
    """An attribute that can be matched, with the column that indexes it."""

    tag: str
    column: str
    level: Level

    @property
    def vr(self) -> str:
        """Its value representation."""
        return _vr(self.tag)


@cache
def _vr(tag: str) -> str:
    return dictionary_VR(int(tag, 16))


KEYS: tuple[Key, ...] = (
    Key("00080018", "sop_uid", Level.INSTANCE),
    Key("0020000E", "series_uid", Level.SERIES),
    Key("0020000D", "study_uid", Level.STUDY),
    Key("00080050", "accession_number", Level.STUDY),
    Key("00100020", "patient_id", Level.STUDY),
    Key("00200010", "study_id", Level.STUDY),
    Key("00100010", "patient_name", Level.STUDY),
    Key("00080090", "referring_physician", Level.STUDY),
    Key("00100030", "birth_date", Level.STUDY),
    Key("00080020", "study_date", Level.STUDY),
    Key("00080030", "study_time", Level.STUDY),
    Key("00081030", "study_description", Level.STUDY),
    Key("0008103E", "series_description", Level.SERIES),
    Key("00180015", "body_part", Level.SERIES),
    Key("00200011", "series_number", Level.SERIES),
    Key("00200013", "instance_number", Level.INSTANCE),
    Key("00080016", "sop_class", Level.INSTANCE),
    Key(MODALITIES_IN_STUDY, "modality", Level.STUDY),
    Key("00080060", "modality", Level.SERIES),
    Key("00100040", "sex", Level.STUDY),
)
"""In the order in which a search prefers to start from one: what is likely to match least comes first."""

KEY_OF = {key.tag: key for key in KEYS}
LEVELS = tuple(Level)

KEPT: dict[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "00080020", "00080030", "00080050", "00080090", "00080201", "00081030", "00100010", "00100020", "00100030",
        "00100040", "00101010", "0020000D", "00200010",
    ),
    Level.SERIES: (
        "00080021", "00080031", "00080060", "0008103E", "00180015", "0020000E", "00200011", "00400244", "00400245",
        "00400275",
    ),
    Level.INSTANCE: (
        "00080008", "00080016", "00080018", "00200013", "00280008", "00280010", "00280011", "00280100",
    ),
}  # fmt: skip
"""What is kept beside the header, and so answered without reading one."""

DEFAULTS: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset(KEPT[Level.STUDY]) - {"00101010", "00081030"}
    | {"00080056", "00080061", "00201206", "00201208"},
    Level.SERIES: frozenset(KEPT[Level.SERIES]) - {"00080021", "00080031", "00180015"} | {"00080056", "00201209"},
    Level.INSTANCE: frozenset(KEPT[Level.INSTANCE]) - {"00080008"} | {"00080056", "00083002"},
}
"""What a search answers unasked at each level (PS3.18 Tables 10.6.3-3 to 10.6.3-5)."""


def facts(header: Mapping[str, Any], level: Level) -> dict[str, Any]:
    """The level's attributes of a header in DICOM JSON."""
    return {tag: header[tag] for tag in KEPT[level] if tag in header}


def indexed(header: Mapping[str, Any], key: Key) -> str:
    """The text that a search compares: the first value; empty where there is none."""
    values = header.get(key.tag, {}).get("Value") or [""]
    first = values[0]
    if isinstance(first, Mapping):
        first = first.get("Alphabetic", "")
    return normal(key.vr, "" if first is None else str(first))


def normal(vr: str, text: str) -> str:
    """A value as it is compared: names without regard to case (PS3.4 C.2.2.2.1), times in full, dates without dots."""
    text = text.strip(" \0")
    if vr == "PN":
        return text.rstrip("^").casefold()
    if vr == "DA":
        return text.replace(".", "")
    if vr == "TM" and text:
        whole, _, fraction = text.replace(":", "").partition(".")
        return f"{whole:0<6}.{fraction:0<6}"
    if vr == "IS" and text.lstrip("+-").isdecimal():
        return str(int(text))
    return text
