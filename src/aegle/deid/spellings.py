"""An identifier that is written otherwise than in its own attribute: with other marks between its digits, or as a day.

A text of few digits, or one that looks like a version, passes the gate for words unasked, and a search finds only what stands
there. So both sides are brought to one form: a whole value without its marks, its numbers without theirs, and three numbers that
follow each other as a day could.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

EDGE = "#"  #: around each form, so that it is found whole or not at all
_SHORTEST, _LONGEST, _SHORTEST_NUMBER = 3, 24, 5  #: characters of a whole value; digits of a number in it
_EDGES, _NUMBERS, _DIGITS = re.compile(r"[\W_]+"), re.compile(r"[0-9]+(?:[.\-/_ ,][0-9]+)*"), re.compile(r"[0-9]+")
_DAY = 3  #: numbers


@lru_cache(maxsize=4096)
def of_text(text: str) -> bytes:
    """The forms of a value that stays, one a line, each line begun; nothing for a text without digits."""
    return "".join(f"\n{EDGE}{form}{EDGE}" for form in _forms(text)).encode()


def of_identifier(text: str) -> Iterator[str]:
    """The forms by which a number of somebody's is found."""
    for form in _forms(text):
        if "." not in form and len(set(form)) > 1:
            yield EDGE + form + EDGE
            if form.isdecimal() and len(form.lstrip("0")) >= _SHORTEST_NUMBER:
                yield EDGE + form.lstrip("0") + EDGE


def of_day(text: str) -> Iterator[str]:
    """The forms by which a day is found (DA, with or without its dots); none for what is no day."""
    digits = text.replace(".", "")
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return
    for year, in_digits in ((day.year % 100, f"{day:%y}"), (day.year, f"{day:%Y}")):
        yield from (
            f"{EDGE}{form}{EDGE}" for form in (f"{day.day}.{day.month}.{year}", f"{day.month}.{day.day}.{year}")
        )
        yield f"{EDGE}{year}.{day.month}.{day.day}{EDGE}"
        yield from (f"{EDGE}{day:%d%m}{in_digits}{EDGE}", f"{EDGE}{day:%m%d}{in_digits}{EDGE}")
        yield f"{EDGE}{in_digits}{day:%m%d}{EDGE}"


def _forms(text: str) -> Iterator[str]:
    if not _DIGITS.search(text):
        return
    for part in text.split("\\"):
        whole = _EDGES.sub("", part).casefold()
        if _SHORTEST <= len(whole) <= _LONGEST and _DIGITS.search(whole):
            yield whole
        for found in _NUMBERS.findall(part):
            numbers = _DIGITS.findall(found)
            digits = "".join(numbers)
            if len(digits) >= _SHORTEST_NUMBER and digits != whole:
                yield digits
            if len(numbers) == _DAY:
                yield ".".join(number.lstrip("0") or "0" for number in numbers)
