"""The objects of `bench_deid.py`: synthetic, seeded, with headers as modalities and scanners write them."""

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

_CT, _PHOTO, _SLIDE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.77.1.4", "1.2.840.10008.5.1.4.1.1.77.1.6"
_ROOT = "1.2.826.0.1.3680043.9.9999"
_TILE = 256
ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
#: The head of PixelData of undefined length, and an empty offset table.
OPEN_PIXELS = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + ITEM + bytes(4)


def write_ct(folder: Path, count: int, seed: int = 1) -> None:
    """Slices of 512 x 512 x 16 bits: 520 KB each."""
    noise = np.random.default_rng(seed)
    for number in range(count):
        ds = _header(_CT, study=1 + number // 100, number=number, syntax=ExplicitVRLittleEndian)
        ds.Modality, ds.ImageType, ds.KVP, ds.SliceThickness = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], "120", "1.25"
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-125, -125, number], [1, 0, 0, 0, 1, 0]
        ds.ConvolutionKernel, ds.RescaleIntercept, ds.RescaleSlope = "STANDARD", "-1024", "1"
        _shape(ds, 512, 512, 1, "MONOCHROME2", 16)
        ds.PixelData = noise.integers(0, 4096, 512 * 512, dtype=np.uint16).tobytes()
        _save(ds, folder / f"ct-{number:04}.dcm")


def write_stills(folder: Path, count: int, seed: int = 2) -> None:
    """Photographs of 6 MB, native and JPEG in turn."""
    noise = np.random.default_rng(seed)
    for number in range(count):
        native = number % 2 == 0
        rows, columns = (1416, 1416) if native else (2100, 2800)
        pixels = noise.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
        ds = _header(_PHOTO, study=100 + number, number=number, syntax=None if native else JPEGBaseline8Bit)
        ds.Modality, ds.ImageType, ds.BurnedInAnnotation = "XC", ["ORIGINAL", "PRIMARY"], "NO"
        _shape(ds, rows, columns, 3, "RGB" if native else "YBR_FULL_422", 8)
        path = folder / f"still-{number:04}.dcm"
        if native:
            ds.PixelData = pixels.tobytes()
            _save(ds, path)
        else:
            write_encapsulated(ds, path, iter([jpeg(pixels, quality=85)]))


def write_slide(folder: Path, size_bytes: int, seed: int = 3) -> None:
    """One level of a slide in JPEG tiles of 256 x 256, 20 KB on average."""
    noise = np.random.default_rng(seed)
    tiles = [jpeg(noisy_tile(n, noise), quality=80) for n in range(24)]
    count = size_bytes // (sum(map(len, tiles)) // len(tiles))
    order = noise.integers(0, len(tiles), count)
    write_encapsulated(slide_header(count), folder / "slide.dcm", (tiles[n] for n in order))


def slide_header(frames: int) -> Dataset:
    """The header of a slide of so many tiles, without its pixels."""
    ds = _header(_SLIDE, study=200, number=1, syntax=JPEGBaseline8Bit)
    ds.Modality, ds.ImageType, ds.BurnedInAnnotation = "SM", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "NO"
    ds.SpecimenLabelInImage, ds.NumberOfFrames, ds.ContainerIdentifier = "NO", frames, "S-26-1234"
    _shape(ds, _TILE, _TILE, 3, "YBR_FULL_422", 8)
    return ds


def write_encapsulated(ds: Dataset, path: Path, frames: Iterator[bytes]) -> None:
    """A file of one fragment a frame, written as the frames come; without an offset table."""
    ds.save_as(path, enforce_file_format=True)
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.write(OPEN_PIXELS)
        for frame in frames:
            file.write(ITEM + struct.pack("<L", len(frame) + (len(frame) & 1)) + frame + bytes(len(frame) & 1))
        file.write(SEQUENCE_END)


def noisy_tile(number: int, noise: np.random.Generator) -> np.ndarray:
    """A tile of 20 KB as JPEG, more or less by its number (0 to 23)."""
    return noise.normal(200, 8 + number, (_TILE, _TILE, 3)).clip(0, 255).astype(np.uint8)


def blank_tile() -> np.ndarray:
    """A tile of nothing."""
    return np.full((_TILE, _TILE, 3), 255, np.uint8)


def jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """A baseline image as scanners write it, with a JFIF header."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _header(sop_class: str, *, study: int, number: int, syntax: str | None) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"{_ROOT}.{study}.2.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{_ROOT}.{study}.1", f"{_ROOT}.{study}.2"
    ds.FrameOfReferenceUID, ds.SpecificCharacterSet = f"{_ROOT}.{study}.3", "ISO_IR 100"
    ds.PatientName, ds.PatientID = f"Quillfeather{study}^Ottilie", f"MRN-4711-{study:04}"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19610704", "F", "063Y"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20240229"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "134502.123"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = f"ACC-77{study:04}", "5150", "Grimthorpe^Barnaby"
    ds.InstitutionName, ds.StationName, ds.StudyDescription = "St. Wilfred", "STATION-1", "follow-up, Mrs Quillfeather"
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = "TOSHIBA", "Aquilion", ["4.1", "2.0"]
    ds.DeviceSerialNumber, ds.ProtocolName, ds.SeriesNumber, ds.InstanceNumber = "SN-4471", "routine", 3, number
    ds.ReferencedStudySequence = [_reference(study)]
    ds.RequestAttributesSequence = [_request(study)]
    ds.ProcedureCodeSequence = [_code("51185008", "SCT", "Chest")]
    block = ds.private_block(0x0009, "BENCH 1.0", create=True)
    for element in range(1, 25):
        block.add_new(element, "LO", f"private {element} of Quillfeather")
    return ds


def _reference(study: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", f"{_ROOT}.{study}.9"
    return item


def _request(study: int) -> Dataset:
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = f"RP{study}", f"SPS{study}"
    item.RequestedProcedureDescription = "chest, with contrast"
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _shape(ds: Dataset, rows: int, columns: int, samples: int, photometric: str, bits: int) -> None:
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = rows, columns, samples, photometric
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit, ds.PixelRepresentation = bits - 1, 0
    if samples == 3:
        ds.PlanarConfiguration = 0


def _save(ds: Dataset, path: Path) -> None:
    ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    ds.save_as(path, enforce_file_format=True)
