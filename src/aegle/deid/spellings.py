"""An identifier that is written otherwise than in its own attribute: with other marks between its digits, or as a day.

A text of few digits, or one that looks like a version, passes the gate for words unasked, and a search finds only what stands
there. So both sides are brought to one form: a whole value without its marks, its numbers without theirs, and three numbers that
follow each other as a day could. A short value counts only as it is written, and a year only with both its digits: version
3.2.1 is not everybody's who was born on the first of February in 2003, or has the number 321.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

EDGE = "\x01"  #: around each form, so that it is found whole or not at all; no text may hold it (PS3.5 §6.1.3)
_SHORTEST, _LONGEST, _WITHOUT_MARKS = 3, 24, 5  #: characters of a whole value; from how many on its marks do not count
_LONGEST_TEXT = 10_240  #: characters; a longer value is denied unasked
_MARKS, _DIGITS = re.compile(r"[\W_]+"), re.compile(r"[0-9]+")
_NUMBERS = re.compile(r"[0-9]+(?:[.\-/_ ,]{1,3}[0-9]+)*")
_DAY, _YEARS = 3, (2, 4)  #: numbers of a day; digits of a year


def of_text(text: str) -> bytes:
    """The forms of a value that stays, one a line, each line begun; nothing for a text without digits."""
    if not _DIGITS.search(text) or len(text) > _LONGEST_TEXT:
        return b""
    return _of_short_text(text) if len(text) <= _LONGEST_TEXT >> 4 else _of_short_text.__wrapped__(text)


@lru_cache(maxsize=4096)
def _of_short_text(text: str) -> bytes:
    return "".join(f"\n{EDGE}{form}{EDGE}" for form in _forms(text)).encode()


def of_identifier(text: str) -> Iterator[str]:
    """The forms by which a number of somebody's is found."""
    for form in _forms(text):
        if "," not in form and len(set(form)) > 1:
            yield EDGE + form + EDGE
            if form.isdecimal() and len(form.lstrip("0")) >= _WITHOUT_MARKS:
                yield EDGE + form.lstrip("0") + EDGE


def of_day(text: str) -> Iterator[str]:
    """The forms by which a day is found (DA, with or without its dots); none for what is no day."""
    digits = text.replace(".", "")
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return
    for year in (f"{day:%y}", f"{day:%Y}"):
        yield from (
            f"{EDGE}{form}{EDGE}" for form in (f"{day.day},{day.month},{year}", f"{day.month},{day.day},{year}")
        )
        yield f"{EDGE}{year},{day.month},{day.day}{EDGE}"
        yield from (f"{EDGE}{form}{EDGE}" for form in (f"{day:%d%m}{year}", f"{day:%m%d}{year}", f"{year}{day:%m%d}"))


def _forms(text: str) -> Iterator[str]:
    for part in text.split("\\"):
        whole = _MARKS.sub("", part).casefold()
        written = whole if len(whole) >= _WITHOUT_MARKS else part.strip(" \0").casefold()
        if _SHORTEST <= len(written) <= _LONGEST and _DIGITS.search(written):
            yield written
        for found in _NUMBERS.findall(part):
            numbers = _DIGITS.findall(found)
            digits = "".join(numbers)
            if len(digits) >= _WITHOUT_MARKS and digits != whole:
                yield digits
            if len(numbers) == _DAY:
                yield from _days(*numbers)


def _days(first: str, second: str, third: str) -> Iterator[str]:
    """Three numbers as days, the year last or first, with all of its digits."""
    if len(third) in _YEARS:
        yield f"{_bare(first)},{_bare(second)},{third}"
    if len(first) in _YEARS:
        yield f"{first},{_bare(second)},{_bare(third)}"


def _bare(number: str) -> str:
    return number.lstrip("0") or "0"
