"""Another reader over a file, for the independent check: pydicom for every element, bytes for the pixels.

Peak memory: the header's. A deflated data set is inflated into a file without a name beside it.
"""

import mmap
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Any, cast

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from aegle.deid.part10 import DEFLATED, inflate
from aegle.dicom.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, PIXEL_DATA, UNDEFINED, Fragments

Only = Callable[[BaseTag], bool]  #: whether to read on at a tag

_DEFER_BYTES = 1 << 20
#: Of a value whose decoded form is remembered: the slices of a series repeat most of theirs.
_REMEMBERED_BYTES = 1 << 10
_ENCODINGS = {"1.2.840.10008.1.2": IMPLICIT_LE, "1.2.840.10008.1.2.2": EXPLICIT_BE}


@dataclass(frozen=True, kw_only=True)
class Region:
    """The pixel bytes `[start, end)` of a file; empty, at its end, where there are none."""

    file: IO[bytes]
    data: mmap.mmap  #: the same file, mapped
    start: int
    end: int
    fragments: Fragments | None


@dataclass(kw_only=True)
class Reading:
    """A file as read."""

    preamble: bytes
    meta: Dataset
    header: Dataset
    after: Dataset  #: what stands after the pixels
    pixels: Region  #: of the file, or of its data set inflated

    @cached_property
    def elements(self) -> Sequence[tuple[int, DataElement]]:
        """Tag and element of everything at every depth; values beyond 1 MB that are no sequences are not read."""
        return [*_elements(self.header, self.pixels.data), *_elements(self.after, self.pixels.data)]


@contextmanager
def opened(path: Path, *, whole: bool) -> Iterator[Reading]:
    """Read a file; after the pixels all of it (`whole`), or as far as there are attributes of the standard.

    Raises whatever pydicom does over bytes that it cannot read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        preamble = file.read(132)
        meta = _dataset(file, little=True, implicit=False, only=_in_meta)
        if meta.TransferSyntaxUID != DEFLATED:
            yield _read(file, data, preamble, meta, _any if whole else dictionary_has_tag)
            return
        start = file.tell()
        with tempfile.TemporaryFile(dir=path.parent) as scratch, inflate(data, start, scratch) as inflated:
            scratch.seek(0)
            yield _read(cast("IO[bytes]", scratch), inflated, preamble, meta, _any if whole else dictionary_has_tag)


def _read(file: IO[bytes], data: mmap.mmap, preamble: bytes, meta: Dataset, trailing: Only) -> Reading:
    encoding = _ENCODINGS.get(str(meta.TransferSyntaxUID), EXPLICIT_LE)
    form = {"implicit": not encoding.explicit, "little": not encoding.big_endian}
    header, start = _dataset(file, **form, only=_before_pixels), file.tell()
    if start + 8 >= len(data):
        none = Region(file=file, data=data, start=len(data), end=len(data), fragments=None)
        return Reading(preamble=preamble, meta=meta, header=header, after=Dataset(), pixels=none)
    head = encoding.head(data, start, len(data))
    fragments = Fragments.walk(data, head.value, len(data)) if head.length == UNDEFINED else None
    end = fragments.end if fragments else head.value + head.length
    file.seek(end)
    after = _dataset(file, **form, only=trailing) if end < len(data) else Dataset()
    region = Region(file=file, data=data, start=head.value, end=end, fragments=fragments)
    return Reading(preamble=preamble, meta=meta, header=header, after=after, pixels=region)


def _dataset(file: IO[bytes], *, implicit: bool, little: bool, only: Only) -> Dataset:
    return read_dataset(
        cast("Any", file), implicit, little, defer_size=_DEFER_BYTES, stop_when=lambda tag, *_: not only(tag)
    )


def _in_meta(tag: BaseTag) -> bool:
    return int(tag) >> 16 == 2


def _before_pixels(tag: BaseTag) -> bool:
    return int(tag) != PIXEL_DATA


def _any(tag: BaseTag) -> bool:
    return True


def _elements(dataset: Dataset, data: mmap.mmap) -> Iterator[tuple[int, DataElement]]:
    for tag in dataset.keys():  # noqa: SIM118 - iterating the dataset would read deferred values
        element = _element(dataset, tag, data)
        if element is None:
            continue
        yield int(tag), element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _elements(item, data)


def _element(dataset: Dataset, tag: BaseTag, data: mmap.mmap) -> DataElement | None:
    """One element decoded; None for a long value that is no sequence."""
    raw: Any = dataset.get_item(tag, keep_deferred=True)
    if not isinstance(raw, RawDataElement):
        return dataset[tag]
    encodings = dataset.original_character_set or "iso8859"
    key = (encodings,) if isinstance(encodings, str) else tuple(encodings)
    if raw.value is None and raw.length:
        if not _holds_items(raw):
            return None
        raw = raw._replace(value=data[raw.value_tell : raw.value_tell + raw.length])
        return convert_raw_data_element(raw, encoding=list(key), ds=dataset)
    if raw.length > _REMEMBERED_BYTES:
        return dataset[tag]
    return _decoded(int(raw.tag), raw.VR, raw.value, raw.is_implicit_VR, raw.is_little_endian, key)


def _holds_items(raw: RawDataElement) -> bool:
    listed = dictionary_has_tag(raw.tag) and dictionary_VR(raw.tag) == "SQ"
    return raw.VR == "SQ" or (raw.VR in {None, "UN"} and listed)


@lru_cache(maxsize=4096)
def _decoded(
    tag: int, vr: str | None, value: bytes, implicit: bool, little: bool, encodings: tuple[str, ...]
) -> DataElement:
    raw = RawDataElement(BaseTag(tag), vr, len(value or b""), value, 0, implicit, little)
    return convert_raw_data_element(raw, encoding=list(encodings))
