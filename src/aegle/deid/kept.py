"""What becomes of a value that its rule keeps: it stays as it is, without what identifies, or empty where its form is none."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydicom.datadict import tag_for_keyword

from aegle.deid import icc
from aegle.deid.identifiers import Search, searchable, texts
from aegle.deid.long_numbers import BINARY, LONG_NUMBER, in_binary, in_decimals
from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason
from aegle.deid.recall import Notes
from aegle.deid.replacements import Replacements
from aegle.deid.rules import DUMMIES, LABELS, SAMPLES, Action, Rule
from aegle.deid.spellings import of_text
from aegle.deid.values import GATED, NEVER_EMPTY, Judged, Values, is_published
from aegle.dicom.walk import Buffer, Encoding, Head

_ICC = 0x00282000
_SWEPT = frozenset({b"AE", b"CS", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UR", b"UT"})
_OF_PARTS = frozenset({b"AE", b"CS", b"DS", b"IS", b"LO", b"SH", b"UC"})  #: of which one attribute may hold several
#: By what stands in these, one part of an object names another: optical paths, stacks, and what people label.
_LINKS = frozenset({0x00480106, 0x006A000E, 0x00209056, *map(tag_for_keyword, LABELS)})
#: Numbers without which a picture, a dose or a contour cannot be read (Type 1): one that is somebody's holds the object. In
#: others (Type 2 and 3) an empty value may stand; a content item's goes with its unit (`subject`).
_MEASURES = frozenset(
    {0x00200032, 0x00200037, 0x00280008, 0x00280030, 0x00281052, 0x00281053}
    | {0x00181164, 0x30020011, 0x30020012, 0x3004000C, 0x3004000E, 0x30060046, 0x30060050}
)
_SAMPLE_BYTES = 4  #: of one sample of a waveform; more could be a name
_NUMBERS = frozenset({b"DS", b"IS"})
_NUMBER = rb" *+(?:[+\-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+\-]?+[0-9]++)?+)?+ *+"
#: Bytes of one number.
_SIZES: Mapping[bytes, int] = {
    **dict.fromkeys((b"US", b"SS"), 2),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"AT"), 4),
    **dict.fromkeys((b"UV", b"SV", b"FD"), 8),
}
#: What a kept value of these VRs may be made of: prose under them is refused.
_FORMS: Mapping[bytes, re.Pattern[bytes]] = {
    **dict.fromkeys(_NUMBERS, re.compile(rb"%s(?:\\%s)*+[ \0]*+" % (_NUMBER, _NUMBER))),
    **dict.fromkeys((b"DA", b"DT", b"TM"), re.compile(rb"[0-9+\-.: \\\0]*")),
    b"AS": re.compile(rb"(?:[0-9]{3}[DWMY]\\?)*[ \0]*"),
    b"UI": re.compile(rb"[0-9. \\\0]*"),
}


@dataclass(kw_only=True)
class Keeper:
    """Of one pass over one object."""

    data: Buffer
    replacements: Replacements
    character_set: Sequence[str]  #: by which texts are read, of the object or of the item that is being read
    target: Encoding  #: how the written data set is encoded
    values: Values | None  #: which words kept text may hold; None to take any
    forbidden: Search | None  #: kept text in which this is found is replaced

    def kept(self, source: Encoding, head: Head, rule: Rule, notes: Notes) -> bytes | None:
        """None to keep the element's bytes; a rewritten or empty element, or nothing, where they cannot stand."""
        vr = rule.vr if head.vr in {b"", b"UN"} else head.vr
        if vr not in rule.accepts or (head.vr == b"UN" and source.big_endian):
            return self._refused(head, rule, notes)
        form = _FORMS.get(vr)
        if form is not None and not form.fullmatch(self.data, head.value, head.value + head.length):
            return self._refused(head, rule, notes)
        if head.length % _SIZES.get(vr, 1) or (head.tag in SAMPLES and head.length > _SAMPLE_BYTES):
            return self._refused(head, rule, notes)
        if (vr in _SWEPT or vr in BINARY or (vr in _NUMBERS and head.length >= LONG_NUMBER)) and self._forbidden_in(
            source, head, vr, rule.known_as or head.tag, notes
        ):
            notes.done.append((head.tag, "identifier replaced"))
            return self._without_forbidden(head, vr, rule.known_as or head.tag, notes)
        if self.values is not None and vr in GATED:
            raw = self.data[head.value : head.value + head.length]
            judged = self._judged(head, vr, rule.known_as or head.tag, raw, notes)
            if judged is not None:
                return self.target.emit(head.tag, vr, judged.value)
        if vr == b"UI":
            notes.uids.update(self.replacements.kept_uids(self.data[head.value : head.value + head.length]))
        if head.tag == _ICC:
            return self.target.emit(_ICC, b"OB", icc.without_words(self.data[head.value : head.value + head.length]))
        if source is self.target and head.vr != b"UN":
            return None
        return self.target.emit(head.tag, vr, self.data[head.value : head.value + head.length])

    def _forbidden_in(self, source: Encoding, head: Head, vr: bytes, known_as: int, notes: Notes) -> bool:
        """Whether kept text, or a kept number, holds an identifier; notes the text for the sweep after the first pass."""
        raw = self.data[head.value : head.value + head.length]
        if vr in GATED:
            raw = b"\\".join(part for part in self._parts(vr, raw) if not self._is_published(vr, known_as, part))
        text = in_binary(raw, vr, source) if vr in BINARY else searchable(raw, self.character_set)
        if vr in GATED:
            text += of_text(raw.decode("latin-1"))
        if vr in _NUMBERS:
            text += b"\n" + in_decimals(raw)
        if not text:
            return False
        notes.kept_text.append(text)
        return self.forbidden is not None and self.forbidden.hits(text)

    def _without_forbidden(self, head: Head, vr: bytes, known_as: int, notes: Notes) -> bytes:
        """What stands for a kept value that holds an identifier: its other parts, or a dummy where there are none."""
        raw = self.data[head.value : head.value + head.length].rstrip(b"\0 ")
        if head.tag in _LINKS:
            return self.target.emit(head.tag, vr, self.replacements.token(raw))
        parts = self._parts(vr, raw)
        left = [b"" if self._names_somebody(vr, known_as, part) else part for part in parts]
        value = b"\\".join(left).rstrip(b"\\")
        if head.tag in _MEASURES:
            where = f"({head.tag >> 16:04X},{head.tag & 0xFFFF:04X}), which may not be empty"
            raise Holding(HoldReason.IDENTIFIER_LEFT, where)
        if not value or left == parts:
            has_dummy = vr in _SWEPT - {b"CS"} or head.tag in NEVER_EMPTY
            return self.target.emit(head.tag, vr, DUMMIES[vr] if has_dummy else b"")
        judged = self._judged(head, vr, known_as, value, notes)
        return self.target.emit(head.tag, vr, value if judged is None else judged.value)

    def _parts(self, vr: bytes, raw: bytes) -> list[bytes]:
        """The parts of a value of several; all of it where they cannot be told apart in bytes."""
        return raw.split(b"\\") if vr in _OF_PARTS and raw.isascii() else [raw]

    def _names_somebody(self, vr: bytes, known_as: int, part: bytes) -> bool:
        """Whether a part of a kept value holds an identifier, and is no word that is known to name nobody."""
        if self.forbidden is None or self._is_published(vr, known_as, part):
            return False
        return self.forbidden.hits(
            part + (b"\n" + in_decimals(part) if vr in _NUMBERS else of_text(part.decode("latin-1")))
        )

    def _is_published(self, vr: bytes, known_as: int, part: bytes) -> bool:
        return vr in GATED and is_published(known_as, texts(part, self.character_set), is_term=vr == b"CS")

    def _judged(self, head: Head, vr: bytes, known_as: int, raw: bytes, notes: Notes) -> Judged | None:
        """What the site's decisions make of a kept value; notes what nobody has decided about. None where it may stay."""
        if self.values is None or vr not in GATED:
            return None
        judged = self.values.judge(known_as, vr, raw, self.character_set)
        if judged is not None:
            notes.first_seen.update(judged.first_seen)
            if head.tag in _LINKS and not judged.first_seen:
                notes.done.append((head.tag, Action.TOKEN))
                return replace(judged, value=self.replacements.token(raw))
            notes.done.append((head.tag, "denied value emptied"))
        return judged

    def _refused(self, head: Head, rule: Rule, notes: Notes) -> bytes:
        """Empty rather than absent: most IODs require the attributes in which names are found by mistake (Type 2)."""
        notes.done.append((head.tag, "wrong form emptied"))
        return self.target.emit(head.tag, rule.vr, b"")
