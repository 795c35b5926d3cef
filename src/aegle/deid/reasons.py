"""Why an instance is held back: one table of stable codes, each with words for a person and a remedy."""

from dataclasses import dataclass, field
from enum import StrEnum

from aegle.deid.masks import Box
from aegle.references import InstanceRef


class HoldReason(StrEnum):
    """Stable codes; they appear on pages, in the audit trail and in docs/reference."""

    UNREADABLE = "UNREADABLE"
    NOT_DICOM = "NOT_DICOM"
    TRUNCATED = "TRUNCATED"
    MALFORMED = "MALFORMED"
    NESTING = "NESTING"
    TOO_LARGE = "TOO_LARGE"
    UNKNOWN_SOP_CLASS = "UNKNOWN_SOP_CLASS"
    UNSUPPORTED_TRANSFER_SYNTAX = "UNSUPPORTED_TRANSFER_SYNTAX"
    NO_UID = "NO_UID"
    BAD_UID = "BAD_UID"
    BURNED_IN_RISK = "BURNED_IN_RISK"
    TEXT_SUSPECTED = "TEXT_SUSPECTED"
    RECOGNIZABLE = "RECOGNIZABLE"
    LABEL_IMAGE = "LABEL_IMAGE"
    PIXELS_UNPROVEN = "PIXELS_UNPROVEN"
    HIDDEN_BITS = "HIDDEN_BITS"
    UNKNOWN_ZONE = "UNKNOWN_ZONE"
    IDENTIFIER_LEFT = "IDENTIFIER_LEFT"
    CHECK_FAILED = "CHECK_FAILED"
    ALREADY_ALIASED = "ALREADY_ALIASED"
    CHANGED_SOURCE = "CHANGED_SOURCE"
    FIRST_SEEN_VALUE = "FIRST_SEEN_VALUE"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """What one code says to the people at a site."""

    text: str  #: what happened, in plain words
    remedy: str  #: what a person can do
    blocks_study: bool = True  #: whether the study waits for this instance


@dataclass(frozen=True, kw_only=True)
class FirstSeen:
    """A value of a kept text attribute that nobody has decided about. It may be a patient's: it goes to the site's list
    of values (`aegle.deid.values`) and nowhere else."""

    keyword: str
    value: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Held:
    """An instance that does not leave: the reason, and a detail that never holds a patient's value."""

    reason: HoldReason
    detail: str
    source: InstanceRef | None = field(default=None, repr=False)  #: the original UIDs, where they could be read
    first_seen: frozenset[FirstSeen] = field(default=frozenset(), repr=False)  #: under FIRST_SEEN_VALUE: decide these
    places: tuple[Box, ...] = ()  #: under TEXT_SUSPECTED: where, each in one frame


REASONS: dict[HoldReason, Reason] = {
    HoldReason.UNREADABLE: Reason(
        text="The file, or the folder, could not be read.",
        remedy="Give the account that runs this the right to read it, or look at the disk; then run it again.",
    ),
    HoldReason.NOT_DICOM: Reason(
        text="The file is not a DICOM file (no DICM mark after the preamble, nor a data set at its beginning).",
        remedy="Send the original DICOM object, unpacked if it lies in an archive, or remove the file.",
        blocks_study=False,
    ),
    HoldReason.TRUNCATED: Reason(
        text="The file ends before its content does.", remedy="Send it again; the transfer was probably cut short."
    ),
    HoldReason.MALFORMED: Reason(
        text="The file breaks the encoding rules of DICOM.",
        remedy="Export the object again from its source, or have its maker mend it.",
    ),
    HoldReason.NESTING: Reason(
        text="Sequences are nested deeper than any real object's.", remedy="Have the object's source checked."
    ),
    HoldReason.TOO_LARGE: Reason(
        text="The header, or the content once inflated, is larger than the stated bound.",
        remedy="Send a smaller object, or have the operator raise the bound.",
    ),
    HoldReason.UNKNOWN_SOP_CLASS: Reason(
        text="This kind of object is not on the list of kinds that can be de-identified safely.",
        remedy="Leave it out: documents, raw data and kinds that nobody here has judged stay at the hospital.",
        blocks_study=False,
    ),
    HoldReason.UNSUPPORTED_TRANSFER_SYNTAX: Reason(
        text="The way the object is compressed cannot be checked for hidden text.",
        remedy="Send it uncompressed, or as JPEG, JPEG-LS, JPEG 2000 or RLE.",
    ),
    HoldReason.NO_UID: Reason(
        text="The study, series or instance UID, or the SOP class, is missing.",
        remedy="Have the object's source mended.",
    ),
    HoldReason.BAD_UID: Reason(
        text="The study, series or instance UID is not a UID.", remedy="Have the object's source mended."
    ),
    HoldReason.BURNED_IN_RISK: Reason(
        text="Text may be burned into the picture.",
        remedy="Look at the device's pictures, then say what it burns in (`aegle quarantine fix`, or a pixel rule in the "
        "profile), or have it state Burned In Annotation = NO.",
    ),
    HoldReason.TEXT_SUSPECTED: Reason(
        text="The text detector sees text in the picture.",
        remedy="Look at the frames that are named, as they are. Mask the place by a rule for the device (`aegle quarantine fix`, "
        "or a pixel rule in the profile); where the text names nobody, two people who looked let the object in.",
    ),
    HoldReason.RECOGNIZABLE: Reason(
        text="The object says that a person can be recognised in it.", remedy="It stays at the site."
    ),
    HoldReason.LABEL_IMAGE: Reason(
        text="A picture of the slide's label, or an overview that shows it. It never leaves the site.",
        remedy="Nothing to do; the study goes on without it.",
        blocks_study=False,
    ),
    HoldReason.PIXELS_UNPROVEN: Reason(
        text="The pixel data hold more, less or something other than the picture the header describes.",
        remedy="Export the object again, uncompressed if possible.",
    ),
    HoldReason.HIDDEN_BITS: Reason(
        text="Bits that no viewer shows, beside those that Bits Stored names, hold something: an old overlay, or text.",
        remedy="Export the object again with these bits cleared, or have its source state Bits Stored rightly.",
    ),
    HoldReason.UNKNOWN_ZONE: Reason(
        text="Moments in the object are told in different time zones, and nothing says which of them is the object's own.",
        remedy="Have its source state Timezone Offset From UTC (0008,0201): without it hours would be lost between them.",
    ),
    HoldReason.IDENTIFIER_LEFT: Reason(
        text="One of the object's own identifiers was still found after de-identification.",
        remedy="Leave it out. In the original, empty the attribute that the detail names, or have its maker do it; send that. "
        "Where it names raw bytes or a frame instead, they are a number in a binary value, or a comment in or behind the "
        "picture: export it again, uncompressed.",
    ),
    HoldReason.CHECK_FAILED: Reason(
        text="The independent check of the de-identified object failed.",
        remedy="Tell the operator; this points to a fault of the software or a very unusual object.",
    ),
    HoldReason.ALREADY_ALIASED: Reason(
        text="The object was already de-identified by this site.",
        remedy="Send the original; a second pass would cut its tie to the patient.",
    ),
    HoldReason.CHANGED_SOURCE: Reason(
        text="An object with this UID was admitted before with other content.",
        remedy="Decide whether the new one replaces it, on the Held page or with `aegle quarantine replace`.",
    ),
    HoldReason.FIRST_SEEN_VALUE: Reason(
        text="An attribute that is kept holds words that nobody at this site has looked at yet.",
        remedy="Approve or deny each value once, on the Values page or with `aegle deid values`; "
        "the object then goes on by itself.",
    ),
}
