"""The slow and sure reading of a header, by pydicom, within a bound of bytes: for what the scan is not sure of."""

import io
from typing import BinaryIO, NamedTuple, cast

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from aegle.dicom.plain import Header, finite
from aegle.dicom.scan import BULK_MIN_BYTES, EXTENDED_OFFSETS, PIXELS
from aegle.errors import BadDicom

HEADER_MAX_BYTES = 16 << 20  #: read of one file on the way to its pixels
READS_MAX = 1_000_000  #: of pieces of one file: a header, a value; an element takes one to three
DEFLATED = "1.2.840.10008.1.2.1.99"
_META_BYTES = 64 << 10


class LibraryRead(NamedTuple):
    """A header, what it is encoded in, and where the element that ended it begins: Pixel Data, or the end."""

    syntax: str
    header: Header
    end: int
    offsets: bytes  #: value of the Extended Offset Table


def read(stream: BinaryIO) -> LibraryRead:
    """Of a Part 10 file that is not deflated. Raises BadDicom."""
    if DEFLATED.encode() in stream.read(_META_BYTES):  # pydicom would inflate it without a bound
        raise BadDicom("the file meta information of a deflated object cannot be read")
    stream.seek(0)
    bounded = _Bounded(stream)
    with _Hostile():
        made = pydicom.dcmread(bounded, stop_before_pixels=True)
        return _told(made, str(made.file_meta.TransferSyntaxUID), bounded.tell())


def read_inflated(content: bytes) -> LibraryRead:
    """Of a data set that was deflated. Raises BadDicom."""
    stream = cast("BinaryIO", _Bounded(io.BytesIO(content)))
    with _Hostile():
        made = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels)
        return _told(made, DEFLATED, stream.tell())


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) in PIXELS


class _Hostile:
    """pydicom raises anything on hostile bytes; here it becomes BadDicom."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, BadDicom):
            raise BadDicom(f"the header cannot be read ({type(error).__name__})") from None


def _told(made: Dataset, syntax: str, end: int) -> LibraryRead:
    offsets = made.get_item(EXTENDED_OFFSETS).value if EXTENDED_OFFSETS in made else b""
    return LibraryRead(syntax, finite(_json(made, "")), end, offsets or b"")


def _json(made: Dataset, path: str) -> Header:
    """As `scan` tells it. A group's length is not told (PS3.18 §F.2.2)."""
    found = Header()
    for tag in list(made.keys()):
        if tag & 0xFFFF:
            found[f"{tag:08X}"] = _element(made[tag], path)
    return found


def _element(element: DataElement, path: str) -> Header:
    here = f"{path}{int(element.tag):08X}"
    if element.VR == "SQ":
        return {"vr": "SQ", "Value": [_json(item, f"{here}/{number}/") for number, item in enumerate(element.value)]}
    told: Header = element.to_json_dict(lambda _: f"bulkdata/{here}", BULK_MIN_BYTES // 3 * 4)
    return told


class _Bounded(io.RawIOBase):
    """A stream of which no more than the bounds is read. Raises BadDicom where more is asked for."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self._left, self._reads = stream, HEADER_MAX_BYTES, READS_MAX

    def read(self, size: int = -1) -> bytes:
        """As a file does."""
        self._left -= max(size, 0)
        self._reads -= 1
        if self._reads < 0:
            raise BadDicom("the header has more attributes than any real object's")
        if self._left < 0 or size < 0:
            raise BadDicom(f"the header is of more than {HEADER_MAX_BYTES >> 20} MB")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As a file does."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """As a file does."""
        return self._stream.tell()
