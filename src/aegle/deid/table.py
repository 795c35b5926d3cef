"""PS3.15 Table E.1-1 as data: rows and options, read once from the CSV beside this module."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

EDITION = "2026d"
DATA = Path(__file__).with_name("data")  #: the files of this room


class Option(StrEnum):
    """The options of PS3.15 §E.3; the value is the table's column. Declared in the order in which they are asked."""

    MODIFIED_DATES = "modified_dates"
    FULL_DATES = "full_dates"
    STRUCTURED = "structured"
    UIDS = "uids"
    DEVICE = "device"
    INSTITUTION = "institution"
    PATIENT = "patient"
    DESCRIPTORS = "descriptors"
    GRAPHICS = "graphics"
    SAFE_PRIVATE = "safe_private"


_COLUMNS = tuple((option.value, option) for option in Option)
#: The options of the default profile. Every other one lets more out, and a site's profile with it needs two people.
DEFAULT_OPTIONS = frozenset({Option.STRUCTURED, Option.MODIFIED_DATES})

CLEAN_PIXELS = "clean_pixels"  #: the one option (§E.3.1) that is no column of the table: pixel rules bring it about

#: (0012,0064) codes of CID 7050: the profile itself under None, then each option.
METHOD_CODES: Mapping[Option | str | None, tuple[str, str]] = {
    None: ("113100", "Basic Application Confidentiality Profile"),
    CLEAN_PIXELS: ("113101", "Clean Pixel Data Option"),
    Option.GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.STRUCTURED: ("113104", "Clean Structured Content Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.PATIENT: ("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.UIDS: ("113110", "Retain UIDs Option"),
    Option.SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attribute of the table."""

    tag: int
    keyword: str
    vr: str  #: empty where the table leaves it open
    basic: str  #: code of the basic profile, for example `X/Z/D`
    options: Mapping[Option, str]  #: `K` or `C` where an option speaks


@dataclass(frozen=True, kw_only=True)
class Range:
    """A row for many tags: repeating groups, and private attributes."""

    tags: str  #: as the table writes it, for example `60XX3000`
    name: str
    basic: str
    options: Mapping[Option, str]


@cache
def rows() -> tuple[Row, ...]:
    """Every row with a tag of its own."""
    return tuple(_row(line) for line in _lines() if not _is_range(line))


@cache
def ranges() -> tuple[Range, ...]:
    """The other rows. Whatever has no rule is removed; what an option makes of them is `deid.overlays` and
    `deid.safe_private`."""
    return tuple(
        Range(tags=line["tag"], name=line["name"], basic=line["basic"], options=_options(line))
        for line in _lines()
        if _is_range(line)
    )


def _lines() -> list[dict[str, str]]:
    text = (DATA / "ps315_e1_1.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _is_range(line: Mapping[str, str]) -> bool:
    return "X" in line["tag"] or line["tag"] == "private"


def _options(line: Mapping[str, str]) -> Mapping[Option, str]:
    return {option: line[column] for column, option in _COLUMNS if line[column]}


def _row(line: Mapping[str, str]) -> Row:
    return Row(
        tag=int(line["tag"], 16),
        keyword=line["keyword"],
        vr=line["vr"],
        basic=line["basic"],
        options=_options(line),
    )
