"""Dates that go along with the times beside them: a moment told by a date and a time (PS3.6) passes midnight as a whole.

Looked for within one data set or item alone, so that what becomes of a sequence still depends on its own bytes.
"""

import re
from collections.abc import Mapping

from aegle.deid.dates import Shift, moved_along
from aegle.deid.rules import Action, Rule
from aegle.dicom.walk import Buffer, Encoding, elements, value_end

#: Dates by the time that tells one moment with them; of several values (Last Calibration) each with the one in its place.
#: Study Date is not among them: it always moves by whole days, so that the days between a patient's studies stay what they
#: are, also where another object names it. Nor is the birth date, which goes.
PAIRS: Mapping[int, int] = {
    0x00080012: 0x00080013,  # Instance Creation
    0x00080021: 0x00080031,  # Series
    0x00080022: 0x00080032,  # Acquisition
    0x00080023: 0x00080033,  # Content
    0x00080024: 0x00080034,  # Overlay
    0x00080025: 0x00080035,  # Curve
    0x00140102: 0x00140103,  # Secondary Review
    0x00143076: 0x00143077,  # Gain Calibration
    0x0014407E: 0x0014407C,  # Calibration
    0x00181012: 0x00181014,  # Secondary Capture
    0x00181200: 0x00181201,  # Last Calibration
    0x0018700C: 0x0018700E,  # Last Detector Calibration
    0x00203403: 0x00203405,  # Modified Image
    0x00320032: 0x00320033,  # Study Verified
    0x00320034: 0x00320035,  # Study Read
    0x00321000: 0x00321001,  # Scheduled Study Start
    0x00321010: 0x00321011,  # Scheduled Study Stop
    0x00321040: 0x00321041,  # Study Arrival
    0x00321050: 0x00321051,  # Study Completion
    0x0038001A: 0x0038001B,  # Scheduled Admission
    0x0038001C: 0x0038001D,  # Scheduled Discharge
    0x00380020: 0x00380021,  # Admitting
    0x00380030: 0x00380032,  # Discharge
    0x00400002: 0x00400003,  # Scheduled Procedure Step Start
    0x00400004: 0x00400005,  # Scheduled Procedure Step End
    0x00400244: 0x00400245,  # Performed Procedure Step Start
    0x00400250: 0x00400251,  # Performed Procedure Step End
    0x00402004: 0x00402005,  # Issue of Imaging Service Request
    0x0040A023: 0x0040A024,  # Findings Group Recording (Trial)
    0x0040A110: 0x0040A112,  # Document or Verbal Transaction (Trial)
    0x0040A121: 0x0040A122,  # Date, of a content item
    0x0040A192: 0x0040A193,  # Observation (Trial)
    0x00700082: 0x00700083,  # Presentation Creation
    0x21000040: 0x21000050,  # Creation
    0x30060008: 0x30060009,  # Structure Set
    0x30080024: 0x30080025,  # Treatment Control Point
    0x30080162: 0x30080164,  # Safe Position Exit
    0x30080166: 0x30080168,  # Safe Position Return
    0x30080250: 0x30080251,  # Treatment
    0x300A0006: 0x300A0007,  # RT Plan
    0x300A022C: 0x300A022E,  # Source Strength Reference
    0x300E0004: 0x300E0005,  # Review
    0x40080100: 0x40080101,  # Interpretation Recorded
    0x40080108: 0x40080109,  # Interpretation Transcription
    0x40080112: 0x40080113,  # Interpretation Approval
}
TIMES = frozenset(PAIRS.values())
_LAST_HOUR = re.compile(rb"(?:^|\\)[^0-9\\]*23")  #: how a time of it begins, whatever stands before it


def may_pass(times: bytes) -> bool:
    """Whether one of a TM attribute's raw values may pass midnight: times move later by less than an hour."""
    return _LAST_HOUR.search(times) is not None


def late_dates(
    encoding: Encoding, values: Mapping[int, bytes], rules: Mapping[int, Rule], shift: Shift
) -> Mapping[int, bytes]:
    """Of one data set or item, given its raw values by tag: whole elements of the dates whose times may pass midnight, moved
    along with them; for most none."""
    if not may_pass(
        b"\\".join([values[time] for time in TIMES & values.keys()])
    ):  # one look at all: done for each object
        return {}
    return {
        day: encoding.emit(day, b"DA", moved_along(_text(values[day]), _text(values[time]), shift).encode())
        for day, time in PAIRS.items()
        if day in values and may_pass(values.get(time, b"")) and _moves(rules, day) and _moves(rules, time)
    }


def told(encoding: Encoding, data: Buffer, pos: int, end: int) -> Mapping[int, bytes]:
    """The raw values of an item that tell its moments, by tag."""
    return {
        head.tag: data[head.value : head.value + head.length]
        for head in elements(encoding, data, pos, end)
        if head.tag in PAIRS or head.tag in TIMES
    }


def with_dates(encoding: Encoding, content: bytes, dates: Mapping[int, bytes]) -> bytes:
    """An item's content, with these elements in place of those that have their tags."""
    parts, run = list[bytes](), 0
    for head in elements(encoding, content, 0, len(content)):
        if head.tag in dates:
            parts += (content[run : head.start], dates[head.tag])
            run = value_end(encoding, content, head, len(content))
    return b"".join((*parts, content[run:]))


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip("\0 ")


def _moves(rules: Mapping[int, Rule], tag: int) -> bool:
    return tag in rules and rules[tag].action is Action.SHIFT
