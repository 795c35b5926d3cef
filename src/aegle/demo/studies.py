"""Synthetic studies as real DICOM files: a cytology still, a whole slide, and unfit ones. Not for clinical use."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from aegle.demo.headers import MICROSCOPIC, StudyUids, SyntheticPatient, header, specimen
from aegle.demo.kinds import STYLES
from aegle.demo.pictures import Pixels, draw, draw_empty
from aegle.demo.slides import write_slide

__all__ = ["SyntheticPatient", "write_slide", "write_still"]

DEFOCUS_UM = 8.0  #: of a study that is out of focus


def write_still(
    folder: Path,
    *,
    seed: int,
    finding: str,
    patient: SyntheticPatient | None = None,
    style: str = "north",
    width_px: int = 1024,
    height_px: int = 768,
    mpp: float = 0.5,
    jpeg: bool = True,
    fault: str = "",
) -> list[Path]:
    """One VL Microscopic Image in `folder`: `finding` is `NILM`, `LSIL` or `HSIL`; the same arguments, the same bytes.

    `fault` makes it unfit for a model: `blurred` or `empty`.
    """
    patient = patient or SyntheticPatient()
    uids = StudyUids(seed=f"still/{seed}/{finding}/{style}/{fault}/{patient.patient_id}/{width_px}x{height_px}/{jpeg}")
    made = header(MICROSCOPIC, "GM", patient, uids, "still")
    made.ContainerIdentifier = f"{patient.accession}-A"
    made.IssuerOfTheContainerIdentifierSequence = []
    made.ContainerTypeCodeSequence = []
    made.SpecimenDescriptionSequence = [specimen(patient, uids)]
    made.AcquisitionContextSequence = []
    made.BurnedInAnnotation, made.PatientOrientation = "NO", ""
    made.PixelSpacing = [mpp / 1000, mpp / 1000]
    pixels = _picture(width_px, height_px, mpp=mpp, finding=finding, seed=seed, style=style, fault=fault)
    _add_pixels(made, pixels, jpeg=jpeg)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"still-{seed}-{finding}{'-' + fault if fault else ''}.dcm"
    made.save_as(path, enforce_file_format=True)
    return [path]


def _picture(width_px: int, height_px: int, *, mpp: float, finding: str, seed: int, style: str, fault: str) -> Pixels:
    look = STYLES[style]
    if fault == "empty":
        return draw_empty(width_px, height_px, mpp=mpp, seed=seed, style=look).pixels
    blur = DEFOCUS_UM if fault == "blurred" else None
    return draw(width_px, height_px, mpp=mpp, finding=finding, seed=seed, style=look, defocus_um=blur).pixels


def _add_pixels(made: Dataset, pixels: Pixels, *, jpeg: bool) -> None:
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel, made.PlanarConfiguration = 3, 0
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    if not jpeg:
        made.ImageType, made.LossyImageCompression = ["ORIGINAL", "PRIMARY"], "00"
        made.PhotometricInterpretation = "RGB"
        made.PixelData = np.ascontiguousarray(pixels).tobytes()
        return
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, subsampling="4:2:2")
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.ImageType, made.PhotometricInterpretation = ["ORIGINAL", "PRIMARY"], "YBR_FULL_422"
    made.LossyImageCompression, made.LossyImageCompressionMethod = "01", "ISO_10918_1"
    made.LossyImageCompressionRatio = round(pixels.nbytes / stream.tell(), 2)
    made.PixelData = encapsulate([stream.getvalue()])
    made["PixelData"].is_undefined_length = True
