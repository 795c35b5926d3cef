"""The codes and code meanings that PS3.16 prints, and the SNOMED-RT codes it printed for the same before 2019, which devices
still write (PS3.16 Annex O): the standard's words are nobody's name.

Texts of a line a word, as the gate for words compares them: half a megabyte, read in a millisecond and searched in
microseconds. Sets of the same words take fifteen times the memory, in every process. `make docs` writes
the files anew from pydicom's table, which comes from the standard.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import chain

from aegle.deid.fold import folded
from aegle.deid.table import DATA

CODES, MEANINGS, STRUCTURES = "ps316_codes.txt", "ps316_meanings.txt", "ps316_structures.txt"
#: Context groups of what a segment may be: anatomic regions and structures, tissues, lesions, devices. Of all meanings some are
#: surnames (methods and views called after people); of these none is.
_OF_SEGMENTS = frozenset({4, 4031, 7140, *range(7150, 7172), *range(7191, 7200), 8134})


def is_code(word: str) -> bool:
    """Whether a folded word is a code value of the standard."""
    return f"\n{word}\n" in _lines(CODES)


def is_meaning(word: str) -> bool:
    """Whether a folded word is the meaning of one, or that without the kind of thing in brackets behind it, as SNOMED CT has."""
    lines = _lines(MEANINGS)
    return f"\n{word}\n" in lines or f"\n{word} (" in lines


def is_structure(word: str) -> bool:
    """Whether a folded word is the meaning of one that says what a segment is."""
    return f"\n{word}\n" in _lines(STRUCTURES)


@cache
def _lines(name: str) -> str:
    """A file of the data folder, its first line empty so that each word stands between two line ends."""
    return (DATA / name).read_text(encoding="utf-8")


def from_pydicom() -> dict[str, str]:
    """What each file holds, by its name."""
    from pydicom.sr._concepts_dict import concepts  # a tenth of a second, and only here
    from pydicom.sr._snomed_dict import mapping

    table: Mapping[str, Mapping[str, Mapping[str, tuple[str, list[int]]]]] = concepts  # type: ignore[assignment]
    entries = [codes for scheme in table.values() for codes in scheme.values()]
    meanings = [meaning for codes in entries for meaning in codes.values()]
    structures = (meaning for meaning, groups in meanings if not _OF_SEGMENTS.isdisjoint(groups))
    codes = chain((code for codes in entries for code in codes), mapping["SRT"])
    return {
        CODES: _text(codes),
        MEANINGS: _text(meaning for meaning, _ in meanings),
        STRUCTURES: _text(structures),
    }


def _text(words: Iterable[str]) -> str:
    return "\n".join(("", *sorted({folded(word) for word in words} - {""}), ""))
