"""What an archive needs to know of a Part 10 file: its place in the study, its DICOM JSON, and where its frames lie."""

import math
import mmap
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from aegle.dicom import by_library, frames, scan
from aegle.dicom.by_library import DEFLATED, LibraryRead
from aegle.dicom.frames import FrameTable
from aegle.dicom.many_items import dumps
from aegle.dicom.plain import Header, Unsure
from aegle.dicom.uids import checked
from aegle.errors import BadDicom
from aegle.records import InstanceRef

__all__ = ["DEFLATED", "Description", "describe"]

_PIXEL_DATA = (0x7FE0, 0x0010)
_SHAPE = ("00280010", "00280011", "00280002", "00280100")  #: rows, columns, samples, bits allocated


@dataclass(frozen=True, kw_only=True)
class Description:
    """Facts of one file. `header` is its DICOM JSON (PS3.18 Annex F) without pixels, large binary values told by their
    BulkDataURI below the instance, the functional groups of 1,000 frames or more as `ManyItems`; `table` is None where the
    object has no pixels or its data set is deflated, so that no frame has an offset."""

    instance: InstanceRef
    transfer_syntax: str
    modality: str
    frames: int
    rows: int
    columns: int
    header: Header
    table: FrameTable | None

    @cached_property
    def metadata(self) -> bytes:
        """The header as UTF-8."""
        return dumps(self.header)


def describe(path: Path, *, forgets: bool = False) -> Description:
    """Read a Part 10 file's header. Memory: the header, plus 24 bytes a frame or fragment. Raises BadDicom.

    Elements stay in memory for the next header, unless it `forgets`: for objects that are not de-identified."""
    with path.open("rb") as stream:
        made = _read(stream, forgets)
        try:
            return _describe(made, stream)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
            raise BadDicom(f"the header lacks what names the object ({type(error).__name__})") from None


def _read(stream: BinaryIO, forgets: bool) -> LibraryRead:
    """By the fast scan, or by pydicom where that one is not sure."""
    try:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise BadDicom("an empty file is no DICOM") from None
    with data:
        try:
            syntax, start = scan.meta(data)
            if syntax == DEFLATED:
                return _inflated(data[start:], forgets)
            if syntax != ExplicitVRBigEndian:
                found = scan.scan(data, start, explicit=syntax != ImplicitVRLittleEndian, forgets=forgets)
                return LibraryRead(syntax, *found)
        except Unsure:
            pass
    return by_library.read(stream)


def _inflated(deflated: bytes, forgets: bool) -> LibraryRead:
    """Of a deflated data set (PS3.5 §A.5), as much as holds a header."""
    try:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, by_library.HEADER_MAX_BYTES)
    except zlib.error:
        raise BadDicom("the deflated data set does not inflate") from None
    try:
        found = scan.scan(content, 0, explicit=True, forgets=forgets)
    except Unsure:
        return by_library.read_inflated(content)
    return LibraryRead(DEFLATED, *found)


def _describe(made: LibraryRead, stream: BinaryIO) -> Description:
    header, syntax = made.header, UID(checked(made.syntax))
    count = int(_first(header, "00280008") or 1) if "00280010" in header else 0
    return Description(
        instance=InstanceRef(
            study_uid=checked(str(_first(header, "0020000D"))),
            series_uid=checked(str(_first(header, "0020000E"))),
            sop_uid=checked(str(_first(header, "00080018"))),
            sop_class=checked(str(_first(header, "00080016"))),
        ),
        transfer_syntax=str(syntax),
        modality=str(_first(header, "00080060") or ""),
        frames=count,
        rows=int(_first(header, "00280010") or 0),
        columns=int(_first(header, "00280011") or 0),
        header=header,
        table=_table(made, stream, syntax, count) if count and syntax != DEFLATED else None,
    )


def _first(header: Header, tag: str) -> Any:
    values = header.get(tag, {}).get("Value")
    return values[0] if values else None


def _table(made: LibraryRead, stream: BinaryIO, syntax: UID, count: int) -> FrameTable | None:
    """Of the element that ended the header, where that is Pixel Data."""
    order: Literal["little", "big"] = "little" if syntax.is_little_endian else "big"
    stream.seek(made.end)
    start = stream.read(8)
    if len(start) < 8 or tuple(int.from_bytes(start[at : at + 2], order) for at in (0, 2)) != _PIXEL_DATA:
        return None
    length = int.from_bytes(stream.read(4) if not syntax.is_implicit_VR else start[4:8], order)
    if syntax.is_encapsulated:
        return frames.encapsulated(stream, count, made.offsets)
    bits = math.prod(int(_first(made.header, tag) or 0) for tag in _SHAPE)
    return frames.native(stream.tell(), length, count, bits) if bits % 8 == 0 else None
