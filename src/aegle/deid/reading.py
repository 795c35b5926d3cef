"""Another reader over a file, for the independent check: pydicom for every element, bytes for the pixels.

Peak memory: the header's. A deflated data set is inflated into a file without a name beside it.
"""

import mmap
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from struct import Struct
from typing import IO, Any, NamedTuple, cast

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.filereader import data_element_generator, read_dataset
from pydicom.tag import BaseTag

from aegle.deid.bare import bare_syntax
from aegle.deid.part10 import DEFLATED, inflate
from aegle.dicom.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, PIXEL_DATA, UNDEFINED, Fragments

Only = Callable[[BaseTag], bool]  #: whether to read on at a tag
Wanted = Callable[[int, str], bool]  #: whether an element matters

_DEFER_BYTES = 1 << 20
#: Of a value whose decoded form is remembered: the slices of a series repeat most of theirs.
_REMEMBERED_BYTES = 1 << 10
_BINARY = frozenset({"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"})
_MAY_NEST = frozenset({"SQ", "UN", None})
_CHARACTER_SET, _DEFAULT = 0x00080005, "iso8859"
_ENCODINGS = {"1.2.840.10008.1.2": IMPLICIT_LE, "1.2.840.10008.1.2.2": EXPLICIT_BE}


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


Found = tuple[int, DataElement | Opaque]  #: an element with its tag


@dataclass(kw_only=True)
class Reading:
    """A file as read."""

    preamble: bytes
    meta: Dataset
    header: Dataset
    after: Dataset  #: what stands after the pixels
    pixels: Region  #: of the file, or of its data set inflated
    is_little_endian: bool

    def elements(self, wanted: Wanted = lambda tag, vr: True) -> Iterator[Found]:
        """Tag and element of everything at every depth, read anew each time: memory is an item's. Values beyond 1 MB that
        are no sequences are not read. `wanted` is asked by tag and VR what to leave out; of what may hold items, never.
        """
        for part in (self.header, self.after):
            yield from _Elements(self.pixels.data, wanted).of_dataset(part)


@contextmanager
def opened(path: Path, *, whole: bool) -> Iterator[Reading]:
    """Read a file; after the pixels all of it (`whole`), or as far as there are attributes of the standard.

    Raises whatever pydicom does over bytes that it cannot read.
    """
    with path.open("rb", buffering=0) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        preamble, meta = _start(data)
        if meta.TransferSyntaxUID != DEFLATED:
            yield _read(file, data, preamble, meta, _any if whole else _after_pixels)
            return
        start = data.tell()
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as scratch, inflate(data, start, scratch) as inflated:
            yield _read(scratch, inflated, preamble, meta, _any if whole else _after_pixels)


def _start(data: mmap.mmap) -> tuple[bytes, Dataset]:
    """Preamble and file meta group; where there is neither, a group that tells the transfer syntax found."""
    preamble = data.read(132)
    if preamble[128:] != b"DICM":
        data.seek(0)
        if syntax := bare_syntax(data):
            meta = Dataset()
            meta.TransferSyntaxUID = syntax
            return b"", meta
    return preamble, _dataset(data, little=True, implicit=False, only=_in_meta)


def _read(file: IO[bytes], data: mmap.mmap, preamble: bytes, meta: Dataset, trailing: Only) -> Reading:
    encoding = _ENCODINGS.get(str(meta.TransferSyntaxUID), EXPLICIT_LE)
    little = not encoding.big_endian
    form = {"implicit": not encoding.explicit, "little": little}
    header, start = _dataset(data, **form, only=_before_pixels), data.tell()
    if start + 8 >= len(data):
        none = Region(file=file, data=data, start=len(data), end=len(data), fragments=None)
        return Reading(
            preamble=preamble, meta=meta, header=header, after=Dataset(), pixels=none, is_little_endian=little
        )
    head = encoding.head(data, start, len(data))
    fragments = Fragments.walk(data, head.value, len(data)) if head.length == UNDEFINED else None
    end = fragments.end if fragments else head.value + head.length
    data.seek(end)
    after = _dataset(data, **form, only=trailing) if end < len(data) else Dataset()
    region = Region(file=file, data=data, start=head.value, end=end, fragments=fragments)
    return Reading(preamble=preamble, meta=meta, header=header, after=after, pixels=region, is_little_endian=little)


def _dataset(data: mmap.mmap, *, implicit: bool, little: bool, only: Only) -> Dataset:
    return read_dataset(
        cast("Any", data), implicit, little, defer_size=_DEFER_BYTES, stop_when=lambda tag, *_: not only(tag)
    )


def _in_meta(tag: BaseTag) -> bool:
    return int(tag) >> 16 == 2


def _before_pixels(tag: BaseTag) -> bool:
    return int(tag) != PIXEL_DATA


def _after_pixels(tag: BaseTag) -> bool:
    """Stray bytes behind the data set may look like a tag of an earlier group: they are no attributes."""
    return int(tag) > PIXEL_DATA and dictionary_has_tag(tag)


def _any(tag: BaseTag) -> bool:
    return True


@dataclass(frozen=True)
class _Elements:
    """Everything in a file, one element after the other; what is not `wanted` is passed by unread."""

    data: mmap.mmap
    wanted: Wanted

    def of_dataset(self, dataset: Dataset) -> Iterator[Found]:
        known = dataset.original_character_set or _DEFAULT
        character_set = (known,) if isinstance(known, str) else tuple(known)
        for tag, raw in dataset.items():  # as they are: iterating the dataset itself would read deferred values
            if isinstance(raw, RawDataElement):
                if raw.VR not in _MAY_NEST and raw.value is not None:  # nearly all of them
                    if self.wanted(int(tag), raw.VR or ""):
                        yield int(tag), _read_one(raw, character_set)
                    continue
                if raw.value is None and raw.length:
                    if not _holds_items(raw):
                        continue
                    raw = raw._replace(value=self.data[raw.value_tell : raw.value_tell + raw.length])
            yield from self._of_element(raw, character_set)

    def _of_element(self, raw: RawDataElement | DataElement, character_set: tuple[str, ...]) -> Iterator[Found]:
        """An element and what lies in it."""
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
                yield from self.of_dataset(item)

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
                yield from self._of_element(whole, character_set)
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
            if int(raw.tag) == _CHARACTER_SET and isinstance(raw, RawDataElement):
                character_set = tuple(convert_encodings((raw.value or b"").decode("ascii").split("\\")))
            yield from self._of_element(raw, character_set)
        if ended != length:
            raise ValueError("an item that does not end where it says")


def _read_one(raw: RawDataElement, character_set: tuple[str, ...]) -> DataElement | Opaque:
    tag, vr, length, value, _, implicit, little, *_ = raw
    vr = vr or _dictionary_vr(tag)
    if vr in _BINARY:
        return Opaque(vr, value or b"", little)
    read = _decoded if length <= _REMEMBERED_BYTES else _decoded.__wrapped__
    return read(tag, raw.VR, value, implicit, little, character_set)


@lru_cache(maxsize=4096)
def _dictionary_vr(tag: int) -> str:
    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"


def _holds_items(raw: RawDataElement) -> bool:
    return raw.VR == "SQ" or (raw.VR in {None, "UN"} and _dictionary_vr(int(raw.tag)) == "SQ")


@lru_cache(maxsize=4096)
def _decoded(
    tag: int, vr: str | None, value: bytes, implicit: bool, little: bool, encodings: tuple[str, ...]
) -> DataElement:
    raw = RawDataElement(BaseTag(tag), vr, len(value or b""), value, 0, implicit, little)
    return convert_raw_data_element(raw, encoding=list(encodings))
