"""The kinds of object that themes start from: as detailed as a real archive's, each attribute Annex E names filled."""

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGBaseline8Bit

from aegle.bench.answers import Burned, Leak
from aegle.bench.draft import Draft, parts

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
CT, MR, CR, PET, NM = (UID(_ROOT + suffix) for suffix in ("2", "4", "1", "128", "20"))
ULTRASOUND, ULTRASOUND_MULTIFRAME = UID(_ROOT + "6.1"), UID(_ROOT + "3.1")
CAPTURE, SLIDE, STILL = UID(_ROOT + "7"), UID(_ROOT + "77.1.6"), UID(_ROOT + "77.1.2")
MAMMOGRAPHY, ENHANCED_CT = UID(_ROOT + "1.2"), UID(_ROOT + "2.1")
COMPREHENSIVE_SR, DOSE_SR, KEY_OBJECTS = UID(_ROOT + "88.33"), UID(_ROOT + "88.67"), UID(_ROOT + "88.59")
ECG = UID(_ROOT + "9.1.1")
ENCAPSULATED_PDF, PRESENTATION_STATE, RAW = UID(_ROOT + "104.1"), UID(_ROOT + "11.1"), UID(_ROOT + "66")
BEAMS_RECORD = UID(_ROOT + "481.4")


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One code sequence item (PS3.3 §8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def begin(draft: Draft, sop_class: UID, modality: str, charset: str = "ISO_IR 100") -> Dataset:
    """Patient, visit, study, series and equipment, everything in them planted."""
    ds, who = draft.dataset, draft.person
    ds.SpecificCharacterSet = charset
    ds.SOPClassUID = sop_class
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        draft.plant(ds, keyword, draft.uid(keyword), Leak.UID)
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = sop_class, ds.SOPInstanceUID
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = modality, 1, draft.number
    draft.keep("Modality", "SOPClassUID", "InstanceNumber")
    _patient(draft)
    _visit(draft)
    _equipment(draft)
    for keyword, value in (
        ("StudyDate", who.study_date),
        ("SeriesDate", who.study_date),
        ("ContentDate", who.study_date),
    ):
        draft.plant(ds, keyword, value, Leak.DATE)
    ds.StudyTime = ds.ContentTime = "101502.314159"
    return ds


def _patient(draft: Draft) -> None:
    ds, who = draft.dataset, draft.person
    draft.plant(ds, "PatientName", who.name, Leak.NAME)
    draft.plant(ds, "PatientID", who.patient_id, Leak.NUMBER)
    draft.plant(ds, "OtherPatientNames", who.mother, Leak.NAME)
    draft.plant(ds, "PatientBirthDate", who.birth_date, Leak.DATE)
    draft.plant(ds, "PatientMotherBirthName", who.mother, Leak.NAME)
    draft.plant(ds, "PatientAddress", f"{who.street}, {who.town}", Leak.PLACE)
    draft.note(Leak.PLACE, "PatientAddress", who.street)
    draft.plant(ds, "PatientTelephoneNumbers", who.phone, Leak.PLACE)
    draft.plant(ds, "MedicalRecordLocator", who.insurance, Leak.NUMBER)
    draft.plant(ds, "PatientComments", f"Daughter of {who.mother}, lives in {who.town}", Leak.TEXT)
    draft.note(Leak.TEXT, "PatientComments", *parts(who.mother), who.town)
    ds.PatientSex = "F"
    other = Dataset()
    draft.plant(other, "PatientID", who.insurance, Leak.NUMBER)
    other.TypeOfPatientID = "TEXT"
    ds.OtherPatientIDsSequence = [other]


def _visit(draft: Draft) -> None:
    ds, who = draft.dataset, draft.person
    draft.plant(ds, "AccessionNumber", who.accession, Leak.NUMBER)
    draft.plant(ds, "StudyID", f"ID{who.accession[3:]}", Leak.NUMBER)
    draft.plant(ds, "ReferringPhysicianName", who.physician, Leak.STAFF)
    draft.plant(ds, "OperatorsName", who.operator, Leak.STAFF)
    draft.plant(ds, "InstitutionName", who.hospital, Leak.PLACE)
    draft.plant(ds, "InstitutionAddress", f"{who.street} {who.town}", Leak.PLACE)
    draft.plant(ds, "InstitutionalDepartmentName", who.ward, Leak.PLACE)
    draft.plant(ds, "CurrentPatientLocation", f"{who.ward} 7", Leak.PLACE)
    draft.plant(ds, "StudyDescription", f"Control after {who.physician.split('^')[0]}", Leak.TEXT)
    draft.plant(ds, "AdditionalPatientHistory", f"Seen by {who.operator.split('^')[0]} in {who.town}", Leak.TEXT)


def _equipment(draft: Draft) -> None:
    ds, who = draft.dataset, draft.person
    draft.plant(ds, "StationName", who.station, Leak.DEVICE)
    draft.plant(ds, "DeviceSerialNumber", who.serial, Leak.DEVICE)
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = (
        "SIEMENS",
        "SOMATOM Definition AS",
        "syngo CT 2012B",
    )
    draft.keep("Manufacturer", "ManufacturerModelName")


def picture(draft: Draft, channels: int = 1, bits: int = 8, frames: int = 1) -> Pixels:
    """`[frames, rows, columns(, 3)]`: a shape unlike any other file's, smooth and noisy enough to compress honestly."""
    rows, columns = 96, 96 + 2 * (draft.number % 1000)
    rng = np.random.default_rng(draft.rng.randrange(2**32))
    y, x = np.mgrid[0:rows, 0:columns]
    base = 120 + 60 * np.sin(x / 17) * np.cos(y / 13)
    noisy = base[None, :, :, None] + rng.integers(0, 20, (frames, rows, columns, channels))
    scaled: npt.NDArray[np.float64] = np.clip(noisy, 0, 255) * (1 if bits == 8 else 12)
    made: Pixels = scaled.astype(np.uint8) if bits == 8 else scaled.astype(np.uint16)
    return made[..., 0] if channels == 1 else made


def burn(draft: Draft, frames: Pixels, *lines: str) -> Pixels:
    """Draw text into the top of every frame, white on black, and remember where."""
    font = ImageFont.load_default(size=12)
    height = 16 * len(lines)
    mask = Image.new("L", (frames.shape[2], height))
    for n, line in enumerate(lines):
        ImageDraw.Draw(mask).text((2, 16 * n), line, fill=255, font=font)
    ink = np.asarray(mask)
    made = frames.copy()
    made[:, :height] = ink[None, ..., None] if frames.ndim == 4 else ink[None]
    draft.burned.append(Burned(left=0, top=0, width=frames.shape[2], height=height))
    return made


def put_pixels(draft: Draft, frames: Pixels) -> None:
    """The image module and native pixels; compress afterwards where wanted."""
    ds, colour = draft.dataset, frames.ndim == 4
    bits = frames.dtype.itemsize * 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = frames.shape[1:3]
    if len(frames) > 1:
        ds.NumberOfFrames = len(frames)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = (
        bits,
        (bits, 12)[bits == 16],
        (7, 11)[bits == 16],
        0,
    )
    raw = frames.tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds["PixelData"].VR = "OW" if bits == 16 else "OB"
    draft.keep("Rows", "Columns", "BitsStored", "PhotometricInterpretation")


def put_jpeg(draft: Draft, frames: Pixels, *segments: tuple[int, bytes]) -> None:
    """Baseline JPEG frames, each with extra (marker, content) segments after its SOI."""
    put_pixels(draft, frames)
    ds = draft.dataset
    streams = [with_segments(jpeg(frame), *segments) for frame in frames]
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.PixelData = encapsulate(streams)
    ds["PixelData"].VR = "OB"
    if frames.ndim == 4:
        ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.LossyImageCompression, ds.LossyImageCompressionRatio, ds.LossyImageCompressionMethod = "01", "8", "ISO_10918_1"


def jpeg(frame: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """One JPEG stream."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def with_segments(stream: bytes, *segments: tuple[int, bytes], at: int = 2) -> bytes:
    """A JPEG, JPEG-LS or JPEG 2000 stream with marker segments put in at a position between its own."""
    extra = b"".join(bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body for marker, body in segments)
    return stream[:at] + extra + stream[at:]


def axial_ct(draft: Draft, sop_class: UID = CT, modality: str = "CT", charset: str = "ISO_IR 100") -> Dataset:
    """A slice of 12 bits with the numbers that make it one."""
    ds = begin(draft, sop_class, modality, charset)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SliceThickness, ds.KVP, ds.ConvolutionKernel, ds.PixelSpacing = "2.5", "120", "B30f", ["0.7", "0.7"]
    ds.ImagePositionPatient, ds.ImageOrientationPatient = ["-100", "-90", "12.5"], ["1", "0", "0", "0", "1", "0"]
    ds.PatientPosition, ds.BodyPartExamined, ds.RescaleIntercept, ds.RescaleSlope = "HFS", "PELVIS", "-1024", "1"
    draft.plant(ds, "FrameOfReferenceUID", draft.uid("frame of reference"), Leak.UID)
    draft.plant(ds, "AcquisitionDate", draft.person.study_date, Leak.DATE)
    draft.keep("SliceThickness", "KVP", "ConvolutionKernel", "PixelSpacing", "ImagePositionPatient", "ImageType")
    draft.keep("ImageOrientationPatient", "BodyPartExamined", "PatientPosition", "RescaleIntercept")
    put_pixels(draft, picture(draft, bits=16))
    return ds


def colposcopy(draft: Draft) -> Dataset:
    """A colour still, said to hold no burned-in text; its pixels are the theme's to put."""
    ds = begin(draft, STILL, "GM")
    ds.ImageType, ds.BurnedInAnnotation, ds.LossyImageCompression = ["ORIGINAL", "PRIMARY"], "NO", "00"
    draft.keep("ImageType", "BurnedInAnnotation")
    return ds


def whole_slide(draft: Draft, *flavour: str) -> Dataset:
    """A cytology slide: container, specimen with its stain codes, optical path with an ICC profile."""
    ds = begin(draft, SLIDE, "SM")
    ds.ImageType = ["ORIGINAL", "PRIMARY", *(flavour or ("VOLUME", "NONE"))]
    ds.BurnedInAnnotation, ds.SpecimenLabelInImage, ds.FocusMethod, ds.ExtendedDepthOfField = "NO", "NO", "AUTO", "NO"
    ds.Manufacturer, ds.ManufacturerModelName = "Hamamatsu", "NanoZoomer S360"
    draft.plant(ds, "FrameOfReferenceUID", draft.uid("frame of reference"), Leak.UID)
    slide = f"C{draft.person.accession[3:]}-A1"
    draft.plant(ds, "ContainerIdentifier", slide, Leak.NUMBER)
    draft.plant(ds, "BarcodeValue", f"{slide}:{draft.person.family}", Leak.NUMBER)
    draft.plant(ds, "LabelText", f"{draft.person.family} {draft.person.birth_date}", Leak.TEXT)
    ds.ContainerTypeCodeSequence = [code("433466003", "SCT", "Microscope slide")]
    ds.SpecimenDescriptionSequence = [_specimen(draft, slide)]
    ds.OpticalPathSequence = [_optical_path(draft)]
    preparation = (
        "SpecimenDescriptionSequence[0].SpecimenPreparationSequence[0].SpecimenPreparationStepContentItemSequence"
    )
    draft.keep(
        f"{preparation}[1].ConceptCodeSequence[0].CodeValue", f"{preparation}[1].ConceptCodeSequence[0].CodeMeaning"
    )
    draft.keep(
        "OpticalPathSequence[0].IlluminationTypeCodeSequence[0].CodeMeaning", "ContainerTypeCodeSequence[0].CodeValue"
    )
    return ds


def _specimen(draft: Draft, slide: str) -> Dataset:
    specimen = Dataset()
    draft.plant(specimen, "SpecimenIdentifier", slide, Leak.NUMBER)
    draft.plant(specimen, "SpecimenUID", draft.uid("specimen"), Leak.UID)
    draft.plant(specimen, "SpecimenDetailedDescription", f"Smear of {draft.person.family}, third today", Leak.TEXT)
    named, stained = Dataset(), Dataset()
    named.ValueType, named.ConceptNameCodeSequence = "TEXT", [code("121041", "DCM", "Specimen Identifier")]
    draft.plant(named, "TextValue", f"{slide} {draft.person.family}", Leak.TEXT)
    stained.ValueType, stained.ConceptNameCodeSequence = "CODE", [code("424361007", "SCT", "Using substance")]
    stained.ConceptCodeSequence = [code("12710003", "SCT", "Hematoxylin stain")]
    step = Dataset()
    step.SpecimenPreparationStepContentItemSequence = [named, stained]
    specimen.SpecimenPreparationSequence = [step]
    return specimen


def _optical_path(draft: Draft) -> Dataset:
    path = Dataset()
    path.OpticalPathIdentifier = "1"
    path.IlluminationTypeCodeSequence = [code("111744", "DCM", "Brightfield illumination")]
    path.ICCProfile = _signed_profile(draft)
    return path


def _signed_profile(draft: Draft) -> bytes:
    """An sRGB profile with somebody's name where its copyright stood (ICC.1: `mluc`, UTF-16BE), equally long."""
    profile: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    slot = "No copyright, use freely".encode("utf-16-be")
    profile = profile[:24] + bytes((7, 0xEA, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0)) + profile[36:]  # made now; the seed decides
    name = f"by {draft.person.operator.split('^')[0]}"
    draft.note(Leak.STREAM, "ICCProfile", name)
    return profile.replace(slot, name.ljust(len(slot) // 2).encode("utf-16-be"))
