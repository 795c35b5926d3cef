"""Values of each VR as the DICOM JSON model has them (PS3.18 §F.2), where they are plain; `Unsure` where they are not."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from struct import calcsize, unpack
from typing import Any

Header = dict[str, Any]

_NUMBERS = {b"US": "H", b"SS": "h", b"UL": "L", b"SL": "l", b"UV": "Q", b"SV": "q", b"FL": "f", b"FD": "d"}
UID = re.compile(r"[0-9.]+")
_INTEGER = re.compile(r" *[+-]?[0-9]{1,12} *")
_DECIMAL = re.compile(r" *[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})? *")
_ESCAPE = 0x1B


class Unsure(Exception):
    """Something that the fast reading leaves to pydicom: not plain, or not right."""


Read = Callable[[bytes], list[Any]]


@lru_cache(maxsize=4)
def readers(encoding: str) -> Mapping[bytes, Read]:
    """How the value of each VR is read where text is in this encoding; the answer is empty where the value is."""

    def text(raw: bytes) -> str:
        if _ESCAPE in raw:
            raise Unsure
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            raise Unsure from None

    several, one = _several(text), _one(text)
    read: dict[bytes, Read] = dict.fromkeys((b"LO", b"SH", b"UC"), several)
    read |= dict.fromkeys((b"LT", b"ST", b"UT"), one)
    read |= dict.fromkeys((b"CS", b"AS", b"DA", b"TM", b"DT"), _plain)
    read |= {vr: _numbers(code) for vr, code in _NUMBERS.items()}
    return read | {
        b"PN": _names(text), b"AE": _titles, b"UI": _uids, b"IS": _integers, b"DS": _decimals, b"AT": _tags, b"UR": _address,
    }  # fmt: skip


def _several(text: Callable[[bytes], str]) -> Read:
    def read(raw: bytes) -> list[Any]:
        value = text(raw)
        if "\\" not in value:  # most are
            value = value.rstrip("\0 ")
            return [value] if value else []
        return [part.rstrip("\0 ") for part in value.split("\\")]

    return read


def _one(text: Callable[[bytes], str]) -> Read:
    return lambda raw: _known([text(raw).rstrip("\0 ")])


def _known(values: list[str]) -> list[Any]:
    return [] if values == [""] else values


def _plain(raw: bytes) -> list[Any]:
    return _known(raw.decode("latin-1").rstrip(" \0").split("\\"))


def _titles(raw: bytes) -> list[Any]:
    return _known([part.strip() for part in raw.decode("latin-1").split("\\")])


def _address(raw: bytes) -> list[Any]:
    return _known([raw.decode("latin-1").rstrip()])


def _uids(raw: bytes) -> list[Any]:
    text = raw.decode("latin-1").rstrip("\0 ")
    values = text.split("\\")
    if text and not all(map(UID.fullmatch, values)):
        raise Unsure
    return _known(values)


def _integers(raw: bytes) -> list[Any]:
    return _parsed(raw.decode("latin-1").rstrip(" \0"), _INTEGER, int)


def _decimals(raw: bytes) -> list[Any]:
    return _parsed(raw.decode("latin-1").strip().rstrip(" \0"), _DECIMAL, float)


def _parsed(text: str, form: re.Pattern[str], make: Callable[[str], Any]) -> list[Any]:
    if not text:
        return []
    values = text.split("\\")
    if not all(map(form.fullmatch, values)):
        raise Unsure
    return [make(value) for value in values]


def _numbers(code: str) -> Read:
    size = calcsize(f"<{code}")

    def read(raw: bytes) -> list[Any]:
        count, rest = divmod(len(raw), size)
        if rest:
            raise Unsure
        values = unpack(f"<{count}{code}", raw)
        return [_number(value) for value in values] if code in "fd" else list(values)

    return read


def _tags(raw: bytes) -> list[Any]:
    if len(raw) % 4:
        raise Unsure
    halves = unpack(f"<{len(raw) // 2}H", raw)
    return [f"{group:04X}{element:04X}" for group, element in zip(halves[::2], halves[1::2], strict=True)]


_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _names(text: Callable[[bytes], str]) -> Read:
    def read(raw: bytes) -> list[Any]:
        stripped = text(raw.rstrip(b"\0 "))
        return [_name(part) for part in stripped.split("\\")] if stripped else []

    return read


def _name(text: str) -> dict[str, str]:
    """Component groups of a person's name (PS3.5 §6.2.1), those at the end that are empty left out."""
    groups = text.rstrip("=").split("=")
    if not groups[0] or len(groups) > len(_GROUPS):
        raise Unsure
    return dict(zip(_GROUPS, groups, strict=False))


def finite(header: Header) -> Header:
    """The same with numbers that JSON does not have as strings (PS3.18 §F.2.3)."""
    return {tag: _finite(element) for tag, element in header.items()}


def _finite(element: Any) -> Any:
    values = [_number(value) for value in element.get("Value", ())]
    return {**element, "Value": values} if values else element


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        return finite(value) if all(isinstance(inner, dict) for inner in value.values()) else value
    if isinstance(value, float) and value - value != 0:
        return "NaN" if value != value else "inf" if value > 0 else "-inf"
    return value
