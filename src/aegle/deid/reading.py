"""Another reader over a file, for the independent check: pydicom for every element, bytes for the pixels.

Peak memory: the header's. A deflated data set is inflated into a file without a name beside it.
"""

import mmap
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from struct import Struct
from typing import IO, Any, NamedTuple, cast

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag

from aegle.deid.bare import bare_syntax
from aegle.deid.part10 import DEFLATED, inflate
from aegle.deid.runs import CHARACTER_SET, Raw, Run, Runs
from aegle.dicom.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, PIXEL_DATA, UNDEFINED, Encoding, Fragments

Stop = Callable[[BaseTag, str | None, int], bool]  #: whether to stop before an element: by tag, VR and length
Wanted = Callable[[int, str], bool]  #: whether an element matters

_DEFER_BYTES = 1 << 20
#: Of a value whose decoded form is remembered: the slices of a series repeat most of theirs.
_REMEMBERED_BYTES = 1 << 10
_BINARY = frozenset({"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"})
_PLAIN = frozenset({"AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
_MAY_NEST = frozenset({"SQ", "UN", None})
_TRANSFER_SYNTAX = 0x00020010
_DEFAULT: tuple[str, ...] = ("iso8859",)
_ENCODINGS = {b"1.2.840.10008.1.2": IMPLICIT_LE, b"1.2.840.10008.1.2.2": EXPLICIT_BE}


@dataclass(frozen=True, kw_only=True)
class Region:
    """The pixel bytes `[start, end)` of a file; empty, at its end, where there are none."""

    file: IO[bytes]
    data: mmap.mmap  #: the same file, mapped
    start: int
    end: int
    fragments: Fragments | None


class Opaque(NamedTuple):
    """An element whose value is bytes that nothing here has to understand: a binary number, a sequence."""

    VR: str
    raw: bytes | None  #: None for one that was not read
    is_little_endian: bool

    @property
    def is_empty(self) -> bool:
        """Whether it has no value."""
        return self.raw == b""


class Plain(NamedTuple):
    """An element whose value is of the default repertoire whatever the character set: a code, a date, a number, a UID."""

    VR: str
    value: str  #: without padding

    @property
    def values(self) -> list[str]:
        """Each value."""
        return [value.strip("\0 ") for value in self.value.split("\\")]

    @property
    def is_empty(self) -> bool:
        """Whether it has no value."""
        return not self.value


Element = DataElement | Opaque | Plain
Found = tuple[int, Element]  #: an element with its tag


@dataclass(frozen=True)
class Part:
    """A part of the top level: the elements by tag, and in the runs in which they were read."""

    runs: Sequence[Run]
    elements: Mapping[int, Raw]
    reader: "Reader"

    @classmethod
    def of(cls, runs: Sequence[Run], reader: "Reader") -> "Part":
        """What these runs hold."""
        elements: dict[int, Raw] = {}
        for run in runs:
            elements.update(run.elements)
        return cls(runs, elements, reader)

    def value(self, tag: int) -> bytes:
        """The bytes of an element, without padding; empty where it has none, or items."""
        element = self.elements.get(tag)
        return (element.value or b"").strip(b"\0 ") if isinstance(element, RawDataElement) else b""

    @property
    def character_set(self) -> tuple[str, ...]:
        """Specific Character Set, one term a value."""
        return _terms(self.value(CHARACTER_SET))


@dataclass(kw_only=True)
class Reading:
    """A file as read."""

    preamble: bytes
    meta: Part
    header: Part
    after: Part  #: what stands after the pixels
    pixels: Region  #: of the file, or of its data set inflated
    is_little_endian: bool


@contextmanager
def opened(path: Path, *, whole: bool) -> Iterator[Reading]:
    """Read a file; after the pixels all of it (`whole`), or as far as there are attributes of the standard.

    Raises whatever pydicom does over bytes that it cannot read.
    """
    with path.open("rb", buffering=0) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        preamble, meta = _start(data, whole=whole)
        if meta.value(_TRANSFER_SYNTAX) != DEFLATED.encode():
            yield _read(file, data, preamble, meta, whole=whole)
            return
        start = data.tell()
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as scratch, inflate(data, start, scratch) as inflated:
            yield _read(scratch, inflated, preamble, meta, whole=whole)


def _start(data: mmap.mmap, *, whole: bool) -> tuple[bytes, Part]:
    """Preamble and file meta group; where there is neither, a group that tells the transfer syntax found."""
    preamble = data.read(132)
    if preamble[128:] != b"DICM":
        data.seek(0)
        if syntax := bare_syntax(data).encode():
            told = RawDataElement(BaseTag(_TRANSFER_SYNTAX), "UI", len(syntax), syntax, 0, False, True)
            return b"", Part.of([Run(b"", {_TRANSFER_SYNTAX: told})], Reader(data))
    return preamble, _part(data, EXPLICIT_LE, _at_data_set, _runs(EXPLICIT_LE, _at_data_set, whole=whole))


def _read(file: IO[bytes], data: mmap.mmap, preamble: bytes, meta: Part, *, whole: bool) -> Reading:
    encoding = _ENCODINGS.get(meta.value(_TRANSFER_SYNTAX), EXPLICIT_LE)
    little = not encoding.big_endian
    header, start = _part(data, encoding, _at_pixels, _runs(encoding, _at_pixels, whole=whole)), data.tell()
    if start + 8 >= len(data):
        none = Region(file=file, data=data, start=len(data), end=len(data), fragments=None)
        after = Part.of((), header.reader)
        return Reading(preamble=preamble, meta=meta, header=header, after=after, pixels=none, is_little_endian=little)
    head = encoding.head(data, start, len(data))
    fragments = Fragments.walk(data, head.value, len(data), file) if head.length == UNDEFINED else None
    end = fragments.end if fragments else head.value + head.length
    data.seek(end)
    after = Part.of((), header.reader)
    if end < len(data):
        after = _part(data, encoding, None if whole else _no_attribute, Runs(), header.reader.encodings)
    region = Region(file=file, data=data, start=head.value, end=end, fragments=fragments)
    return Reading(preamble=preamble, meta=meta, header=header, after=after, pixels=region, is_little_endian=little)


@lru_cache(maxsize=8)
def _runs(encoding: Encoding, stop: Stop, *, whole: bool) -> Runs:
    """What was read before in the way that the arguments say; sources and what is made of them repeat themselves, not each
    other."""
    return Runs()


def _part(
    data: mmap.mmap, encoding: Encoding, stop: Stop | None, runs: Runs, encodings: tuple[str, ...] = _DEFAULT
) -> Part:
    """From where the map stands up to where `stop` says; the map stands there then."""
    walk = data_element_generator(
        cast("Any", data), not encoding.explicit, not encoding.big_endian, stop, _DEFER_BYTES, list(encodings)
    )
    part = Part.of(runs.read(data, walk), Reader(data, encodings))
    if CHARACTER_SET not in part.elements:
        return part
    return replace(part, reader=Reader(data, _python_names(part.value(CHARACTER_SET))))


def _at_data_set(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) >> 16 != 2


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) == PIXEL_DATA


def _no_attribute(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Stray bytes behind the data set may look like a tag of an earlier group: they are no attributes."""
    return int(tag) <= PIXEL_DATA or not dictionary_has_tag(tag)


@dataclass(frozen=True)
class Reader:
    """Reads an element and what lies in it. Values beyond 1 MB that are no sequences are not read."""

    data: mmap.mmap  #: the file
    encodings: tuple[str, ...] = _DEFAULT  #: Python's names for the character set

    def whole(self, raw: RawDataElement) -> bytes:
        """The value, from the file where it was not read."""
        return self.data[raw.value_tell : raw.value_tell + raw.length] if raw.value is None else raw.value

    def within(self, raw: Raw, wanted: Wanted = lambda tag, vr: True) -> Iterator[Found]:
        """Tag and element of an element and of everything in it, read anew each time: memory is an item's. `wanted` is asked
        by tag and VR what to leave out; of what may hold items, never."""
        if isinstance(raw, RawDataElement):
            if raw.VR not in _MAY_NEST and raw.value is not None:  # nearly all of them
                if wanted(int(raw.tag), raw.VR or ""):
                    yield int(raw.tag), _read_one(raw, self.encodings)
                return
            if raw.value is None and raw.length:
                if not _holds_items(raw):
                    yield int(raw.tag), Opaque(raw.VR or _dictionary_vr(int(raw.tag)), None, raw.is_little_endian)
                    return
                raw = raw._replace(value=self.whole(raw))
        yield from _Nested(wanted).of_element(raw, self.encodings)


def may_nest(raw: Raw) -> bool:
    """Whether there may be items in an element."""
    return raw.VR in _MAY_NEST


@dataclass(frozen=True)
class _Nested:
    """An element and what lies in it; what is not `wanted` is passed by unread."""

    wanted: Wanted

    def of_element(self, raw: Raw, character_set: tuple[str, ...]) -> Iterator[Found]:
        if isinstance(raw, RawDataElement) and _holds_items(raw):
            yield int(raw.tag), Opaque("SQ", raw.value, raw.is_little_endian)
            yield from self._of_items(raw, character_set)
            return
        if raw.VR not in _MAY_NEST and not self.wanted(int(raw.tag), raw.VR or ""):
            return
        element = raw if isinstance(raw, DataElement) else _read_one(raw, character_set)
        yield int(raw.tag), element
        if isinstance(element, DataElement) and element.VR == "SQ":  # of undefined length
            for item in element.value or ():
                yield from self._of_dataset(item)

    def _of_dataset(self, dataset: Dataset) -> Iterator[Found]:
        known = dataset.original_character_set or _DEFAULT
        for raw in dataset.values():  # as they are: iterating the dataset itself would read deferred values
            yield from self.of_element(raw, (known,) if isinstance(known, str) else tuple(known))

    def _of_items(self, sequence: RawDataElement, character_set: tuple[str, ...]) -> Iterator[Found]:
        """What lies in a sequence of defined length, an item at a time: a slide has a hundred thousand of them."""
        value, order = sequence.value or b"", "<" if sequence.is_little_endian else ">"
        head, at = Struct(order + "HHL"), 0
        while at < len(value):
            group, element, length = head.unpack_from(value, at)
            if (group, element) != (0xFFFE, 0xE000):
                raise ValueError("a sequence holds something other than items")
            if length == UNDEFINED:  # pydicom finds its end, and has the whole sequence in memory
                whole = convert_raw_data_element(sequence, encoding=list(character_set))
                yield from self.of_element(whole, character_set)
                return
            yield from self._of_item(value[at + 8 : at + 8 + length], length, sequence, character_set)
            at += 8 + length

    def _of_item(
        self, content: bytes, length: int, sequence: RawDataElement, character_set: tuple[str, ...]
    ) -> Iterator[Found]:
        stream, ended = BytesIO(content), 0
        implicit = sequence.is_implicit_VR or sequence.VR == "UN"  # PS3.5 §6.2.2
        for raw in data_element_generator(stream, implicit, sequence.is_little_endian):
            ended = stream.tell()
            if int(raw.tag) == CHARACTER_SET and isinstance(raw, RawDataElement):
                character_set = _python_names((raw.value or b"").strip(b"\0 "))
            yield from self.of_element(raw, character_set)
        if ended != length:
            raise ValueError("an item that does not end where it says")


def _read_one(raw: RawDataElement, character_set: tuple[str, ...]) -> Element:
    tag, vr, length, value, _, implicit, little, *_ = raw
    vr = vr if vr not in {None, "UN"} else _dictionary_vr(tag)
    if vr in _BINARY:
        return Opaque(vr, value or b"", little)
    if vr in _PLAIN:
        return Plain(vr, (value or b"").strip(b"\0 ").decode("latin-1"))
    read = _decoded if length <= _REMEMBERED_BYTES else _decoded.__wrapped__
    return read(tag, raw.VR, value, implicit, little, character_set)


def _terms(value: bytes) -> tuple[str, ...]:
    return tuple(term.strip() for term in value.decode("ascii").split("\\"))


@lru_cache(maxsize=64)
def _python_names(value: bytes) -> tuple[str, ...]:
    """For the value of a Specific Character Set."""
    return tuple(convert_encodings(list(_terms(value))))


@lru_cache(maxsize=4096)
def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _holds_items(raw: RawDataElement) -> bool:
    return raw.VR == "SQ" or (raw.VR in {None, "UN"} and _dictionary_vr(int(raw.tag)) == "SQ")


@lru_cache(maxsize=4096)
def _decoded(
    tag: int, vr: str | None, value: bytes, implicit: bool, little: bool, encodings: tuple[str, ...]
) -> DataElement:
    raw = RawDataElement(BaseTag(tag), vr, len(value or b""), value, 0, implicit, little)
    return convert_raw_data_element(raw, encoding=list(encodings))
