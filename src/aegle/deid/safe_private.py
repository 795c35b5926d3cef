"""PS3.15 Table E.3.10-1 as data: the private attributes that hold no identity, each known by its private creator.

Kept are numbers, words once they are decided, and sequences, in whose items every attribute follows its own rule. Bytes (OB, OW)
can be neither read nor cleaned, nor can what the table gives no VR: these stay out, whatever the table says of them.
"""

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from aegle.deid.rules import Action, Rule, rule_of
from aegle.deid.table import DATA
from aegle.dicom.walk import Buffer, Head

#: (group, private creator) -> last two digits of the tag -> rule
Private = Mapping[tuple[int, bytes], Mapping[int, Rule]]

KNOWN_AS = 1 << 32  #: no tag: from here on its words are decided under, first that of every private creator
_CREATOR = rule_of(Action.KEEP, "LO", KNOWN_AS)
_CREATOR_VRS, _CREATOR_MAX_BYTES = frozenset({b"", b"LO", b"UN"}), 64
_BYTES = frozenset({"", "OB", "OW", "OW or OB"})
_ACTIONS = {"UI": Action.UID, "SQ": Action.ENTER}  #: of VRs whose values do not stay as they are


class Row(NamedTuple):
    """One attribute of the table."""

    tag: str  #: as the table writes it, for example `0019xx0C`
    creator: str
    vr: str  #: empty where the table has none
    vm: str

    @property
    def name(self) -> str:
        """What its words are decided under, as a keyword."""
        return f"{self.tag} {self.creator}"

    @property
    def action(self) -> Action:
        """What is done with it under the option."""
        return Action.REMOVE if self.vr in _BYTES else _ACTIONS.get(self.vr, Action.KEEP)


@cache
def rows() -> tuple[Row, ...]:
    """Every row of the table."""
    text = (DATA / "ps315_e3_10_1.csv").read_text(encoding="utf-8")
    return tuple(Row(**line) for line in csv.DictReader(text.splitlines()))


@cache
def names() -> tuple[str, ...]:
    """What words of private attributes are decided under, in the order of the tags from `KNOWN_AS` on."""
    return ("PrivateCreator", *(row.name for row in rows()))


def name_of(known_as: int) -> str:
    """The keyword that a rule's `known_as` stands for; empty for a tag."""
    return names()[known_as - KNOWN_AS] if known_as >= KNOWN_AS else ""


@cache
def safe_private() -> Private:
    """The rules of those that are kept."""
    found: dict[tuple[int, bytes], dict[int, Rule]] = {}
    for number, row in enumerate(rows(), start=1):
        of_creator = found.setdefault((int(row.tag[:4], 16), row.creator.encode()), {})
        if row.action is not Action.REMOVE:
            of_creator[int(row.tag[6:], 16)] = rule_of(row.action, row.vr, KNOWN_AS + number)
    return MappingProxyType({of: MappingProxyType(rules) for of, rules in found.items() if rules})


class Blocks:
    """Which creators reserved which private elements (PS3.5 §7.8.1) on one level of an object, as far as it was read."""

    def __init__(self, private: Private) -> None:
        self._private = private
        self._reserved: dict[int, Mapping[int, Rule]] = {}

    def rule(self, data: Buffer, head: Head) -> Rule | None:
        """The rule of a private element, asked in the order of the tags; None for one that is not safe."""
        element = head.tag & 0xFFFF
        if not 0x10 <= element <= 0xFF:
            return self._reserved.get(head.tag >> 8, {}).get(head.tag & 0xFF)
        is_one = head.vr in _CREATOR_VRS and head.length <= _CREATOR_MAX_BYTES
        creator = b"" if not is_one else data[head.value : head.value + head.length].rstrip(b" \0")
        rules = self._private.get((head.tag >> 16, creator), {})
        self._reserved[head.tag >> 16 << 8 | element] = rules
        return _CREATOR if rules else None

    def rules(self, data: Buffer, heads: Iterable[Head]) -> dict[int, Rule]:
        """By tag, of all elements of a level."""
        asked = ((head.tag, self.rule(data, head)) for head in heads if head.tag & 0x00010000)
        return {tag: rule for tag, rule in asked if rule is not None}
