"""What an archive needs to know of a Part 10 file: its place in the study, its DICOM JSON, and where its frames lie."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from aegle.dicom import frames
from aegle.dicom.frames import FrameTable
from aegle.dicom.uids import checked
from aegle.errors import BadDicom
from aegle.records import InstanceRef

DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXEL_DATA = (0x7FE0, 0x0010)


@dataclass(frozen=True, kw_only=True)
class Description:
    """Facts of one file. `metadata` is its DICOM JSON (PS3.18 Annex F) without pixels, UTF-8; `table` is None where the
    object has no pixels or its data set is deflated, so that no frame has an offset."""

    instance: InstanceRef
    transfer_syntax: str
    modality: str
    frames: int
    rows: int
    columns: int
    metadata: bytes
    table: FrameTable | None


def describe(path: Path) -> Description:
    """Read a Part 10 file's header. Memory: the header, plus 16 bytes a fragment. Raises BadDicom."""
    with path.open("rb") as stream:
        try:
            header = pydicom.dcmread(stream, stop_before_pixels=True)
            return _describe(header, stream)
        except (InvalidDicomError, EOFError, KeyError, ValueError, AttributeError, NotImplementedError) as error:
            raise BadDicom(f"the header cannot be read ({type(error).__name__})") from None


def _describe(header: FileDataset, stream: BinaryIO) -> Description:
    syntax = UID(checked(header.file_meta.TransferSyntaxUID))
    count = int(header.get("NumberOfFrames") or 1) if "Rows" in header else 0
    return Description(
        instance=InstanceRef(
            study_uid=checked(header.StudyInstanceUID),
            series_uid=checked(header.SeriesInstanceUID),
            sop_uid=checked(header.SOPInstanceUID),
            sop_class=checked(header.SOPClassUID),
        ),
        transfer_syntax=str(syntax),
        modality=str(header.get("Modality", "")),
        frames=count,
        rows=int(header.get("Rows") or 0),
        columns=int(header.get("Columns") or 0),
        metadata=json.dumps(header.to_json_dict(), ensure_ascii=False, separators=(",", ":")).encode(),
        table=_table(header, stream, syntax, count) if count and syntax != DEFLATED else None,
    )


def _table(header: FileDataset, stream: BinaryIO, syntax: UID, count: int) -> FrameTable | None:
    """`stream` stands before the element that ended the header, Pixel Data in an image."""
    order: Literal["little", "big"] = "little" if syntax.is_little_endian else "big"
    start = stream.read(8)
    if len(start) < 8:
        return None
    tag = tuple(int.from_bytes(start[at : at + 2], order) for at in (0, 2))
    if tag != _PIXEL_DATA:
        return None
    length = int.from_bytes(stream.read(4) if not syntax.is_implicit_VR else start[4:8], order)
    if syntax.is_encapsulated:
        return frames.encapsulated(stream, count, header.get("ExtendedOffsetTable", b""))
    bits = header.Rows * header.Columns * header.SamplesPerPixel * header.BitsAllocated
    return frames.native(stream.tell(), length, count, bits) if bits % 8 == 0 else None
