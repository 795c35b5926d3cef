"""What the independent check finds in private attributes that stay: each must be one that Table E.3.10-1 lists, by its creator.

A private attribute's meaning hangs on another one, so nothing is remembered here: the whole level is read, and every item in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element

from aegle.deid.profile import Profile
from aegle.deid.reading import Part, may_nest
from aegle.deid.rules import Action, Rule
from aegle.deid.runs import CHARACTER_SET, Raw
from aegle.deid.safe_private import KNOWN_AS, Private
from aegle.deid.verdicts import GATED_VRS, SWEPT, by_publication, what_is_wrong, whole_numbers

_CREATORS = range(0x10, 0x100)  #: element numbers that reserve a block (PS3.5 §7.8.1)
_CREATOR_VR = "LO"


class Met(NamedTuple):
    """A private attribute, or one that lies in a private sequence."""

    tag: int
    element: DataElement
    fault: str  #: what is wrong with it; empty for nothing
    known_as: int = 0  #: as its rule says

    @property
    def texts(self) -> tuple[list[bytes], list[bytes]]:
        """What it says, folded: words that are known to name nobody, and others, or numbers of seven digits and more. A
        sequence must not be asked: to say it, pydicom would read what is in it, with VRs of its own."""
        element = self.element
        if element.VR in GATED_VRS:
            return by_publication(self.known_as or self.tag, element)
        if element.VR in SWEPT:
            return [], [str(element.value).lower().encode("utf-8", "replace")]
        values = element.value if element.VM > 1 else [element.value]
        return [], [whole_numbers(float(value) for value in values if isinstance(value, int | float | Decimal))]


def private_in(part: Part, profile: Profile, sop_class: str) -> Iterator[Met]:
    """Every private attribute of a part of an output, and all that lies in private sequences."""
    look = _Look(profile, profile.rules_of(sop_class))
    yield from look.level(_read(part), part.reader.encodings, is_within=False)


def _read(part: Part) -> Iterator[tuple[int, Raw]]:
    """The elements, with sequences that were left in the file; other values so long are not private ones that stay."""
    for tag, raw in part.elements.items():
        if isinstance(raw, RawDataElement) and raw.value is None and raw.length and may_nest(raw):
            yield tag, raw._replace(value=part.reader.whole(raw))
        else:
            yield tag, raw


class _Look(NamedTuple):
    """By one profile, for one kind of object."""

    profile: Profile
    rules: Mapping[int, Rule]

    def level(
        self, elements: Iterable[tuple[int, Raw]], encodings: tuple[str, ...], *, is_within: bool
    ) -> Iterator[Met]:
        """What is private on a level and below it; `is_within` a private sequence everything is told. `encodings` are Python's
        names for the character set of what is around it."""
        creators: dict[int, bytes] = {}
        for tag, raw in elements:
            if tag & 0x00010000:
                yield from self._private(tag, raw, creators, encodings)
                continue
            element = _element(raw, None, encodings)
            if tag == CHARACTER_SET:
                encodings = tuple(convert_encodings(element.value or [""]))
            if is_within:
                wrong = what_is_wrong(tag, element, self.rules.get(tag))
                yield Met(tag, element, wrong)
            yield from self._items(element, encodings, is_within=is_within)

    def _private(self, tag: int, raw: Raw, creators: dict[int, bytes], encodings: tuple[str, ...]) -> Iterator[Met]:
        group, number = tag >> 16, tag & 0xFFFF
        if number in _CREATORS:
            element = _element(raw, _CREATOR_VR, encodings)
            creators[group << 8 | number] = str(element.value).strip().encode("utf-8", "replace")
            listed = (group, creators[group << 8 | number]) in self.profile.private
            wrong = "" if listed and element.VR == _CREATOR_VR else "is private or unknown"
            yield Met(tag, element, wrong, KNOWN_AS)
            return
        rule = _rule_of(self.profile.private, group, creators.get(tag >> 8, b""), number)
        element = _element(raw, rule.vr.decode() if rule else None, encodings)
        yield Met(tag, element, _wrong(element, rule), rule.known_as if rule else 0)
        if rule is not None and rule.action is Action.ENTER:
            yield from self._items(element, encodings, is_within=True)

    def _items(self, element: DataElement, encodings: tuple[str, ...], *, is_within: bool) -> Iterator[Met]:
        if element.VR == "SQ":
            for item in element.value or ():
                yield from self.level(_of(item), encodings, is_within=is_within)


def _element(raw: Raw, vr: str | None, encodings: tuple[str, ...]) -> DataElement:
    """As pydicom reads it; `vr` is the one of a private attribute in implicit VR."""
    if isinstance(raw, DataElement):
        return raw
    known = raw._replace(VR=vr) if raw.VR is None and vr else raw
    return convert_raw_data_element(known, encoding=list(encodings))


def _rule_of(private: Private, group: int, creator: bytes, number: int) -> Rule | None:
    return private.get((group, creator), {}).get(number & 0xFF)


def _wrong(element: DataElement, rule: Rule | None) -> str:
    if rule is None:
        return "is private or unknown"
    return "" if element.VR.encode() in rule.accepts else "is of another kind than the list of private attributes says"


def _of(item: Dataset) -> Iterator[tuple[int, Raw]]:
    return ((int(tag), raw) for tag, raw in zip(item.keys(), item.values(), strict=True))
