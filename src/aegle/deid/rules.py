"""The effective rules: for each tag what is done, compiled from Table E.1-1, the options and our nets.

A tag without a rule is removed: private, unknown and repeating-group attributes, group lengths, digital signatures.

Compound codes take the choice that is right whatever the attribute's Type: X/Z is emptied (a sequence goes), X/D, Z/D
and X/Z/D get a dummy value, X/Z/U* is entered so that its UIDs are replaced.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]

from aegle.deid.table import Option, Row, rows


class Action(StrEnum):
    """What happens to an attribute."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    UID = "uid"  #: the UID's pseudonym, standard UIDs as they are
    SHIFT = "shift"  #: the date moved by the patient's days, the time by the patient's minutes
    TOKEN = "token"  # noqa: S105 - a keyed token, so that equal values stay equal
    PATIENT = "patient"  #: the patient's alias
    AGE = "age"  #: as it is, but nobody is older than 90
    ENTER = "enter"  #: a sequence: its items follow their own rules


class Rule(NamedTuple):
    """What is done with one tag."""

    action: Action
    vr: bytes  #: the dictionary's VR (its first where it allows several), the one written
    accepts: frozenset[bytes]  #: VRs in which a kept value may come
    known_as: int = 0  #: under which tag its words are decided, where its own could be another attribute's


#: What stands for a value under D, by VR: never empty, and the same for everybody.
DUMMIES: Mapping[bytes, bytes] = {
    **dict.fromkeys((b"AE", b"CS", b"LO", b"LT", b"SH", b"ST", b"UC", b"UT"), b"ANONYMIZED"),
    b"PN": b"ANONYMIZED^",
    b"DA": b"19000101",
    b"DT": b"19000101000000",
    b"TM": b"000000",
    b"AS": b"000Y",
    b"DS": b"0",
    b"IS": b"0",
    b"UR": b"urn:anonymized",
    **dict.fromkeys((b"US", b"SS", b"OW", b"OB", b"UN"), bytes(2)),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"AT", b"OF", b"OL"), bytes(4)),
    **dict.fromkeys((b"FD", b"SV", b"UV", b"OD", b"OV"), bytes(8)),
}

_BASIC: Mapping[str, Action] = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.UID,
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "Z/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.ENTER,
}

#: Sequences under Z are emptied where the standard lets an empty one stand (Type 2); every other one under X/Z goes.
_TYPE_2_SEQUENCES = frozenset({0x00400513, 0x00400562, 0x0040A088})
#: Under X these are emptied: an object without them is not valid (Type 2). SourceManufacturer, of a treatment's record.
_TYPE_2 = frozenset({0x300A0216})
#: Under D these items stay as their own dummies, with every name and UID in them replaced: the observers of a verified
#: document (0040,A073), and the procedure step an SR must name (0008,1111).
_ENTERED_SEQUENCES = frozenset({0x0040A073, 0x00081111})

#: Where the table leaves a choice, or says nothing about free text that an IOD requires.
_OURS: Mapping[int, Action] = {
    0x00080005: Action.KEEP,  # SpecificCharacterSet
    0x00080119: Action.KEEP,  # LongCodeValue and URNCodeValue are codes, not prose; swept like any kept text
    0x00080120: Action.KEEP,
    0x04000500: Action.REMOVE,  # EncryptedAttributesSequence: an earlier tool's sealed originals
    0x00100010: Action.PATIENT,
    0x00100033: Action.REMOVE,  # birth and death dates in another calendar: the table forgets them
    0x00100034: Action.REMOVE,
    0x00100035: Action.REMOVE,
    0x00100020: Action.PATIENT,
    0x00101022: Action.REMOVE,  # PatientBodyMassIndex: the table forgets it; size and weight go
    0x00120062: Action.REMOVE,  # these four are written anew
    0x00120063: Action.REMOVE,
    0x00120064: Action.REMOVE,
    0x00280303: Action.REMOVE,
    0x00400512: Action.TOKEN,  # container and specimen: a constant would merge every slide of a study
    0x00400551: Action.TOKEN,
    0x00620020: Action.TOKEN,  # TrackingID: its UID may not stand without it
    0x00700081: Action.EMPTY,  # ContentDescription: Type 2 wherever it stands
    0x0040A160: Action.DUMMY,  # TextValue of a content item, required there
    0x30020020: Action.EMPTY,  # RadiationMachineName: Type 2; the table forgets the same under Treatment Machine Name
}

#: Where an option needs more than the table says.
_OURS_UNDER: Mapping[Option, Mapping[int, Action]] = {
    #: The table keeps every UID but a content item's: an SR would then point at objects that nobody has.
    Option.UIDS: {0x0040A124: Action.KEEP},
    #: The table keeps an age as it is. One over 89 identifies by itself (45 CFR 164.514(b)(2)(i)(C)).
    Option.PATIENT: {0x00101010: Action.AGE, 0x00101022: Action.KEEP},
}

#: Unlisted text attributes that are kept: codes, and words for how the picture was made or the beam is shaped. Every other
#: LO, SH, LT and ST goes.
_KEPT_TEXT_KEYWORDS = """
    ASLBolusCutoffTechnique ASLCrusherDescription ASLTechniqueDescription AcquisitionDeviceProcessingCode AcquisitionMode
    AfterloaderChannelID AlgorithmName AlgorithmSource AlgorithmVersion ApplicableSafetyStandardDescription
    ApplicationManufacturer ApplicationName ApplicationSetupManufacturer ApplicationVersion ApplicatorID
    AttenuationCorrectionMethod BeamCurrentModulationID CardiacFramingType CodeMeaning CodeValue
    CodingSchemeDesignator CodingSchemeRegistry CodingSchemeVersion CollimatorGridName ContrastBolusRoute
    ConvolutionKernel DetectorManufacturerName DetectorManufacturerModelName DigitalImageFormatAcquired
    CSSFontName DimensionDescriptionLabel DoseModeName EnergyWindowName ExposureControlModeDescription ExtendedCodeValue
    FilterType FixationDevicePosition FluenceModeID FontName FractionPattern FrameLabel GridAbsorbingMaterial
    GridSpacingMaterial ImageFilter ImageGeometryType ImagedNucleus InterventionDrugName LUTExplanation LUTLabel
    LateralSpreadingDeviceID LateralSpreadingDeviceSetting Manufacturer ManufacturerModelName
    ManufacturerRelatedModelGroup MappingResourceName MaterialID ModalityLUTType MultiCoilConfiguration
    MultiCoilElementName OpticalPathDescription OpticalPathIdentifier OutputPower PVCRejection PaddleDescription
    PhosphorType PixelSpacingCalibrationDescription
    PlateType PositionReferenceIndicator PostprocessingFunction ProcessingFunction PulseSequenceName Radionuclide
    Radiopharmaceutical RadiopharmaceuticalRoute RangeModulatorID RangeShifterID RangeShifterSetting
    ReceiveCoilManufacturerName ReceiveCoilName ReconstructionMethod ReferencedOpticalPathIdentifier RescaleType
    ScanSpotTuneID ScatterCorrectionMethod SecondaryCaptureDeviceManufacturer
    SecondaryCaptureDeviceManufacturerModelName SecondaryCaptureDeviceSoftwareVersions SegmentAlgorithmName
    SegmentLabel SequenceName ShieldingDevicePosition SnoutID SoftwareVersions SourceApplicatorID
    SourceApplicatorManufacturer SourceIsotopeName SourceModelID StackID StageName TransducerData
    TransmitCoilManufacturerName TransmitCoilName TriggerSourceOrType TypeOfFilters VideoImageFormatAcquired ViewName
    WedgeID WindowCenterWidthExplanation
    """
#: What people call a beam, a block, a mask, a point: typed for one patient, and asked about in nearly every plan. A label that
#: is not known to name nobody becomes a token, unasked, so that its parts of the object can still be told apart.
_LABEL_KEYWORDS = """
    AccessoryCode ApplicationSetupName BeamName BlockName BlockTrayID BolusID BrachyAccessoryDeviceID
    BrachyAccessoryDeviceName ChannelShieldID ChannelShieldName CompensatorID CompensatorTrayID FiducialIdentifier
    FixationDeviceLabel GeneralAccessoryID GraphicGroupLabel GraphicLayer PatientSetupLabel PatientSupportAccessoryCode
    PatientSupportID RTImageLabel SetupDeviceLabel ShieldingDeviceLabel SourceApplicatorName ToleranceTableLabel
    TrackSetLabel TrayAccessoryCode
    """
LABELS = frozenset(_LABEL_KEYWORDS.split())
_KEPT_TEXT = LABELS | frozenset(_KEPT_TEXT_KEYWORDS.split())

_TEXT = frozenset({"PN", "LO", "SH", "LT", "ST", "UT", "UC", "UR", "AE"})
_TIMES = frozenset({"DA", "DT", "TM"})
_OPAQUE = frozenset({"OB", "UN"})
_CLEANABLE = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})  # text that the gate for words judges
#: Kept in waveform objects alone: a channel's least and greatest sample, what stands for none, and the samples.
SAMPLES = frozenset({0x54000110, 0x54000112, 0x5400100A})
WAVEFORMS_OWN = SAMPLES | {0x54001010}
#: OB attributes whose bytes are described by the standard and cannot hold prose; ICC text is blanked by the engine.
_OPEN_BYTES_KEPT = WAVEFORMS_OWN | {0x00282000, 0x7FE00010}
_OTHER_PIXELS = frozenset({0x7FE00008, 0x7FE00009})  # float pixels: no admitted class has them

_FAMILIES = (
    frozenset({b"CS", b"LO", b"SH"}),
    frozenset({b"DS", b"IS"}),
    frozenset({b"US", b"SS", b"UL", b"SL", b"UV", b"SV", b"FL", b"FD", b"AT"}),
    frozenset({b"OW", b"OB", b"OF", b"OD", b"OL", b"OV"}),
)


def compile_rules(options: frozenset[Option]) -> dict[int, Rule]:
    """One rule a tag. Attributes of data sets only: groups 0000 to 0006 and group lengths have none, nor have tags that say
    too little: private ones, and those of overlays."""
    rules: dict[int, Rule] = {}
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if 8 <= tag >> 16 < 0xFFFA and tag & 0xFFFF and tag not in _OTHER_PIXELS:
            rules[tag] = _net_rule(vr, tag in _OPEN_BYTES_KEPT, keyword in _KEPT_TEXT, options)
    for row in rows():
        if row.tag >> 16 >= 8:
            vr = DicomDictionary[row.tag][0] if row.tag in DicomDictionary else row.vr or "UN"
            rules[row.tag] = rule_of(row_action(row, vr.split(" ")[0], options), vr)
    for chosen in (_OURS, *(_OURS_UNDER.get(option, {}) for option in options)):
        for tag, action in chosen.items():
            rules[tag] = rules[tag]._replace(action=action)
    return rules


def row_action(row: Row, vr: str, options: frozenset[Option]) -> Action:
    """What one row of the table comes to under the chosen options; `vr` is the dictionary's.

    Where two chosen options speak, the one declared first does: a date that one keeps and another moves is moved."""
    for option in Option:
        action = _option_action(option, row.options.get(option, ""), vr) if option in options else None
        if action is not None:
            return action
    return _basic(row, vr)


def _option_action(option: Option, code: str, vr: str) -> Action | None:
    """What an option does to a row of its own; None where it says nothing, or more than can be done: the basic profile
    then holds. `K` keeps; `C` moves a date, enters a sequence, and keeps a text whose words are known or approved. Bytes
    (OB, UN) can be neither read nor cleaned."""
    if not code or vr in _OPAQUE:
        return None
    if vr == "SQ":
        return Action.ENTER
    if code == "K":
        return Action.KEEP
    if option is Option.MODIFIED_DATES:
        return Action.SHIFT if vr in _TIMES else None
    return Action.KEEP if vr in _CLEANABLE else None


def _basic(row: Row, vr: str) -> Action:
    action = Action.EMPTY if row.tag in _TYPE_2 else _BASIC[row.basic]
    if vr == "SQ" and action in {Action.EMPTY, Action.DUMMY}:
        return next(_sequence(row.tag), Action.REMOVE)
    if vr == "UI" and action is Action.DUMMY:
        return Action.UID
    return action


def _sequence(tag: int) -> Iterator[Action]:
    if tag in _TYPE_2_SEQUENCES:
        yield Action.EMPTY
    if tag in _ENTERED_SEQUENCES:
        yield Action.ENTER


@cache
def _net_rule(vrs: str, is_open: bool, is_kept_text: bool, options: frozenset[Option]) -> Rule:
    """The rule of an attribute that the table does not list; it does not depend on more than this."""
    return rule_of(_net(vrs.split(" ")[0], is_open, is_kept_text, options), vrs)


def _net(vr: str, is_open: bool, is_kept_text: bool, options: frozenset[Option]) -> Action:
    if vr == "SQ":
        return Action.ENTER
    if vr == "UI":
        return Action.KEEP if Option.UIDS in options else Action.UID
    if vr in _TIMES:
        return Action.KEEP if Option.FULL_DATES in options else Action.SHIFT
    if vr in _TEXT and not is_kept_text:
        return Action.REMOVE
    return Action.REMOVE if vr in _OPAQUE and not is_open else Action.KEEP


@cache
def rule_of(action: Action, vrs: str, known_as: int = 0) -> Rule:
    """What is done with an attribute of one of these VRs (`US or SS`). There are a hundred rules, and five thousand
    attributes."""
    names = [name.encode() for name in vrs.replace("NONE", "UN").split(" or ")]
    family = next((members for members in _FAMILIES if names[0] in members), frozenset(names))
    return Rule(action, names[0], family | frozenset(names), known_as)
