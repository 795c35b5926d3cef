"""How makers name versions, kernels, sequences and probes: words that are made from a few letters and a number, by a scheme.

A list cannot hold them all: there is a new one with every release. Each form below needs digits in set places, and none but a
maker's own letters around them, so that no name of a person fits. Numbers of more than six digits, and what can be read as a
date, are left to a person: they may be somebody's. Sources: the makers' DICOM conformance statements, and the headers of
public collections (The Cancer Imaging Archive).
"""

import re
from collections.abc import Mapping
from functools import cache

_NUMBER = r"\d{1,3}(?:\.\d{1,5}){1,4}"
#: A version as nearly everybody writes it, alone or behind a word of its own: 4.1.6, V1.20, NX_8.9.1.
_DOTTED = rf"""(?:v|r|version|ver|rev|release|[vr]er\.|nx|nip|sidexis|radmax|vxvue|advsim|petctacq|cx50|clearvue
    |mammography\ v|paravision|(?:logiq|venue|vivid|voluson)\ ?[a-z]{{0,2}}\d{{0,3}}:r?|(?:epiq|affiniti)\ \d{{1,2}}[cgw]
    |pms5\.1\ ultrasound\ i[eu]\d\d|echopac\ pc\ sw-only)?[\ _:]?(?P<number>{_NUMBER})"""
#: Versions of one maker alone.
_VERSION = r"""
    (?:syngo\ (?:ct|mr)\ |pet\ ct\ )?[vx][a-h]\d\d[a-z]?(?:_(?:sp|hf)\d{1,2})?  # Siemens: VB20A, syngo MR XA31, VA20A_SP5
    | v[a-h]\d\d[a-z]\ (?:0[89]|[123]\d)(?:0[1-9]|1[0-2])[0-3]\d  # Siemens, angiography: VC14J 131220, when it was built
    | syngo\ (?:ct|mr)\ (?:20\d\d)?[a-e]?(?:\d\d)?[a-z]?     # Siemens: syngo CT 2012B, syngo MR E11
    | [vr]\d{1,3}[a-z]?
    | (?:ab_)?v\d{1,2}\.\d{1,2}(?:er\d{3}|sp\d{3,4}|[a-z]|_a\d\d|r\d\d)?(?:\*(?:[rp]\d{1,3}|en))*  # Canon, Toshiba, Hitachi
    | (?:pet_)?coreload\.\d{2,3}                       # GE, PET
    | (?:gmp|sles)_(?:vct|hde)\.\d{1,3}                # GE, CT
    | revo_ct_\d\d[a-z]{1,2}\.\d{1,3}
    | \d\dmw\d\d\.\d{1,2}
    | (?:mr\ software\ release:|signa_lx1\.)(?:[a-z]{2})?\d\d\.\d_[a-z]\d[\da-z]_\d{4}\.[a-z]  # GE, MR: DV26.0_R05_2008.a
    | [dmprh][a-z]\d\d\.\d_r\d\d
    | ec\d{3}                                          # GE, Voluson
    | ads_\d\d\.\d\d | ads\ application\ package\ version\ ads_\d\d\.\d\d      # GE, mammography
    | (?:pxcm|arr|ip|aws):\d(?:\.\d{1,2}){2,3}           # Hologic
    | \d(?:\.\d{1,2}){3}(?::(?:pxcm|arr|ip)-\d(?:\.\d{1,2}){3})+
    | a\d\d(?:-\d\d)?                                  # Fujifilm
    | [a-c]\.\d\d\.\d\d(?:\.\d\d)?                    # Philips, electrocardiographs
    | pms\d\d\.\d{3}\.\d\.\d\ gxr\ gxrim\d{1,2}\.\d    # Philips, X-ray
    """
_KERNEL = r"""
    [bdhijqstu][a-z]?\d\d[a-z]?        # Siemens: B30f, Br40d, Hr60
    | fc\d\d(?:-h)?                   # Canon, Toshiba: FC08-H
    | xyz\ gauss(?:ian)?\ ?\d{1,2}\.\d\d  # Siemens, PET
    """
#: Siemens: what is played (a turbo spin echo in two dimensions), echoes, segments, and how it is spoilt or selected.
_SEQUENCE = r"""
    \*?(?:t?se|t?fl|t?ir|t?fi|fm|qfl|swi|me|mbep|epfid|epse|ep|h|pc|gre)[23]d\d{1,3}(?:r{1,2}\d{0,3})?(?:_\d{1,3})?(?:_?ns|r|t)?
    | \*?spc(?:ir|r)?_?\d{1,3}(?:ns)?
    | \*?(?:ep|re|tse|epse)_b\d{1,5}(?:t|\#\d{1,3})?
    """
#: Of ultrasound: letters for the probe's form, its band in MHz: C5-1, ML6-15-D, L12_3.
_PROBE = r"[a-z]{1,3}\d{1,2}[-_]\d{1,2}[a-z]{0,2}(?:-d)?"
_SCHEMES: Mapping[str, str] = {
    **dict.fromkeys(("ConvolutionKernel", "ImageFilter"), _KERNEL),
    **dict.fromkeys(("SequenceName", "PulseSequenceName"), _SEQUENCE),
    "TransducerData": _PROBE,
}
#: All of them, for the digest of what is in force.
SCHEMES = "\n".join((_DOTTED, _VERSION, _KERNEL, _SEQUENCE, _PROBE))
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
