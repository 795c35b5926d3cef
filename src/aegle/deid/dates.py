"""Moving dates into the past by whole days and times of day by minutes (PS3.15 §E.3.6, modified dates).

All of a patient's times move alike, so that what is reckoned from two of them stays right: the decay of a tracer from
injection to picture, the seconds between a perfusion's frames.
"""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})\.?(\d{2})?\.?(\d{2})?")
_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(\.\d{0,6})?\d*)?)?")
_OFFSET = re.compile(r"([+-])(\d{2})([0-5]\d)")
_MIDNIGHT = 24 * 60


class Shift(NamedTuple):
    """How far one patient's dates and times move."""

    days: int  #: into the past
    minutes: int  #: later in the day; 1 to 59

    @property
    def back(self) -> "Shift":
        """What undoes it."""
        return Shift(-self.days, -self.minutes)


@lru_cache(maxsize=4096)
def moved(vr: str, value: str, shift: Shift, zone: int | None = None) -> str:
    """The value of a DA, DT or TM attribute (multi-valued too) after the move.

    A value that is neither becomes empty. Precision is kept. A DT that tells minutes and its offset from UTC becomes local
    time in `zone`, which is so many minutes ahead of UTC; without a zone it is taken for local time. It loses the offset. A
    time without its date that passes midnight goes on at 00:00, and a DT takes its date along; for a date beside its time
    see `moved_along`.
    """
    return "\\".join(_moved_one(vr, part.strip(), shift, zone) for part in value.split("\\"))


def _moved_one(vr: str, value: str, shift: Shift, zone: int | None) -> str:
    if vr == "DA":
        return moved_date(value, shift.days)
    return _moved_datetime(value, shift, zone) if vr == "DT" else _moved_time(value, shift.minutes)[0]


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


def moved_along(dates: str, times: str, shift: Shift) -> str:
    """The values of a DA attribute moved as one moment with those of the TM attribute beside it, each with the one in its
    place; a date that has no time there moves by whole days."""
    days = dates.split("\\")
    pairs = zip(days, (times.split("\\") + [""] * len(days))[: len(days)], strict=True)
    return "\\".join(
        moved_date(day.strip(), shift.days - _moved_time(time.strip(), shift.minutes)[1]) for day, time in pairs
    )


def offset_from_utc(value: str) -> int | None:
    """Minutes that `&ZZXX` is ahead of UTC, from -720 to 840 (PS3.5 §6.2, DT); None for what is no such offset."""
    match = _OFFSET.fullmatch(value)
    if not match or value == "-0000":
        return None
    minutes = int(f"{match[1]}{60 * int(match[2]) + int(match[3])}")
    return minutes if -720 <= minutes <= 840 else None


def offsets_told(value: str) -> set[int]:
    """The offsets from UTC, in minutes, of those of a DT attribute's values that tell minutes."""
    parted = (_parted(part.strip()) for part in value.split("\\"))
    return {offset for bare, told in parted if len(bare) >= 12 and (offset := offset_from_utc(told)) is not None}


def _parted(value: str) -> tuple[str, str]:
    """A DT without its offset from UTC, and that."""
    bare = re.split(r"[+-]", value, maxsplit=1)[0]
    return bare, value[len(bare) :]


def _moved_datetime(value: str, shift: Shift, zone: int | None) -> str:
    bare, told = _parted(value)
    offset = offset_from_utc(told)
    ahead = zone - offset if zone is not None and offset is not None else 0
    time, days = _moved_time(bare[8:], shift.minutes + ahead)
    head = moved_date(bare[:8], shift.days - days)
    return head + time if len(head) == 8 else head


def _moved_time(value: str, minutes: int) -> tuple[str, int]:
    """A time of day moved, seconds and fraction untouched, and how many days later it is; an hour alone stays.

    A leap second is the last of a month in UTC and none anywhere else: it becomes the second before it."""
    match = _TIME.fullmatch(value)
    if not match:
        return "", 0
    hour, minute, seconds, fraction = match.groups()
    if minute is None:
        return hour, 0
    seconds = "59" if seconds == "60" else seconds
    days, now = divmod(int(hour) * 60 + int(minute) + minutes, _MIDNIGHT)
    return f"{now // 60:02d}{now % 60:02d}{seconds or ''}{fraction if fraction and len(fraction) > 1 else ''}", days
