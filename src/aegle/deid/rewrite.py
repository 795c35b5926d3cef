"""The header rewritten: runs of kept elements copied as slices, the rest replaced by rule, at any depth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from aegle.deid.dates import offsets_told
from aegle.deid.identifiers import IDENTIFYING, Search, texts, words
from aegle.deid.kept import Keeper
from aegle.deid.moments import TIMES, late_dates, may_pass, told, with_dates
from aegle.deid.outline import Level, Stretch
from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason
from aegle.deid.recall import Memory, Notes, Past
from aegle.deid.replacements import Replacements
from aegle.deid.rules import DUMMIES, Action, Rule
from aegle.deid.safe_private import Blocks, Private
from aegle.deid.subject import CONCEPT, NOBODY, Content, Subject, names_a_thing
from aegle.deid.survey import character_set_of
from aegle.deid.values import Values
from aegle.dicom.walk import (
    ITEM_END,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    BrokenEncoding,
    Buffer,
    Encoding,
    Flaw,
    Head,
    inner_encoding,
    require_item,
    value_end,
)

HEADER_MAX_BYTES = 256 << 20  #: of what is kept apart from the pixels; it is held in memory
NESTED_MAX = 8_000_000  #: items and attributes in them; a slide of 300,000 sparse frames has 4 million
_CHARACTER_SET = 0x00080005
_TEXT = 0x0040A160  #: Text Value of a content item
VALUE_MAX_BYTES = 1 << 20  #: of one value that is read in order to be replaced


@dataclass(kw_only=True)
class Rewriter:
    """One pass over one object. `notes` fills while it runs."""

    data: Buffer
    rules: Mapping[int, Rule]
    replacements: Replacements
    character_set: Sequence[str]  #: by which texts are read, of the object or of the item that is being read
    target: Encoding  #: how the written data set is encoded
    insertions: Mapping[int, bytes]  #: whole elements of the top level, ascending; they replace the source's
    values: Values | None = None  #: which words kept text may hold; None to take any
    memory: Memory  #: of elements of the top level in objects that are treated as this one
    subject: Subject = NOBODY
    patients: Memory  #: the same, of this patient's objects in this zone with these insertions alone
    own_rules: Mapping[int, Rule] = field(default_factory=dict)  #: of tags that have one in this object alone
    private: Private = field(default_factory=dict)  #: of private attributes, in items
    forbidden: Search | None = None  #: kept text in which this is found is replaced
    notes: Notes = field(default_factory=Notes.none)

    def __post_init__(self) -> None:
        self._kept_bytes = self._nested = 0
        self._has_own = bool(self.own_rules or self.private)
        self._blocks = dict[int, Blocks]()  #: by depth, of the item that is being read
        self._concepts = dict[int, bytes]()  #: by depth, the name of what the item that is being read says
        self._late = set[int]()  #: depths at which the item that is being read has a time that may pass midnight

    @cached_property
    def _keeper(self) -> Keeper:
        return Keeper(
            data=self.data,
            replacements=self.replacements,
            character_set=self.character_set,
            target=self.target,
            values=self.values,
            forbidden=self.forbidden,
        )

    @cached_property
    def _content(self) -> Content:
        return Content(self.target, self.rules, self.subject)

    def header(self, level: Level) -> bytes:
        """The top level up to PixelData or to the end of the object."""
        self._kept_bytes = self._nested = 0
        pending = [SEQUENCE_END, *sorted(self.insertions, reverse=True)]
        parts, notes = list[bytes](), list[Notes]()
        alike, own = (self.memory, self.patients) if self.forbidden is None else (Memory(), Memory())
        for number, (start, stretch) in enumerate(level.stretches):
            while pending[-1] < stretch.first:
                parts.append(self.insertions[pending.pop()])
            within = list[int]()
            while pending[-1] <= stretch.last:
                within.append(pending.pop())
            past = (None if within else alike.get(stretch.raw)) or own.get(stretch.raw)
            if past is None:
                past = self._observed(start, stretch, within)
                if number in level.repeated:
                    (own if within or past.is_own else alike).keep(stretch.raw, past)
            else:
                self._count(past.kept_bytes, past.nested)
            if past.notes is not None:
                notes.append(past.notes)
            parts.append(past.written)
        self.notes.add(notes)
        parts += (self.insertions[tag] for tag in reversed(pending[1:]))
        return _bounded(b"".join(parts))

    def _observed(self, start: int, stretch: Stretch, within: Sequence[int]) -> Past:
        """What becomes of elements of the top level, with the insertions that stand among them or in their place."""
        notes, self.notes = self.notes, Notes.none()
        kept_bytes, nested = self._kept_bytes, self._nested
        end, pending, parts = start + stretch.size, [*reversed(within)], list[bytes]()
        try:
            for head in stretch.at(start):
                while pending and pending[-1] <= head.tag:
                    parts.append(self.insertions[pending.pop()])
                kept, after = self._element(self.target, head, end, 0)
                if head.tag not in self.insertions:
                    parts.append(self.data[head.start : after] if kept is None else kept)
            noted = self.notes if any(self.notes) else None
        finally:
            self.notes = notes
        return Past(b"".join(parts), noted, self._kept_bytes - kept_bytes, self._nested - nested)

    def _count(self, kept_bytes: int, nested: int) -> None:
        """Add to what was met. Raises Holding beyond the bounds."""
        self._kept_bytes += kept_bytes
        self._nested += nested
        if self._kept_bytes > HEADER_MAX_BYTES:
            raise Holding(HoldReason.TOO_LARGE, "the header is larger than the bound")
        if self._nested > NESTED_MAX:
            raise Holding(HoldReason.TOO_LARGE, "more nested attributes than any real object has")

    def tail(self, pos: int) -> bytes:
        """The top level after PixelData; bytes that are no elements are dropped, as if they were not there."""
        parts, end, last = [], len(self.data), PIXEL_DATA
        while pos < end:
            try:
                head = self.target.head(self.data, pos, end)
                if not last < head.tag < 0xFFFE0000:
                    break
                kept, after = self._element(self.target, head, end, 0)
            except BrokenEncoding:
                break
            parts.append(self.data[pos:after] if kept is None else kept)
            pos, last = after, head.tag
        if pos < end:
            self.notes.done.append((0xFFFFFFFF, "trailing bytes dropped"))
        return _bounded(b"".join(parts))

    def _dataset(self, source: Encoding, pos: int, end: int, depth: int, *, open_ended: bool) -> tuple[bytes, int]:
        """The content of one item, rewritten, and where it ended."""
        parts: list[bytes] = []
        run = pos
        if self.private:
            self._blocks[depth] = Blocks(self.private)
        self._concepts.pop(depth, None)
        while pos < end:
            self._count(0, 1)
            head = source.head(self.data, pos, end)
            if head.tag == ITEM_END and open_ended:
                parts.append(self.data[run : head.start])
                return b"".join(parts), head.value
            kept, after = self._element(source, head, end, depth)
            if kept is not None:
                parts += (self.data[run : head.start], kept)
                run = after
            pos = after
        if open_ended:
            raise BrokenEncoding(Flaw.TRUNCATED, "an item is not closed")
        parts.append(self.data[run:pos])
        return b"".join(parts), pos

    def _element(self, source: Encoding, head: Head, end: int, depth: int) -> tuple[bytes | None, int]:
        """What stands for the element in the target (None: its own bytes) and where it ends in the source."""
        tag, vr, _, value, length = head
        rule = self.rules.get(tag)
        if rule is None and self._has_own:
            rule = self._own_rule(head, depth)
        if rule is None and length != UNDEFINED and tag < 0xFFFE0000:
            self.notes.done.append((tag & 0xFFFF0000 if tag & 0x00010000 else tag, Action.REMOVE))
            return b"", value + length
        if rule is None or rule.vr == b"SQ" or length == UNDEFINED or tag == PIXEL_DATA:
            return self._structured(source, head, rule, end, depth)
        after = value + length
        action = rule.action
        if action is Action.KEEP:
            self._count(length, 0)
            if tag == _CHARACTER_SET and depth:  # of this item and what lies in it (PS3.3 §C.12.1.1.2)
                self._read_by(character_set_of(self.data[value:after]))
            return self._keeper.kept(source, head, rule, self.notes), after
        if tag in IDENTIFYING or rule.vr == b"PN" or vr == b"PN":
            self._note_identifiers(head, rule)
        elif action is Action.SHIFT and rule.vr != b"TM":
            self._note_days(head)
        if tag == _TEXT and length and names_a_thing(self.target, self._concepts.get(depth, b"")):
            rule = rule._replace(action=Action.TOKEN)
        self.notes.done.append((tag, rule.action))
        replaced = self._replaced(head, rule)
        if depth and tag in TIMES and action is Action.SHIFT and may_pass(self.data[value:after]):
            self._late.add(depth)
        return replaced, after

    def _own_rule(self, head: Head, depth: int) -> Rule | None:
        """The rule of a tag that says too little: of an overlay by what is drawn in it, of a private one by its creator."""
        if not depth:
            return self.own_rules.get(head.tag)
        return self._blocks[depth].rule(self.data, head) if self.private and head.tag & 0x00010000 else None

    def _structured(
        self, source: Encoding, head: Head, rule: Rule | None, end: int, depth: int
    ) -> tuple[bytes | None, int]:
        """As `_element`, for sequences and for whatever must go whole."""
        if head.tag >= 0xFFFE0000:
            raise BrokenEncoding(Flaw.MALFORMED, "a delimiter in the wrong place")
        is_sequence = rule is not None and rule.vr == b"SQ" and (not source.explicit or head.vr in {b"SQ", b"UN"})
        if rule is None or not is_sequence:
            tag = head.tag & 0xFFFF0000 if head.tag & 0x00010000 else head.tag
            self.notes.done.append((tag, Action.REMOVE))
            return b"", value_end(source, self.data, head, end, depth)
        return self._sequence(source, head, rule, end, depth)

    def _replaced(self, head: Head, rule: Rule) -> bytes:
        """The element that a rule other than `keep` puts in place of this one."""
        if rule.action is Action.REMOVE:
            return b""
        if rule.action is Action.EMPTY or rule.action is Action.DUMMY:
            return _constant(self.target, head.tag, rule.vr, rule.action)
        if head.length > VALUE_MAX_BYTES:
            raise Holding(HoldReason.TOO_LARGE, "a value to be replaced is larger than the bound")
        raw = self.data[head.value : head.value + head.length]
        if rule.vr == b"DT" and (b"+" in raw or b"-" in raw):
            self.notes.offsets.update(offsets_told(raw.decode("latin-1").strip("\0 ")))
        return self.target.emit(head.tag, rule.vr, self.replacements.value(rule, raw, self.notes.uids))

    def _sequence(self, source: Encoding, head: Head, rule: Rule, end: int, depth: int) -> tuple[bytes, int]:
        """A sequence's items are walked whatever its rule, so that the identifiers in them are known; nothing else of one that
        goes is of any consequence."""
        if rule.action is Action.ENTER:
            content, after = self._items(source, head, end, depth)
            if head.tag == CONCEPT and depth:
                self._concepts[depth] = content
            return self.target.emit(head.tag, b"SQ", content), after
        notes, self.notes = self.notes, Notes.none()
        try:
            _, after = self._items(source, head, end, depth)
            notes.identifiers.update(self.notes.identifiers)
        finally:
            self.notes = notes
        self.notes.done.append((head.tag, rule.action))
        return (self.target.emit(head.tag, b"SQ", b"") if rule.action is Action.EMPTY else b""), after

    def _items(self, source: Encoding, head: Head, end: int, depth: int) -> tuple[bytes, int]:
        inner = inner_encoding(source, head)
        pos = head.value
        stop = end if head.length == UNDEFINED else pos + head.length
        parts: list[bytes] = []
        outer = self.character_set
        while pos < stop:
            item = inner.head(self.data, pos, stop)
            if item.tag == SEQUENCE_END and head.length == UNDEFINED:
                return b"".join(parts), item.value
            require_item(item, depth + 1)
            self._count(0, 1)
            open_ended = item.length == UNDEFINED
            item_stop = stop if open_ended else item.value + item.length
            content, pos = self._dataset(inner, item.value, item_stop, depth + 1, open_ended=open_ended)
            if self.character_set is not outer:
                self._read_by(outer)
            if depth + 1 in self._late:
                self._late.remove(depth + 1)
                values = told(inner, self.data, item.value, pos - 8 if open_ended else pos)
                dates = late_dates(self.target, values, self.rules, self.replacements.shift)
                content = with_dates(self.target, content, dates)
            parts.append(self.target.item(self._content.untold(content)))
        if head.length == UNDEFINED:
            raise BrokenEncoding(Flaw.TRUNCATED, "a sequence is not closed")
        return b"".join(parts), pos

    def _read_by(self, character_set: Sequence[str]) -> None:
        """From here on texts are read by this one."""
        self.character_set = self._keeper.character_set = self.replacements.character_set = character_set

    def _note_days(self, head: Head) -> None:
        """A day on which something was done to the patient is told by a number as well (Series Number 20240229)."""
        raw = self.data[head.value : head.value + min(head.length, 256)]
        days = (part.strip(b" \0").replace(b".", b"")[:8] for part in raw.split(b"\\"))
        self.notes.identifiers.update(day.decode("ascii") for day in days if len(day) == 8 and day.isdigit())

    def _note_identifiers(self, head: Head, rule: Rule) -> None:
        raw = self.data[head.value : head.value + min(head.length, 4096)]
        vr = "PN" if b"PN" in {rule.vr, head.vr} else rule.vr.decode()
        self.notes.identifiers.update(words(vr, texts(raw, self.character_set)))


@lru_cache(maxsize=4096)
def _constant(target: Encoding, tag: int, vr: bytes, action: Action) -> bytes:
    """The element that stands for any value under `empty` or `dummy`."""
    return target.emit(tag, vr, DUMMIES[vr] if action is Action.DUMMY else b"")


def _bounded(header: bytes) -> bytes:
    if len(header) > HEADER_MAX_BYTES:
        raise Holding(HoldReason.TOO_LARGE, "the header is larger than the bound")
    return header
