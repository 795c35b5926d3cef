"""Moving dates into the past by whole days, and cutting times to the hour (PS3.15 §E.3.6, modified dates)."""

import re
from datetime import date, timedelta
from functools import lru_cache

_DATE = re.compile(r"(\d{4})\.?(\d{2})?\.?(\d{2})?")


@lru_cache(maxsize=4096)
def moved(vr: str, value: str, days: int) -> str:
    """The value of a DA, DT or TM attribute (multi-valued too) after the move.

    A value that is not a date becomes empty. Precision is kept down to the day; DT loses its offset and what is
    finer than the hour, because a time of day to the second is a key into the hospital's own records.
    """
    return "\\".join(_moved_one(vr, part.strip(), days) for part in value.split("\\"))


def _moved_one(vr: str, value: str, days: int) -> str:
    if vr == "DA":
        return moved_date(value, days)
    return _moved_datetime(value, days) if vr == "DT" else _hour(value)


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


def _moved_datetime(value: str, days: int) -> str:
    bare = re.split(r"[+-]", value, maxsplit=1)[0]
    head = moved_date(bare[:8], days)
    return head + (_hour(bare[8:]) if len(head) == 8 else "")


def _hour(value: str) -> str:
    hour = value.replace(":", "")[:2]
    return f"{hour}0000" if re.fullmatch(r"[01]\d|2[0-3]", hour) else ""
