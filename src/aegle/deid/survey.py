"""The first look at an object: the few top-level facts that decide whether it may be de-identified at all."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from aegle.deid.classes import CLASSES, PixelRisk
from aegle.deid.outcome import RESTORED, Identity
from aegle.deid.part10 import Holding
from aegle.deid.pseudonyms import is_public
from aegle.deid.reasons import HoldReason
from aegle.dicom.walk import PIXEL_DATA, Buffer, Encoding, Head, elements
from aegle.records import InstanceRef

_UID = re.compile(r"[0-9][0-9.]{0,63}")
ELEMENTS_MAX = 65_536  #: attributes of the top level; real objects have hundreds
_ANYWHERE = 64 * 1024  #: a top-level fact longer than this is not a fact

_CHARACTER_SET, _IMAGE_TYPE, _SOP_CLASS, _SOP_UID = 0x00080005, 0x00080008, 0x00080016, 0x00080018
_STUDY_UID, _SERIES_UID, _BURNED_IN, _RECOGNIZABLE = 0x0020000D, 0x0020000E, 0x00280301, 0x00280302
_PATIENT_ID, _ISSUER, _METHOD, _LABEL_IN_IMAGE = 0x00100020, 0x00100021, 0x00120063, 0x00480010
_SHAPE = {"samples": 0x00280002, "frames": 0x00280008, "rows": 0x00280010, "columns": 0x00280011, "bits": 0x00280100}
_PHOTOMETRIC, _CONVERSION_TYPE = 0x00280004, 0x00080064
_WANTED = frozenset(
    {_CHARACTER_SET, _IMAGE_TYPE, _SOP_CLASS, _SOP_UID, _STUDY_UID, _SERIES_UID, _BURNED_IN, _RECOGNIZABLE}
    | {_PATIENT_ID, _ISSUER, _METHOD, _LABEL_IN_IMAGE, _PHOTOMETRIC, _CONVERSION_TYPE, *_SHAPE.values(), *RESTORED}
)
MARK = "Aegle PS3.15 2026d"  #: first value of (0012,0063) of what we wrote


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Top-level values of one object, raw, and what follows from them."""

    heads: Sequence[Head]  #: of the top level, in order, up to PixelData
    values: Mapping[int, bytes]
    big_endian: bool
    has_pixels: bool
    overlay_in_pixels: bool  #: an overlay group without data of its own: its bits lie in the pixels (retired)

    def text(self, tag: int) -> str:
        """A value of the default repertoire, without padding; empty when absent."""
        return self.values.get(tag, b"").decode("latin-1").strip("\0 ")

    def number(self, fact: str) -> int:
        """A US or IS value of the image's shape; 1 when absent. Raises Holding when it is not a number."""
        raw = self.values.get(_SHAPE[fact], b"")
        if fact == "frames":
            text = raw.decode("latin-1").strip("\0 ")
            if text and not text.isdecimal():
                raise Holding(HoldReason.MALFORMED, "Number of Frames is not a number")
            return int(text[:12] or 1)
        if raw and len(raw) != 2:
            raise Holding(HoldReason.MALFORMED, "a number that describes the image has the wrong length")
        return int.from_bytes(raw, "big" if self.big_endian else "little") if raw else 1

    @property
    def source(self) -> InstanceRef:
        """The object's own UIDs."""
        return InstanceRef(
            study_uid=self.text(_STUDY_UID),
            series_uid=self.text(_SERIES_UID),
            sop_uid=self.text(_SOP_UID),
            sop_class=self.text(_SOP_CLASS),
        )

    @property
    def character_set(self) -> tuple[str, ...]:
        """Specific Character Set, one term a value."""
        return tuple(term.strip() for term in self.text(_CHARACTER_SET).split("\\"))

    @property
    def identity(self) -> Identity:
        """What the vault keeps."""
        kept = {tag: self.values[tag].rstrip(b"\0 ") for tag in RESTORED if tag in self.values}
        return Identity(character_set=self.character_set, values=kept)

    @property
    def native_bytes(self) -> int:
        """How many bytes the described frames take uncompressed, padding apart; frames of single bits are not aligned."""
        return (self._frame_bits * self.number("frames") + 7) // 8

    @property
    def frame_bytes(self) -> int:
        """How many bytes one described frame takes uncompressed."""
        return (self._frame_bits + 7) // 8

    @property
    def _frame_bits(self) -> int:
        bits = self.number("rows") * self.number("columns") * self.number("samples") * self.number("bits")
        subsampled = self.text(_PHOTOMETRIC) in {"YBR_FULL_422", "YBR_PARTIAL_422"}
        return bits * 2 // 3 if subsampled else bits


def look(encoding: Encoding, data: Buffer, pos: int) -> Survey:
    """Survey the data set at `pos`. Raises BrokenEncoding, and Holding for tags out of order or too many of them."""
    heads = list(islice(elements(encoding, data, pos, len(data)), ELEMENTS_MAX + 1))
    tags = [head.tag for head in heads]
    if len(heads) > ELEMENTS_MAX:
        raise Holding(HoldReason.TOO_LARGE, "more attributes than any real object has")
    if tags != sorted(set(tags)):
        raise Holding(HoldReason.MALFORMED, "attributes out of order or twice")
    overlays = [tag for tag in tags if 0x6000 <= tag >> 16 <= 0x60FF]
    with_data = {tag >> 16 for tag in overlays if tag & 0xFFFF == 0x3000}
    return Survey(
        heads=heads,
        values={
            head.tag: data[head.value : head.value + head.length]
            for head in heads
            if head.tag in _WANTED and head.length <= _ANYWHERE
        },
        big_endian=encoding.big_endian,
        has_pixels=PIXEL_DATA in tags,
        overlay_in_pixels=any(tag >> 16 not in with_data for tag in overlays),
    )


def judge(survey: Survey) -> bool:
    """Whether the pixels are certified free of identity. Raises Holding for an object that may not be de-identified."""
    row = CLASSES.get(survey.text(_SOP_CLASS))
    _require_uids(survey.source)
    if survey.text(_METHOD).startswith(MARK):
        raise Holding(HoldReason.ALREADY_ALIASED, "its De-identification Method is ours")
    if row is None:
        raise Holding(HoldReason.UNKNOWN_SOP_CLASS, "SOP class not on the list")
    if row.risk is PixelRisk.NONE:
        if survey.has_pixels:
            raise Holding(HoldReason.PIXELS_UNPROVEN, "pixel data in a kind of object that has none")
        return True
    return _judge_pixels(survey, row.risk)


def _require_uids(source: InstanceRef) -> None:
    uids = (source.study_uid, source.series_uid, source.sop_uid, source.sop_class)
    if not all(uids):
        raise Holding(HoldReason.NO_UID, "study, series, instance or class")
    if not all(_UID.fullmatch(uid) for uid in uids) or any(is_public(uid) for uid in uids[:3]):
        raise Holding(HoldReason.BAD_UID, "study, series, instance or class")


def _judge_pixels(survey: Survey, risk: PixelRisk) -> bool:
    kind = {part.strip() for part in survey.text(_IMAGE_TYPE).upper().split("\\")}
    burned_in = survey.text(_BURNED_IN).upper()
    if kind & {"LABEL", "OVERVIEW"} or survey.text(_LABEL_IN_IMAGE).upper() == "YES":
        raise Holding(HoldReason.LABEL_IMAGE, "its Image Type or Specimen Label in Image says so")
    if survey.text(_RECOGNIZABLE).upper() == "YES":
        raise Holding(HoldReason.RECOGNIZABLE, "Recognizable Visual Features is YES")
    if burned_in not in {"", "NO"}:
        raise Holding(HoldReason.BURNED_IN_RISK, "Burned In Annotation is not NO")
    if survey.overlay_in_pixels:
        raise Holding(HoldReason.BURNED_IN_RISK, "an overlay lies in the pixel data")
    captured = bool(survey.text(_CONVERSION_TYPE)) or kind & {"SCREEN SAVE", "SCREENSHOT", "SECONDARY CAPTURE"}
    if not burned_in and (risk is PixelRisk.HIGH or captured):
        raise Holding(HoldReason.BURNED_IN_RISK, "Burned In Annotation is absent in a kind of picture that may have it")
    return burned_in == "NO" or "ORIGINAL" in kind
