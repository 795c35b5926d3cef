"""How makers name versions, kernels, sequences, coils and probes, and planning systems beams and segments: words that are made
from a few letters and a number, by a scheme.

A list cannot hold them all: there is a new one with every release. Each form below needs digits in set places, and none but a
maker's own letters around them, so that no name of a person fits. Numbers of more than six digits, and what can be read as a
date, are left to a person: they may be somebody's. Sources: the makers' DICOM conformance statements, and the headers of
public collections (The Cancer Imaging Archive).
"""

import re
from collections.abc import Mapping
from functools import cache

from aegle.deid.rules import LABELS

_NUMBER = r"\d{1,3}(?:\.\d{1,5}){1,4}"
#: A version as nearly everybody writes it, alone or behind a word of its own: 4.1.6, V1.20, NX_8.9.1.
_DOTTED = rf"""(?:v|r|version|ver|rev|release|[vr]er\.|nx|nip|sidexis|radmax|vxvue|advsim|petctacq|cx50|clearvue
    |mammography\ v|paravision|ppc|epiq|dm
    |ads\ application\ package\ version\ ads
    |(?:logiq|venue|vivid|voluson)\ ?[a-z]{{0,2}}\d{{0,3}}:r?|(?:epiq|affiniti)\ \d{{1,2}}[cgw]
    |pms5\.1\ ultrasound\ i[eu]\d\d|echopac\ pc\ sw-only)?[\ _:]?(?P<number>{_NUMBER})
    (?:sp\d{{1,2}}|-?(?:alpha|beta|rc\d?)|\ \((?:32|64)-bit\)|\ build\ \d{{1,4}})?"""
#: Versions of one maker alone.
_VERSION = r"""
    (?:syngo\ (?:ct|mr)\ |pet\ ct\ )?[vx][a-h]\d\d[a-z]?(?:_(?:(?:sp|hf)\d{1,2}|p\d\d[a-z]))? # Siemens: VB20A, VA20A_SP5
    | v[a-h]\d\d[a-z]\ (?:0[89]|[123]\d)(?:0[1-9]|1[0-2])[0-3]\d  # Siemens, angiography: VC14J 131220, when it was built
    | syngo\ (?:ct|mr)\ (?:20\d\d)?[a-e]?(?:\d\d)?[a-z]?     # Siemens: syngo CT 2012B, syngo MR E11
    | [vr]\d{1,3}[a-z]?
    | (?:ab_)?v\d{1,2}\.\d{1,2}(?:er\d{3}|sp\d{3,4}|[a-z]|_a\d\d|r\d\d)?(?:\*(?:[rp]\d{1,3}|en))*  # Canon, Toshiba, Hitachi
    | (?:pet_)?coreload\.\d{2,3}                       # GE, PET
    | (?:gmp|sles)_(?:vct|hde)\.\d{1,3}                # GE, CT
    | revo_ct(?:_\d\d[a-z]{1,2})?\.\d{1,3}
    | mr\d\d\.\d_ea_\d
    | \d\dmw\d\d\.\d{1,2}
    | (?:mr\ software\ release:|signa_lx1\.)(?:[a-z]{2})?\d\d\.\d_[a-z]\d[\da-z]_\d{4}\.[a-z]  # GE, MR: DV26.0_R05_2008.a
    | [dmprh][a-z]\d\d\.\d_r\d\d(?:_\d{4}\.[a-z])?
    | ec\d(?:\d\d|\.\d)                                 # GE, Voluson
    | ads_\d\d\.\d\d | ads\ application\ package\ version\ ads_\d\d\.\d\d      # GE, mammography
    | u(?:ct|mr|mi|dr)\ r\d{3}                         # United Imaging
    | neuviz\d{2,3}\.v\d\.\d\.\d                      # Neusoft
    | aws:mammodroc(?:_\d){4}                         # Siemens, mammography
    | (?:pxcm|arr|ip|aws):\d(?:\.\d{1,2}){2,3}           # Hologic
    | \d(?:\.\d{1,2}){3}(?::(?:pxcm|arr|ip)-\d(?:\.\d{1,2}){3})+
    | a\d\d(?:-\d\d)?                                  # Fujifilm
    | [a-c]\.\d\d\.\d\d(?:\.\d\d)?                    # Philips, electrocardiographs
    | pms\d\d\.\d{3}\.\d\.\d\ gxr\ gxrim\d{1,2}\.\d    # Philips, X-ray
    """
_KERNEL = r"""
    [bdhijqstu][a-z]?\d\d[a-z]?        # Siemens: B30f, Br40d, Hr60
    | ni\d\d[a-z]
    | fc\d\d(?:-h)?                   # Canon, Toshiba: FC08-H
    | xyz\ gauss(?:ian)?\ ?\d{1,2}\.\d\d  # Siemens, PET
    """
#: Siemens: what is played (a turbo spin echo in two dimensions), echoes, segments, and how it is spoilt or selected.
_SEQUENCE = r"""
    \*?(?:t?se|t?fl|t?ir|t?fi|fm|qfl|swi|me|mbep|epfid|epse|ep|h|pc|gre)[23]d\d{1,3}(?:r{1,2}\d{0,3})?(?:_\d{1,3})?(?:_?ns|r|t)?
    | \*?spc(?:ir|r)?(?:3d\d)?_?\d{1,3}(?:ns)?
    | tgse3d\d_\d{2,4}
    | \*?(?:ep|re|tse|epse)_b\d{1,5}(?:t|\#\d{1,3})?
    """
#: Of ultrasound: letters for the probe's form, its band in MHz: C5-1, ML6-15-D, L12_3.
_PROBE = r"[a-z]{1,3}\d{1,2}[-_]\d{1,2}[a-z]{0,2}(?:-d)?"
#: Siemens: the elements of coils that received, by two letters and their numbers: HE1-4;NE1,2;SP1, or all of a coil: C:HEA;HEP.
_ELEMENT = r"(?:bc|bl|bo|br|fl|fo|ha|hc|he|hw|kn|ne|nc|pa|sh|sp|tx|wr)\d{1,2}(?:[-,]\d{1,2})*"
_WHOLE = r"(?:bo|br|fl|he|kn|ne|pa|sh|sp)[ap]?"
_COIL = rf"c:{_WHOLE}(?:[;,]{_WHOLE})*|{_ELEMENT}(?:;{_ELEMENT})*|h\d[pt]"
#: Of protons and ions: what shifts, modulates and spreads the beam, and what holds it: RS30, LS1, RM1, Snout 10.
_BEAM_DEVICE = r"(?:rs|rm|ls|ru|s|snout|range\ ?shifter)[\ _=-]?\d{1,3}(?:\.\d)?(?:\ ?[cm]m)?"
#: Of photons: the angle, and where the wedge's thin edge points: W15R30, EDW30IN, W60.
_WEDGE = r"(?:e?d?w|wdg|wedge)[\ _-]?\d\d(?:[lr]\d\d|[a-z]|in|out)?"
#: Days of a week, or of several, on which a fraction is given.
_DAYS_OF_FRACTIONS = r"[01]{1,280}"
#: What is counted: beams, blocks, layers, points. Gantry and table angles stand for a beam as well.
_COUNTED = r"""
    (?:arc|beam|block|bolus|fid|fiducial|field|fld|layer|marker|mask|point|setup|track|tray|[abcfglmpst])[\ _-]?\d{1,3}[a-z]?
    | g\d{1,3}\ ?t\d{1,3} | g\d{1,3}[\ _](?:kv|mv)
    """
_SEGMENT = r"""(?:cell|class|finding|label|lesion|mass|nodule|object|region|roi|segment|tumou?r)[\ _-]?\d{1,3}
    | vertebrae_[ctls]\d{1,2} | rib_(?:left|right)_\d{1,2}
    """
#: Diffusion weighting in s/mm2, echo and inversion times in ms.
_FRAME = r"(?:b|te|ti|tr|echo|phase|frame|slice)[\ _=-]{0,3}\d{1,5}(?:\ ?(?:ms|s/mm2))?"
_SCHEMES: Mapping[str, str] = {
    **dict.fromkeys(("ConvolutionKernel", "ImageFilter"), _KERNEL),
    **dict.fromkeys(("SequenceName", "PulseSequenceName"), _SEQUENCE),
    **dict.fromkeys(("ReceiveCoilName", "TransmitCoilName", "MultiCoilElementName", "MultiCoilConfiguration"), _COIL),
    **dict.fromkeys(("LateralSpreadingDeviceID", "RangeModulatorID", "RangeShifterID", "SnoutID"), _BEAM_DEVICE),
    **dict.fromkeys(LABELS, _COUNTED),
    "FractionPattern": _DAYS_OF_FRACTIONS,
    "FrameLabel": _FRAME,
    "SegmentLabel": _SEGMENT,
    "TransducerData": _PROBE,
    "WedgeID": _WEDGE,
}
#: All of them, for the digest of what is in force.
SCHEMES = "\n".join((_DOTTED, _VERSION, *(f"{keyword} {scheme}" for keyword, scheme in sorted(_SCHEMES.items()))))
_VERSIONED = frozenset(
    {"SoftwareVersions", "SecondaryCaptureDeviceSoftwareVersions", "AlgorithmVersion", "ApplicationVersion"}
)
_MONTHS, _DAYS, _YEARS = 12, 31, range(1850, 2100)
_MOST_DIGITS = 6  #: from seven on a number may be somebody's
_PARTS, _BEFORE_BUILD = 4, 5  #: but for a build's, behind three short numbers: 11.5.2.54532


def is_in_scheme(keyword: str, word: str) -> bool:
    """Whether a folded word is one that a maker's scheme makes, for an attribute that has one."""
    if keyword in _VERSIONED:
        return _is_version(word)
    scheme = _SCHEMES.get(keyword)
    return scheme is not None and bool(_form(scheme).fullmatch(word))


@cache
def _form(scheme: str) -> re.Pattern[str]:
    """Made when a word that is on no list is met, and not before: it takes as long as a dozen slices."""
    return re.compile(scheme, re.VERBOSE)


def _is_version(word: str) -> bool:
    dotted = _form(_DOTTED).fullmatch(word)
    if dotted and not _may_be_somebodys(dotted["number"].split(".")):
        return True
    return bool(_form(_VERSION).fullmatch(word))


def _may_be_somebodys(parts: list[str]) -> bool:
    """Whether a dotted number is as long as a file's or a telephone's, or can be read as a date."""
    digits = sum(map(len, parts))
    is_build = len(parts) == _PARTS and digits - len(parts[-1]) <= _BEFORE_BUILD
    return (digits > _MOST_DIGITS and not is_build) or _is_date(parts)


def _is_date(parts: list[str]) -> bool:
    """Day, month and year of two digits, or the same backwards in pairs; or a year anywhere."""
    if any(len(part) == 4 and int(part) in _YEARS for part in parts):
        return True
    if len(parts) != 3:
        return False
    orders = [(parts[0], parts[1], parts[2]), (parts[1], parts[0], parts[2])]
    if {len(part) for part in parts} == {2}:
        orders.append((parts[2], parts[1], parts[0]))
    return any(len(year) == 2 and 0 < int(month) <= _MONTHS and 0 < int(day) <= _DAYS for day, month, year in orders)
