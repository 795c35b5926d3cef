"""Moving dates into the past by whole days and times of day by minutes (PS3.15 §E.3.6, modified dates).

All of a patient's times move alike, so that what is reckoned from two of them stays right: the decay of a tracer from
injection to picture, the seconds between a perfusion's frames.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})\.?(\d{2})?\.?(\d{2})?")
_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(\.\d{0,6})?\d*)?)?")
_MIDNIGHT = 24 * 60

#: Dates of the top level by the time that tells the moment with them. Study Date is not among them: it always moves by
#: whole days, so that the days between a patient's studies stay what they are.
PAIRS: Mapping[int, int] = {
    0x00080012: 0x00080013,  # Instance Creation
    0x00080021: 0x00080031,  # Series
    0x00080022: 0x00080032,  # Acquisition
    0x00080023: 0x00080033,  # Content
}


class Shift(NamedTuple):
    """How far one patient's dates and times move."""

    days: int  #: into the past
    minutes: int  #: later in the day; 1 to 59

    @property
    def back(self) -> "Shift":
        """What undoes it."""
        return Shift(-self.days, -self.minutes)


@lru_cache(maxsize=4096)
def moved(vr: str, value: str, shift: Shift) -> str:
    """The value of a DA, DT or TM attribute (multi-valued too) after the move.

    A value that is neither becomes empty. Precision is kept; DT loses its offset from UTC. A time without its date that
    passes midnight goes on at 00:00, and a DT takes its date along; for a date beside its time see `passing_midnight`.
    """
    return "\\".join(_moved_one(vr, part.strip(), shift) for part in value.split("\\"))


def _moved_one(vr: str, value: str, shift: Shift) -> str:
    if vr == "DA":
        return moved_date(value, shift.days)
    return _moved_datetime(value, shift) if vr == "DT" else _moved_time(value, shift.minutes)[0]


def moved_date(value: str, days: int) -> str:
    """`YYYYMMDD`, `YYYY.MM.DD`, `YYYYMM` or `YYYY`, moved into the past; negative days move it back."""
    match = _DATE.fullmatch(value)
    if not match:
        return ""
    year, month, day = (int(part) if part else 1 for part in match.groups())
    try:
        result = date(year, month, day) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{result.year:04d}{result.month:02d}{result.day:02d}"[: len(value.replace(".", ""))]


def passing_midnight(times: Mapping[int, str], shift: Shift) -> dict[int, int]:
    """The dates in PAIRS whose times, given by tag, lie in another day after the move: how many days later it is."""
    later = {day: _moved_time(times[time].strip(), shift.minutes)[1] for day, time in PAIRS.items() if time in times}
    return {day: days for day, days in later.items() if days}


def _moved_datetime(value: str, shift: Shift) -> str:
    bare = re.split(r"[+-]", value, maxsplit=1)[0]
    time, days = _moved_time(bare[8:], shift.minutes)
    head = moved_date(bare[:8], shift.days - days)
    return head + time if len(head) == 8 else head


def _moved_time(value: str, minutes: int) -> tuple[str, int]:
    """A time of day moved, seconds and fraction untouched, and how many days later it is; an hour alone stays."""
    match = _TIME.fullmatch(value)
    if not match:
        return "", 0
    hour, minute, seconds, fraction = match.groups()
    if minute is None:
        return hour, 0
    days, now = divmod(int(hour) * 60 + int(minute) + minutes, _MIDNIGHT)
    return f"{now // 60:02d}{now % 60:02d}{seconds or ''}{fraction if fraction and len(fraction) > 1 else ''}", days
