"""What de-identification answers: the aliases, what was replaced, and what restoring needs."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from pydicom.charset import convert_encodings, decode_bytes

from aegle.deid.masks import Box
from aegle.references import InstanceRef

#: Patient and study attributes that the vault keeps so that a result can be put under the real patient.
RESTORED: Mapping[int, str] = {
    0x00080020: "DA",  # StudyDate
    0x00080030: "TM",  # StudyTime
    0x00080050: "SH",  # AccessionNumber
    0x00080090: "PN",  # ReferringPhysicianName
    0x00081030: "LO",  # StudyDescription
    0x00100010: "PN",  # PatientName
    0x00100020: "LO",  # PatientID
    0x00100021: "LO",  # IssuerOfPatientID
    0x00100030: "DA",  # PatientBirthDate
    0x00100032: "TM",  # PatientBirthTime
    0x00100040: "CS",  # PatientSex
    0x00101000: "LO",  # OtherPatientIDs
    0x00101001: "PN",  # OtherPatientNames
    0x00101005: "PN",  # PatientBirthName
    0x00101060: "PN",  # PatientMotherBirthName
    0x00102160: "SH",  # EthnicGroup
    0x00104000: "LT",  # PatientComments
    0x00200010: "SH",  # StudyID
}


class TextRisk(IntEnum):
    """Whether there may be text in a picture that is about to leave, and who says that there is none."""

    NONE = 0  #: a detector wrote it
    VOUCHED = 1  #: its kind may hold some; a person who looked at the device's pictures, or a camera's own word, speaks for it
    UNVOUCHED = 2  #: nothing but the word of whatever captured it


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The patient and study attributes of one source object, as its bytes had them."""

    character_set: tuple[str, ...]  #: Specific Character Set of the source
    values: Mapping[int, bytes]  #: tag -> raw value without padding; only tags of RESTORED that were there

    def text(self, tag: int) -> str:
        """A value as text, by the source's own character set; empty where there is none."""
        encodings = convert_encodings(list(self.character_set) or [""])
        return decode_bytes(self.values.get(tag, b""), encodings, {ord("^"), ord("=")}).strip()

    def to_json(self) -> bytes:
        """A stable form for the vault."""
        values = {f"{tag:08X}": base64.b64encode(raw).decode() for tag, raw in sorted(self.values.items())}
        return json.dumps({"character_set": self.character_set, "values": values}, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The inverse of `to_json`."""
        record = json.loads(data)
        values = {int(tag, 16): base64.b64decode(text) for tag, text in record["values"].items()}
        return cls(character_set=tuple(record["character_set"]), values=values)

    def __repr__(self) -> str:
        """Without the values: they belong in no log."""
        return f"Identity({len(self.values)} values)"


@dataclass(frozen=True, kw_only=True, repr=False)
class Deidentified:
    """An instance written clean."""

    alias: InstanceRef
    source: InstanceRef  #: the original UIDs; they never leave the site
    patient_alias: str
    uids: Mapping[str, str]  #: alias -> original, for every UID written that is not public
    identity: Identity
    counts: Mapping[tuple[int, str], int]  #: (tag, action) -> how often; private tags by their group
    profile_digest: str
    transfer_syntax: str
    size_bytes: int
    pixels_certified: bool  #: whether (0012,0062) says YES
    blanked: int  #: comment segments blanked in codestreams, runs of samples painted over
    painted: tuple[Box, ...] = ()  #: what was painted over
    text_risk: TextRisk = TextRisk.NONE

    def __repr__(self) -> str:
        """By alias only."""
        return f"Deidentified({self.alias.sop_uid}, {self.size_bytes} bytes)"
