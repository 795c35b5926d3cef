"""Whether an object may be de-identified at all, and what must be painted over in its pictures."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import itemgetter

from aegle.deid.classes import CAMERAS, CLASSES, PLANES, SLIDES, PixelRisk
from aegle.deid.masks import Box, Keep, PixelRule, clip, fitting, outside
from aegle.deid.outcome import TextRisk
from aegle.deid.part10 import Holding
from aegle.deid.pseudonyms import is_public
from aegle.deid.reasons import HoldReason
from aegle.deid.saved_screens import is_screen, tells_of_page
from aegle.deid.survey import (
    BURNED_IN,
    CONVERSION_TYPE,
    IMAGE_TYPE,
    LABEL_IN_IMAGE,
    MARK,
    METHOD,
    PHOTOMETRIC,
    RECOGNIZABLE,
    SERIES_DESCRIPTION,
    SOP_CLASS,
    Likeness,
    Survey,
)
from aegle.references import InstanceRef

_REMEMBERED_BYTES = 4096  #: of the values by which objects are alike
_UID = re.compile(r"[0-9][0-9.]{0,63}")
#: Conversion Types of what was on film, paper, a video signal or a workstation's screen (PS3.3 §C.8.6.1). A digital interface
#: (DI) also brings a detector's picture, and SYN is one that was computed: these two are looked at, and not held.
_UNCAPTURED = frozenset({"", "DI", "SYN"})

#: Modalities of what is photographed, scanned, captured or typed (PS3.3 §C.7.3.1.1.1).
_OF_PICTURES = frozenset({"OT", "SC", "DOC", "HC", "US", "ES", "XC", "GM", "SM"})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What follows for the pixels of an object that may be de-identified."""

    certified: bool  #: free of identity once the boxes are painted over: (0012,0062) may say YES
    boxes: tuple[Box, ...] = ()  #: to be painted over
    text_risk: TextRisk = TextRisk.NONE


def judge(survey: Survey, rules: tuple[PixelRule, ...]) -> Verdict:
    """What is to be done with the pixels. Raises Holding for an object that may not be de-identified."""
    _require_uids(survey.source)
    likeness = survey.likeness
    is_small = sum(map(len, map(itemgetter(1), likeness.values))) <= _REMEMBERED_BYTES
    return (_judged if is_small else _judged.__wrapped__)(likeness, rules)


@lru_cache(maxsize=128)
def _judged(likeness: Likeness, rules: tuple[PixelRule, ...]) -> Verdict:
    """The verdict for all objects that are alike: those of a series."""
    survey = likeness.survey()
    row = CLASSES.get(survey.text(SOP_CLASS))
    if survey.text(METHOD).startswith(MARK):
        raise Holding(HoldReason.ALREADY_ALIASED, "its De-identification Method is ours")
    if row is None:
        raise Holding(HoldReason.UNKNOWN_SOP_CLASS, "SOP class not on the list")
    if row.risk is PixelRisk.NONE:
        if survey.has_pixels:
            raise Holding(HoldReason.PIXELS_UNPROVEN, "pixel data in a kind of object that has none")
        return Verdict(certified=True)
    _refuse_pictures_of_people(survey)
    rule = fitting(rules, survey.device)
    verdict = _by_rule(survey, rule) if rule else _by_its_word(survey, row.risk)
    return replace(verdict, text_risk=_text_risk(survey, row.risk, vouched=rule is not None))


def _require_uids(source: InstanceRef) -> None:
    uids = (source.study_uid, source.series_uid, source.sop_uid, source.sop_class)
    if not all(uids):
        raise Holding(HoldReason.NO_UID, "study, series, instance or class")
    if not all(_UID.fullmatch(uid) for uid in uids) or any(is_public(uid) for uid in uids[:3]):
        raise Holding(HoldReason.BAD_UID, "study, series, instance or class")


def _kind(survey: Survey) -> list[str]:
    return [part.strip() for part in survey.text(IMAGE_TYPE).upper().split("\\")]


def _is_original(kind: list[str]) -> bool:
    """Whether a detector's values are in the picture as an examination's own (PS3.3 §C.7.6.1.1.2), by its word."""
    return "ORIGINAL" in kind and "SECONDARY" not in kind[1:2]


def _refuse_pictures_of_people(survey: Survey) -> None:
    """What no rule can let through."""
    if survey.text(LABEL_IN_IMAGE).upper() == "YES" or _shows_label(survey):
        raise Holding(HoldReason.LABEL_IMAGE, "its Image Type or Specimen Label in Image says so")
    if survey.text(RECOGNIZABLE).upper() == "YES":
        raise Holding(HoldReason.RECOGNIZABLE, "Recognizable Visual Features is YES")
    if survey.overlay_in_pixels:
        raise Holding(HoldReason.BURNED_IN_RISK, "an overlay lies in the pixel data")


def _shows_label(survey: Survey) -> bool:
    """By Image Type. A slide's LOCALIZER was the picture of the whole glass before there was OVERVIEW; some makers call it
    MACRO. A scanner's is a scout."""
    kind = set(_kind(survey))
    if (
        survey.text(SOP_CLASS) in SLIDES
        and survey.text(LABEL_IN_IMAGE).upper() != "NO"
        and kind & {"LOCALIZER", "MACRO"}
    ):
        return True
    return bool(kind & {"LABEL", "OVERVIEW", "BARCODE"})


def _by_its_word(survey: Survey, risk: PixelRisk) -> Verdict:
    """Nobody looked at this device's pictures: what the object says of itself decides."""
    burned_in = survey.text(BURNED_IN).upper()
    if burned_in not in {"", "NO"}:
        raise Holding(HoldReason.BURNED_IN_RISK, "Burned In Annotation is not NO")
    if not burned_in and (risk is PixelRisk.HIGH or _is_captured(survey)):
        raise Holding(HoldReason.BURNED_IN_RISK, "Burned In Annotation is absent in a kind of picture that may have it")
    is_detectors = _is_original(_kind(survey)) and not survey.text(CONVERSION_TYPE)
    return Verdict(certified=burned_in == "NO" or is_detectors)


def _text_risk(survey: Survey, risk: PixelRisk, *, vouched: bool) -> TextRisk:
    """By the object's class, by what it says of where it was captured, and in classes of detectors by colours, or by the
    modality of something else. What a person made a rule for is vouched for, and so are a camera's own picture and a derived
    one that says where in the patient it lies: of a volume there are hundreds."""
    sop_class = survey.text(SOP_CLASS)
    if sop_class in SLIDES:
        return TextRisk.VOUCHED if vouched else TextRisk.NONE
    coloured = survey.number("samples") > 1 or survey.text(PHOTOMETRIC) == "PALETTE COLOR"
    is_odd = coloured or survey.device.modality.upper() in _OF_PICTURES
    captured = _is_captured(survey)
    if risk is PixelRisk.HIGH or is_odd or captured:
        return TextRisk.VOUCHED if vouched or (sop_class in CAMERAS and not captured) else TextRisk.UNVOUCHED
    is_secondary = bool(survey.text(CONVERSION_TYPE)) or "SECONDARY" in _kind(survey)[1:2]
    if survey.has_pixels and (is_secondary or tells_of_page(survey.readings(SERIES_DESCRIPTION))):
        return TextRisk.VOUCHED if vouched or survey.has_plane else TextRisk.UNVOUCHED
    return TextRisk.VOUCHED if vouched else TextRisk.NONE


def _is_captured(survey: Survey) -> bool:
    """Whether an object of any class says that its picture was a screen's, or a film's, or does not say where in the patient
    it lies, as a reformatted one of its class does."""
    kind = _kind(survey)
    if survey.text(CONVERSION_TYPE).upper() not in _UNCAPTURED or is_screen("\\".join(kind)):
        return True
    if "SECONDARY" in kind[1:2] and survey.text(SOP_CLASS) in PLANES and not survey.has_plane:
        return True
    return not _is_original(kind) and tells_of_page(survey.readings(SERIES_DESCRIPTION))


def _by_rule(survey: Survey, rule: PixelRule) -> Verdict:
    device = survey.device
    clipped = (clip(box, device.columns, device.rows) for box in rule.boxes)
    frames = survey.number("frames")
    boxes = [box for box in clipped if box and box.is_on(min(box.first or frames, frames), frames)]
    if rule.keep is Keep.UNMASKED and not boxes:
        raise Holding(HoldReason.BURNED_IN_RISK, "the device's rule paints over frames that this object does not have")
    if rule.keep is Keep.REGIONS:
        if not survey.regions:
            raise Holding(HoldReason.BURNED_IN_RISK, "the device's rule keeps ultrasound regions, and none is declared")
        boxes += outside(survey.regions, device.columns, device.rows)
    if not boxes and survey.text(BURNED_IN).upper() not in {"", "NO"}:
        raise Holding(
            HoldReason.BURNED_IN_RISK, "Burned In Annotation is not NO, and the device's rule paints nothing over"
        )
    return Verdict(certified=True, boxes=tuple(boxes))
