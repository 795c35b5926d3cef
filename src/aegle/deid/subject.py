"""What content items say of their subject beside the header: birth date, age, sex and body measures.

Table E.1-1 knows attributes, and a content item's DATE or NUM is one attribute whatever it is about. Moved with a patient's other
dates a birth date would still tell the age to the day. The item stays, so that those which name it by its place still find it.
An item is known by its concept's code, under whichever attribute and in whichever sequence it stands, by how the concept is
called, and a birth date also by being the header's.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from aegle.deid.dates import Shift, moved_date
from aegle.deid.identifiers import texts
from aegle.deid.moments import PAIRS
from aegle.deid.rules import DUMMIES, Action, Rule
from aegle.deid.survey import Survey
from aegle.dicom.walk import Encoding, Head, elements, require_item


class Concept(Enum):
    """What an item tells of its subject; the value is the header's attribute, whose rule decides whether it may."""

    BIRTH = 0x00100030
    AGE = 0x00101010
    SEX = 0x00100040
    SIZE = 0x00101020
    WEIGHT = 0x00101030
    BODY = 0x00101022


#: Of PS3.16 TID 1007 and TID 3602 (DCM and LOINC), and of SNOMED CT, SNOMED-RT, the NCI thesaurus and UMLS for the same.
_CODES: Mapping[Concept, str] = {
    Concept.BIRTH: "121031 21112-8 184099003 C68615 C0421451",
    Concept.AGE: "121033 30525-0 29553-5 21611-9 21612-7 35659-2 63900-5 397669002 424144002 C25150 C0001779",
    Concept.SEX: "121032 46098-0 76689-9 21840-4 72143-1 263495000 734000001 429019009 C28421 C17357",
    Concept.SIZE: "8302-2 3137-7 3138-5 8301-4 8306-3 8308-9 50373000 1153637007 248333004 C25347",
    Concept.WEIGHT: "29463-7 3141-9 3142-7 8335-2 8340-2 27113001 363808001 C25208 C81328",
    Concept.BODY: "39156-5 59574-4 60621009 F-01860 8277-6 3140-1 301898006 C16358 C25157",
}
_BY_CODE = {code.encode(): concept for concept, codes in _CODES.items() for code in codes.split()}
_WHOSE = rb"(?:(?:patient|subject|person|body)(?:'?s)?[ _]+)?"
#: Of makers' own codes, by their whole meaning in lower case.
_BY_MEANING = {
    Concept.BIRTH: rb".*(?:birth[ _]?(?:date|day)|date(?:[ _]?time)? of birth|geburts(?:datum|tag)|geboortedatum"
    rb"|date de naissance|fecha de nacimiento|data d[ie] nasci(?:ta|mento)).*|dob",
    Concept.AGE: _WHOSE
    + rb"(?:current |chronological |calculated |estimated )?age(?: \(?(?:calculated|estimated|reported|"
    rb"in years|years|at .*)\)?)?|(?:patienten)?alter|leeftijd|edad(?: del paciente)?|(?:patient )?eta|idade|age du patient",
    Concept.SEX: _WHOSE + rb"(?:sex|gender)|geschlecht|geslacht|sexe|sexo|sesso",
    Concept.SIZE: rb"(?:patient|subject|person|body)(?:'?s)?[ _]+(?:height|size|length)|(?:korper|k\S+rper)gr\S+e",
    Concept.WEIGHT: rb"(?:patient|subject|person|body)(?:'?s)?[ _]+weight|k\S+rpergewicht",
    Concept.BODY: _WHOSE + rb"(?:mass index|surface area|bmi|bsa)",
}
_MEANINGS = [(concept, re.compile(pattern)) for concept, pattern in _BY_MEANING.items()]
_SOME_AGE = re.compile(rb"\bage\b|alter\b|\bedad\b|\bleeftijd\b|\bidade\b")

_OLDEST = 89  #: years that may be told (45 CFR 164.514(b)(2)(i)(C))
_A_YEAR = {b"mo": 12.0, b"wk": 52.2, b"d": 365.25, b"h": 8766.0}  #: of UCUM's units; any other is taken for years

#: Concepts whose text names a thing, by which one item or object names another: specimens and their containers, lesions, regions,
#: time points (DCM; PS3.16 TID 1501, TID 8001).
_THINGS = frozenset(b"121041 111705 121043 111700 112039 121151 112050 126070 126071 130489".split())

CONCEPT, _MEANING, _CODE_TAGS = 0x0040A043, 0x00080104, frozenset({0x00080100, 0x00080119, 0x00080120})
_MOMENT, _DAY, _CODED, _MEASURED, _NUMBER, _UNITS = (
    0x0040A120,
    0x0040A121,
    0x0040A168,
    0x0040A300,
    0x0040A30A,
    0x004008EA,
)
_MOMENTS = {_DAY: b"DA", _MOMENT: b"DT"}
_NUMBERS = {_NUMBER: b"DS", 0x0040A161: b"FD", 0x0040A162: b"SL", 0x0040A163: b"UL", _MEASURED: b"SQ"}
_READ = frozenset({CONCEPT, _CODED, _UNITS, *_MOMENTS, *_NUMBERS})
_PATIENT_NAME, _PATIENT_ID, _BIRTH_DATE = 0x00100010, 0x00100020, 0x00100030
_MADE = {0x00080020, *PAIRS}  #: dates on which something was done to the object, Study Date first
_REMEMBERED_BYTES = 1024  #: of a concept's name


class Subject(NamedTuple):
    """The object's patient, as far as what is written depends on it beside the alias."""

    patient_id: str = ""
    name: str = ""
    kept_days: frozenset[bytes] = frozenset()  #: how the birth date would read in content whose dates are kept
    moved_days: frozenset[bytes] = frozenset()  #: and where they move; a date and time may lie one day later

    @property
    def of_any_name(self) -> "Subject":
        """What elements depend on in which nothing is moved, and no patient named."""
        return Subject(kept_days=self.kept_days)

    @staticmethod
    def of(survey: Survey, rules: Mapping[int, Rule], shift: Shift) -> "Subject":
        """By the header. Who was born on a day on which the object was made has no birth date that could be told apart."""
        values = survey.values
        patient_id, name, birth = (values.get(tag, b"") for tag in (_PATIENT_ID, _PATIENT_NAME, _BIRTH_DATE))
        if birth in [values[tag] for tag in values.keys() & _MADE]:
            birth = b""
        return _subject(patient_id, name, birth, survey.character_set, rules[_DAY].action, shift)


NOBODY = Subject()


@lru_cache(maxsize=4096)
def _subject(
    patient_id: bytes, name: bytes, birth: bytes, character_set: tuple[str, ...], action: Action, shift: Shift
) -> Subject:
    """For the objects of one patient, raw values at hand."""
    day = birth.decode("latin-1").strip("\0 ").replace(".", "")
    return Subject(
        patient_id=own(texts(patient_id, character_set)),
        name=own(texts(name, character_set)),
        kept_days=_days(day, None) if action is Action.KEEP else frozenset(),
        moved_days=_days(day, shift) if action is Action.SHIFT else frozenset(),
    )


def own(text: str) -> str:
    """A patient's ID or name as it is compared: without padding and empty components."""
    return text.strip(" \0").rstrip("^= ")


@lru_cache(maxsize=4096)
def _days(birth: str, shift: Shift | None) -> frozenset[bytes]:
    if len(birth) != 8:
        return frozenset()
    written = [birth] if shift is None else [moved_date(birth, shift.days), moved_date(birth, shift.days - 1)]
    return frozenset(day.encode() for day in written if day)


class Content:
    """Makes items tell no more of one subject than the header does. Of one object."""

    def __init__(self, encoding: Encoding, rules: Mapping[int, Rule], subject: Subject) -> None:
        """`encoding` is that of what is written."""
        self._encoding = encoding
        self._kept = {concept for concept in Concept if rules[concept.value].action in {Action.KEEP, Action.AGE}}
        self._days = subject.kept_days | subject.moved_days
        self._no_number = encoding.emit(_NUMBER, b"DS", b"")
        self._marks = tuple(encoding.emit(tag, b"SQ", b"")[:4] for tag in (CONCEPT, _DAY, _MOMENT))

    def untold(self, item: bytes) -> bytes:
        """An item of any sequence, rewritten, without what it must not tell; one that is no content item as it is."""
        concept, day, moment = self._marks
        return self._untold(item) if concept in item or day in item or moment in item else item

    def _untold(self, item: bytes) -> bytes:
        heads = {head.tag: head for head in self._level(item) if head.tag in _READ}
        name = self._first(item, heads.get(CONCEPT))
        told = _concept if len(name) <= _REMEMBERED_BYTES else _concept.__wrapped__
        concept, is_age = told(self._encoding, name)
        stead: dict[int, bytes] = {}
        if _MEASURED in heads and self._no_number in self._first(item, heads[_MEASURED]):
            stead[_MEASURED] = self._encoding.emit(_MEASURED, b"SQ", b"")  # Type 2, and a number in it Type 1
        for tag, vr in _MOMENTS.items():
            if tag in heads and (
                concept is Concept.BIRTH or _value(item, heads[tag]).replace(b".", b"")[:8] in self._days
            ):
                stead[tag] = self._encoding.emit(tag, vr, DUMMIES[vr])
        tells = concept is not None and concept not in self._kept
        if (tells and concept is not Concept.SEX) or (is_age and self._is_old(item, heads)):
            stead |= {tag: self._encoding.emit(tag, vr, b"") for tag, vr in _NUMBERS.items() if tag in heads}
        if tells and concept is Concept.SEX and _CODED in heads:
            stead[_CODED] = self._unknown_sex
        return _with(item, heads, stead) if stead else item

    def _level(self, item: bytes) -> Iterator[Head]:
        return elements(self._encoding, item, 0, len(item))

    def _is_old(self, item: bytes, heads: Mapping[int, Head]) -> bool:
        """Whether a number is of more years than may be told, or none at all."""
        measured = self._first(item, heads.get(_MEASURED))
        if measured:
            item, heads = measured, {head.tag: head for head in self._level(measured)}
        if _NUMBER not in heads:
            return True
        units = self._first(item, heads.get(_UNITS))
        unit = next((_value(units, head) for head in self._level(units) if head.tag in _CODE_TAGS), b"")
        try:
            return not float(_value(item, heads[_NUMBER])) <= _OLDEST * _A_YEAR.get(unit, 1)
        except ValueError:
            return True

    def _first(self, data: bytes, sequence: Head | None) -> bytes:
        """A sequence's first item; empty where there is none."""
        if sequence is None or not sequence.length:
            return b""
        item = self._encoding.head(data, sequence.value, len(data))
        require_item(item, 1)
        return data[item.value : item.value + item.length]

    @property
    def _unknown_sex(self) -> bytes:
        """(U, DCM, "Unknown sex") of PS3.16 CID 7455 in place of the code."""
        code = ((0x00080100, b"SH", b"U"), (0x00080102, b"SH", b"DCM"), (_MEANING, b"LO", b"Unknown sex"))
        return self._encoding.emit(
            _CODED, b"SQ", self._encoding.item(b"".join(self._encoding.emit(*element) for element in code))
        )


@lru_cache(maxsize=1024)
def _concept(encoding: Encoding, name: bytes) -> tuple[Concept | None, bool]:
    """What the item of a concept's name says, and whether that is an age of any kind; of a report's there are few."""
    found = {head.tag: _value(name, head) for head in elements(encoding, name, 0, len(name))}
    meaning = found.get(_MEANING, b"").lower()
    coded = (_BY_CODE[found[tag]] for tag in _CODE_TAGS if found.get(tag) in _BY_CODE)
    concept = next(coded, None) or next((concept for concept, pattern in _MEANINGS if pattern.fullmatch(meaning)), None)
    return concept, concept is Concept.AGE or (concept is None and bool(_SOME_AGE.search(meaning)))


@lru_cache(maxsize=1024)
def names_a_thing(encoding: Encoding, names: bytes) -> bool:
    """Whether the text of an item names a thing, by the items of its Concept Name Code Sequence."""
    if not names:
        return False
    item = encoding.head(names, 0, len(names))
    heads = elements(encoding, names, item.value, item.value + item.length)
    return any(head.tag in _CODE_TAGS and _value(names, head) in _THINGS for head in heads)


def _value(data: bytes, head: Head) -> bytes:
    return data[head.value : head.value + head.length].strip(b"\0 ")


def _with(item: bytes, heads: Mapping[int, Head], stead: Mapping[int, bytes]) -> bytes:
    """The item with other elements in the place of some."""
    for tag in sorted(stead, key=lambda tag: heads[tag].start, reverse=True):
        head = heads[tag]
        item = item[: head.start] + stead[tag] + item[head.value + head.length :]
    return item
