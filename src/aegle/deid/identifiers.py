"""The object's own identifiers as one search: what must not be left anywhere in what leaves.

A keyword search of names and numbers in every encoding they may have been written in, upper and lower case alike.
Words that say nothing (ANONYMOUS, HOSPITAL) and words under three letters are not searched for.
"""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache

from pydicom.charset import convert_encodings, decode_bytes

from aegle.deid import spellings
from aegle.dicom.uids import is_uid

#: Values of these attributes identify, at any depth; so does every PN.
IDENTIFYING = frozenset(
    {0x00080050, 0x00080080, 0x00080081, 0x00080082, 0x00081010, 0x00081040, 0x00100020, 0x00100030, 0x00101000}
    | {0x00101001, 0x00101005, 0x00101040, 0x00101060, 0x00101090, 0x00102154, 0x00102155, 0x00102203, 0x00100021}
    | {0x00181000, 0x00181004, 0x00181008, 0x00200010, 0x00321032, 0x00380010, 0x00380060, 0x00400512, 0x00400551}
    | {0x00401001, 0x00402016, 0x00402017, 0x0040A027, 0x00120040, 0x00120042, 0x00100050, 0x00102150, 0x00102152}
    | {0x0020000D, 0x0020000E, 0x00080018}
)

_DULL_WORDS = """
    anonym anonymized anonymised anonymous anon unknown none null test patient name hospital clinic general street
    university medical center centre radiology pathology department institution institute doctor
    female male other right left head chest abdomen pelvis cervix original primary derived axial breast spine brain
    text code image container composite waveform person first last enter date time
    """
_DULL = frozenset(_DULL_WORDS.split())
_LONG_NUMBER, _DIGITS = re.compile(r"[0-9]{7,}"), re.compile(r"[0-9]+")
_DELIMITERS = {0x3D, 0x5C, 0x5E}
_UNICODE = ("utf-8", "utf-16-le", "utf-16-be")


def texts(raw: bytes, character_set: Sequence[str]) -> str:
    """A text value decoded by the object's Specific Character Set; what cannot be decoded is replaced."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return decode_bytes(raw, encodings(character_set), _DELIMITERS)
        except (LookupError, UnicodeError, ValueError):
            return raw.decode("latin-1")


def encodings(character_set: Sequence[str]) -> list[str]:
    """Python's names for a Specific Character Set; unknown ones fall back to the default repertoire."""
    return _encodings(tuple(character_set))


@lru_cache(maxsize=64)
def _encodings(character_set: tuple[str, ...]) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return list(convert_encodings(list(character_set) or [""]))
        except (LookupError, ValueError):
            return ["iso8859"]


@lru_cache(maxsize=4096)
def words(vr: str, text: str) -> frozenset[str]:
    """What to search for of one identifying value: the parts of a name; the whole of anything else, and a long number
    in it, which is somebody's also without the letters before it (MRN-4471129), the marks in it (943 476 5919) or the zeros
    before it, which no number keeps; and each in the forms of `spellings`."""
    text = text.strip(" \0")
    if vr == "PN":
        return frozenset(part for part in re.split(r"[\\^=\s,]+", text) if _telling(part, 3))
    if _is_uid(text):  # the one identifier that is another for each object
        return frozenset([text] if _telling(text, 4) else ())
    parts = [part.strip() for part in text.split("\\")]
    spelled = [part for part in parts if not _is_uid(part)]
    joined = ("".join(_DIGITS.findall(part)) for part in spelled)
    numbers = [number for part in (*spelled, *joined) for number in _LONG_NUMBER.findall(part)]
    bare = (number.lstrip("0") for number in numbers)
    told = {part for part in (*parts, *numbers, *filter(_LONG_NUMBER.match, bare)) if _telling(part, 4)}
    if vr == "DA":
        return frozenset(told.union(*map(spellings.of_day, parts)))
    return frozenset(told.union(*map(spellings.of_identifier, spelled)))


def _is_uid(text: str) -> bool:
    """Of six parts and more, as every instance's is: 5.12.7 is somebody's number."""
    return text.count(".") >= 5 and is_uid(text)


def _telling(word: str, shortest: int) -> bool:
    if not word.isascii():
        return len(word) >= 2
    return len(word) >= shortest and word.lower() not in _DULL and len(set(word)) > 1


class Search:
    """A case-insensitive search for words through raw bytes, in every encoding they may have been written in."""

    def __init__(self, found: Iterable[str], character_set: Sequence[str], shortest: int = 0) -> None:
        """`shortest` drops words of fewer characters, for searches through bytes that are not text."""
        codecs = (*_UNICODE, *encodings(character_set), "latin-1")
        self._forms: dict[bytes, tuple[str, bool]] = {}
        for word in found:
            if len(word) >= shortest:
                self._forms.update(_forms(word, codecs))
        self._without_nul = [form for form in self._forms if b"\0" not in form]

    def __bool__(self) -> bool:
        return bool(self._forms)

    def hits(self, raw: bytes) -> bool:
        """Whether any word stands in `raw`. A plain search first, its guards only where that finds something."""
        lowered = raw.lower()
        forms = self._forms if b"\0" in lowered else self._without_nul
        found = (form for form in forms if form in lowered)
        return any(_guarded(form, *self._forms[form]).search(lowered) for form in found)


@lru_cache(maxsize=64)
def search_for(found: frozenset[str], character_set: tuple[str, ...], shortest: int = 0) -> Search:
    """One search for all objects that are to be searched for the same: the slices of a series."""
    return Search(found, character_set, shortest)


@lru_cache(maxsize=4096)
def _forms(word: str, codecs: tuple[str, ...]) -> Mapping[bytes, tuple[str, bool]]:
    """How a word may stand in lowered bytes: each form with its word, and whether it takes two bytes a letter."""
    if word.isascii():  # every codec of a character set writes it as UTF-8 does, and lowering bytes lowers its letters
        return {word.lower().encode(codec): (word, codec != "utf-8") for codec in _UNICODE}
    forms: dict[bytes, tuple[str, bool]] = {}
    for written in {cased for spelled in _spellings(word) for cased in (spelled, spelled.lower(), spelled.upper())}:
        for codec in codecs:
            with suppress(UnicodeError, LookupError):
                forms.setdefault(written.encode(codec).lower(), (written, codec.startswith("utf-16")))
    return forms


def _spellings(word: str) -> set[str]:
    """A word of more than ASCII, and how it is written where its accents cannot be: Müller, Muller, Mueller; composed or not."""
    composed, apart = (unicodedata.normalize(form, word) for form in ("NFC", "NFD"))
    plain = {"".join(letter for letter in apart if not unicodedata.combining(letter)), composed.translate(_TWO_LETTERS)}
    return {word, composed, apart, *(spelled for spelled in plain if _telling(spelled, 4))}


_TWO_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ø": "oe", "å": "aa"}
)


def searchable(raw: bytes, character_set: Sequence[str]) -> bytes:
    """A text value as a search needs it: its bytes, and its letters in lower case where they are not plain."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw
    return raw + b"\n" + texts(raw, character_set).lower().encode("utf-8", "replace")


def _guarded(form: bytes, word: str, wide: bool) -> re.Pattern[bytes]:
    """The form, not as part of a longer number nor, when it is short, of a longer word."""
    before = b"" if wide else _guard(word[0], word, b"(?<![%s])")
    after = b"" if wide else _guard(word[-1], word, b"(?![%s])")
    return re.compile(before + re.escape(form) + after)


def _guard(edge: str, word: str, form: bytes) -> bytes:
    if edge.isascii() and edge.isdigit():
        return form % b"0-9."
    return form % b"a-z" if edge.isascii() and edge.isalpha() and len(word) < 6 else b""
