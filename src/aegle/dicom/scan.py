"""The fast reading of a header into DICOM JSON (PS3.18 Annex F): a byte walk that decodes what is plain and admits what is not.

It answers what pydicom answers, value by value, or raises `Unsure`; then pydicom is asked. Memory: the header, but for large
binary values, which are left where they are and told by where to ask for them, and long sequences, which become text.
"""

import base64
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from aegle.dicom.many_items import FOLDED, ManyItems
from aegle.dicom.plain import UID, Header, Unsure, readers
from aegle.dicom.walk import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    ITEM,
    ITEM_END,
    MAX_DEPTH,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    BrokenEncoding,
    Buffer,
    Encoding,
    Flaw,
    Head,
)
from aegle.errors import BadDicom

EXTENDED_OFFSETS = 0x7FE00001
BULK_MIN_BYTES = 4_096  #: a binary value from here on is told by its BulkDataURI
OFFSETS_MAX_BYTES = 32 << 20  #: of an Extended Offset Table: 4 million frames
ITEMS_MAX_BYTES = 128 << 20  #: of functional groups' JSON text: some 300,000 frames of a sparse slide
ITEMS_MAX = 100_000  #: of any other sequence
ELEMENTS_MAX = 500_000  #: of a header, at all depths, that are held as objects: 200 MB
AT_ONCE_MAX_BYTES = 1 << 20  #: of a value that is no bulk data
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  #: pixel data of integers and floats end a header
BINARY = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"})
MET_MAX_BYTES = 64  #: of a value that may be held for the next header
MET_MOST = 4_096  #: elements that are held
_LONG = frozenset({"52009230/"})  #: Per-Frame Functional Groups Sequence
_CHARACTER_SET = 0x00080005
_PIXEL_REPRESENTATION = "00280103"
#: Python's names for the character sets that are plain; another one is pydicom's to read
_PLAIN_SETS = {"": "latin-1", "ISO_IR 6": "latin-1", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}


def meta(data: Buffer) -> tuple[str, int]:
    """Transfer syntax of a Part 10 file, and where its data set starts. Raises Unsure."""
    if data[128:132] != b"DICM":
        raise Unsure
    pos, last, syntax = 132, 0, ""
    while data[pos : pos + 2] == b"\x02\0":
        try:
            head = EXPLICIT_LE.head(data, pos, len(data))
        except BrokenEncoding:
            raise Unsure from None
        if head.tag <= last or head.length == UNDEFINED:
            raise Unsure
        if head.tag == 0x00020010:
            syntax = data[head.value : head.value + head.length].decode("latin-1").rstrip("\0 ")
        last, pos = head.tag, head.value + head.length
    if not UID.fullmatch(syntax):
        raise Unsure
    return syntax, pos


class Scanned(NamedTuple):
    """A header, where the element that ended it begins (Pixel Data, or the end), and the value of an Extended Offset Table."""

    header: Header
    end: int
    offsets: bytes


def scan(data: Buffer, start: int, *, explicit: bool, forgets: bool = False) -> Scanned:
    """The header of a little endian data set from `start`; `forgets` keeps nothing of it in memory for the next one.

    Raises Unsure, BrokenEncoding for sequences nested too deep for anybody, BadDicom for more elements than anybody has."""
    sniffed = data[start + 4 : start + 6]  # files lie about being implicit; pydicom finds out in its own way
    if not explicit and sniffed.isalpha() and sniffed.isupper():
        raise Unsure
    scanner = _Scanner(data, EXPLICIT_LE if explicit else IMPLICIT_LE, forgets)
    try:
        header, end = scanner.level(start, len(data), None, "")
    except BrokenEncoding as error:
        if error.flaw is Flaw.NESTING:
            raise
        raise Unsure from None
    return Scanned(header, end, scanner.offsets)


class _Met:
    """Elements that were read lately, by their bytes: most of a slice's are those of the slice before. One of these for each
    way in which the same bytes are read alike."""

    def __init__(self, explicit: bool, character_set: str) -> None:
        self._form = Struct("<4x2sH" if explicit else "<4xL")
        self._explicit = explicit
        self.held: dict[bytes, tuple[int, str, Header]] = {}

    def get(self, data: Buffer, pos: int, end: int) -> tuple[int, str, Header, int] | None:
        """Tag, its name, the element, and where the next one starts; None for one that was not met, or is never held."""
        if pos + 8 > end:
            return None
        if self._explicit:
            vr, length = self._form.unpack_from(data, pos)
            if vr not in SHORT_VRS:
                return None
        else:
            (length,) = self._form.unpack_from(data, pos)
        after = pos + 8 + length
        if length > MET_MAX_BYTES or after > end:
            return None
        held = self.held.get(data[pos:after])
        return held and (*held, after)

    def keep(self, raw: bytes, tag: int, name: str, element: Header) -> None:
        """Of an element whose reading depends on nothing but its bytes."""
        if len(self.held) >= MET_MOST:
            self.held.clear()
        self.held[raw] = (tag, name, element)


#: What was read in this encoding and character set.
met_before = lru_cache(maxsize=8)(_Met)


class _Scanner:
    def __init__(self, data: Buffer, encoding: Encoding, forgets: bool) -> None:
        self._data, self._encoding, self._forgets = data, encoding, forgets
        self._left = ELEMENTS_MAX
        self.offsets = b""
        self._use("")

    def level(self, pos: int, end: int, closed_by: int | None, path: str) -> tuple[Header, int]:
        """One data set or item; `path` of an item leads to it: TAG/NUMBER/ for each sequence it lies in."""
        found, last, data, encoding = Header(), -1, self._data, self._encoding
        while pos < end:
            met = self._met.get(data, pos, end)
            if met is not None and met[0] > last:
                last, name, found[name], pos = met
                self._left -= 1
                continue
            head = encoding.head(data, pos, end)
            tag, vr, _, value, length = head
            if tag == closed_by:
                return found, value
            if tag <= last or tag >= 0xFFFE0000:
                raise Unsure
            if not path and tag in PIXELS:
                return found, pos
            last, name = tag, f"{tag:08X}"
            vr, is_plain = (vr, True) if vr and vr != b"UN" else _looked_up(head, found, path)
            self._spend()
            if vr == b"SQ":
                found[name], pos = self._sequence(head, end, f"{path}{name}/")
                continue
            pos = value + length
            if pos > end:  # also where the length is undefined
                raise Unsure
            if not tag & 0xFFFF:  # a group's length is not told (PS3.18 §F.2.2)
                continue
            found[name] = self._value(head, vr, path) if length else {"vr": vr.decode()}
            if is_plain and vr in SHORT_VRS and length <= MET_MAX_BYTES and tag != _CHARACTER_SET:
                self._met.keep(data[head.start : pos], tag, name, found[name])
        if closed_by is not None:
            raise Unsure
        return found, pos

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise BadDicom(f"a header of more than {ELEMENTS_MAX:,} attributes")

    def _sequence(self, head: Head, end: int, path: str) -> tuple[Header, int]:
        if path.count("/") > 2 * MAX_DEPTH:
            raise BrokenEncoding(Flaw.NESTING, f"sequences nest deeper than {MAX_DEPTH}")
        items, many, pos = list[Header](), ManyItems(), head.value
        stop, left = end if head.length == UNDEFINED else pos + head.length, self._left
        while pos < stop:
            item = self._encoding.head(self._data, pos, stop)
            if item.tag == SEQUENCE_END and head.length == UNDEFINED:
                return _told(items, many), item.value
            if item.tag != ITEM:
                raise Unsure
            self._spend()
            inside = f"{path}{many.count + len(items)}/"
            if item.length == UNDEFINED:
                made, pos = self.level(item.value, stop, ITEM_END, inside)
            else:
                made, pos = self.level(item.value, item.value + item.length, None, inside)
            items.append(made)
            if len(items) == FOLDED and path in _LONG:
                many.add(items)
                items.clear()
                self._left = left
            if len(many.text) > ITEMS_MAX_BYTES or len(items) > ITEMS_MAX:
                raise Unsure
        if head.length == UNDEFINED:
            raise Unsure
        return _told(items, many), pos

    def _value(self, head: Head, vr: bytes, path: str) -> Header:
        if vr in BINARY or vr == b"UN":
            return self._binary(head, vr, path)
        if head.length > AT_ONCE_MAX_BYTES:
            raise Unsure
        raw = self._data[head.value : head.value + head.length]
        if head.tag == _CHARACTER_SET:
            self._choose(raw, path)
        read = self._text.get(vr)
        if read is None:
            raise Unsure
        values = read(raw)
        return {"vr": vr.decode(), "Value": values} if values else {"vr": vr.decode()}

    def _binary(self, head: Head, vr: bytes, path: str) -> Header:
        if head.tag == EXTENDED_OFFSETS and not path:
            if head.length > OFFSETS_MAX_BYTES:
                raise Unsure
            self.offsets = self._data[head.value : head.value + head.length]
        if head.length >= BULK_MIN_BYTES:
            return {"vr": vr.decode(), "BulkDataURI": f"bulkdata/{path}{head.tag:08X}"}
        raw = self._data[head.value : head.value + head.length]
        return {"vr": vr.decode(), "InlineBinary": base64.b64encode(raw).decode()}

    def _choose(self, raw: bytes, path: str) -> None:
        name = raw.decode("latin-1").rstrip(" \0")
        if name not in _PLAIN_SETS or (path and name != self._set):
            raise Unsure
        self._use(name)

    def _use(self, name: str) -> None:
        self._set, self._text = name, readers(_PLAIN_SETS[name])
        self._met = (_Met if self._forgets else met_before)(self._encoding.explicit, name)


def _told(items: list[Header], many: ManyItems) -> Header:
    if many.count:
        many.add(items)
    return {"vr": "SQ", "Value": many if many.count else items}


def _looked_up(head: Head, found: Header, path: str) -> tuple[bytes, bool]:
    """The VR of an element that does not say it, and whether it follows from the tag alone, not from the elements before it.
    Raises Unsure."""
    if head.tag >> 16 & 1:
        return _private(head.tag, found), False
    if head.vr:  # a standard one that says UN
        raise Unsure
    vr = _in_dictionary(head.tag)
    if vr == b"US or SS" and not path and "Value" in found.get(_PIXEL_REPRESENTATION, {}):
        return b"SS" if found[_PIXEL_REPRESENTATION]["Value"][0] else b"US", False
    if len(vr) != 2 or vr == b"UN":
        raise Unsure
    return vr, True


@lru_cache(maxsize=8_192)
def _in_dictionary(tag: int) -> bytes:
    try:
        return dictionary_VR(tag).encode()
    except KeyError:
        raise Unsure from None


def _private(tag: int, found: Header) -> bytes:
    """As pydicom knows it by its creator (PS3.5 §7.8.1); UN for one that it does not know."""
    block = tag >> 8 & 0xFF
    if not block:
        return b"LO" if tag & 0xFFFF >= 0x0010 else b"UN"
    creator = found.get(f"{tag >> 16:04X}{block:04X}", {}).get("Value", [""])
    if len(creator) > 1 or not isinstance(creator[0], str):
        raise Unsure
    vr = _of_creator(tag, creator[0])
    if len(vr) != 2 or vr == b"SQ":
        raise Unsure
    return vr


@lru_cache(maxsize=1_024)
def _of_creator(tag: int, creator: str) -> bytes:
    try:
        return private_dictionary_VR(tag, creator).encode()
    except KeyError:
        return b"UN"
