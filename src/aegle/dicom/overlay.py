"""A prediction as a Secondary Capture: the picture with evidence and regions drawn in, for viewers that read no SR."""

import base64
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from aegle.dicom.identity import CARRIED, INHERITED, MANUFACTURER, SERIES_DESCRIPTION, Identity
from aegle.records import EvidenceMap, InstanceRef, Prediction, Region

Pixels = NDArray[np.uint8]
SERIES_NUMBER = 9002
MAX_SIDE_PX = 1024
BAND_PX = 64  #: height of the strip of text below the picture, so that no cell is covered
HEAT = np.array([255, 60, 0], np.float32)
HEAT_OPACITY = 0.45
OUTLINE = (255, 214, 0)


def pictured(prediction: Prediction) -> str:
    """SOP Instance UID of the image whose picture the overlay shows: that of the first evidence map."""
    return prediction.evidence[0].sop_uid if prediction.evidence else prediction.sources[0].sop_uid


def overlay(
    prediction: Prediction, sources: Mapping[str, Dataset], picture: Pixels, identity: Identity, notice: str
) -> Dataset:
    """Secondary Capture of `picture` (`[H, W, 3] uint8 RGB`, the whole of the image that `pictured` names).

    Burned In Annotation is NO: the words drawn in name the model and its finding, nothing that identifies a patient.
    """
    shown = pictured(prediction)
    source = sources[shown]
    drawn = _drawn(prediction, source, shown, picture, notice)
    made = _header(source, prediction, identity)
    made.SourceImageSequence = [_reference(one) for one in prediction.sources if one.sop_uid == shown]
    made.DerivationDescription = f"Evidence and regions of {prediction.bundle.name} {prediction.bundle.version}"
    made.Rows, made.Columns = drawn.shape[:2]
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    pixels = drawn.tobytes()
    made.PixelData = pixels + bytes(len(pixels) % 2)
    return made


def _header(source: Dataset, prediction: Prediction, identity: Identity) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, identity.uid("sc")
    made.StudyInstanceUID, made.SeriesInstanceUID = source.StudyInstanceUID, identity.uid("sc series")
    for keyword in INHERITED:
        setattr(made, keyword, source.get(keyword, ""))
    for keyword in CARRIED:
        if keyword in source:
            made[keyword] = source[keyword]
    made.Modality, made.ConversionType = "OT", "WSD"
    made.SeriesNumber, made.InstanceNumber, made.SeriesDescription = SERIES_NUMBER, 1, SERIES_DESCRIPTION
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, prediction.bundle.name
    made.SoftwareVersions, made.DeviceSerialNumber = prediction.bundle.version, prediction.bundle.digest[:16]
    made.ImageType, made.PatientOrientation = ["DERIVED", "SECONDARY"], ""
    made.BodyPartExamined, made.ImageLaterality = "CERVIX", "U"
    made.BurnedInAnnotation = "NO"
    if source.get("LossyImageCompression") == "01":  # once lossy, always lossy (PS3.3 C.7.6.1.1.5)
        made.LossyImageCompression = "01"
        for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if keyword in source:
                made[keyword] = source[keyword]
    identity.stamp(made)
    made.file_meta = identity.file_meta(made)
    return made


def _reference(image: InstanceRef) -> Dataset:
    item, purpose = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.sop_class, image.sop_uid
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


# --- drawing


def _drawn(prediction: Prediction, source: Dataset, shown: str, picture: Pixels, notice: str) -> Pixels:
    canvas = _fitted(picture)
    for one in prediction.evidence:
        if one.sop_uid == shown and prediction.regions:
            canvas = _heated(canvas, one)
    columns = int(source.get("TotalPixelMatrixColumns") or source.Columns)
    _outline(canvas, (one for one in prediction.regions if one.sop_uid == shown), canvas.width / columns)
    return _captioned(canvas, _caption(prediction, notice))


def _fitted(picture: Pixels) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    shrink = MAX_SIDE_PX / max(image.size)
    if shrink >= 1:
        return image
    width, height = (max(1, round(side * shrink)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def _heated(canvas: Image.Image, evidence: EvidenceMap) -> Image.Image:
    values = np.frombuffer(base64.b64decode(evidence.values_b64), np.uint8).reshape(evidence.rows, evidence.columns)
    spread = Image.fromarray(values).resize(canvas.size, Image.Resampling.BILINEAR)
    share = np.asarray(spread, np.float32)[..., None] / 255 * HEAT_OPACITY
    mixed = np.asarray(canvas, np.float32) * (1 - share) + HEAT * share
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _outline(canvas: Image.Image, regions: Iterable[Region], scale: float) -> None:
    pen = ImageDraw.Draw(canvas)
    for region in regions:
        points = [(x * scale, y * scale) for x, y in region.polygon_px]
        pen.line([*points, points[0]], fill=OUTLINE, width=2)


def _caption(prediction: Prediction, notice: str) -> str:
    point, bundle = prediction.operating_point, prediction.bundle
    finding = (
        f"{SERIES_DESCRIPTION}: {prediction.finding}, score {prediction.score:.2f}, threshold {point.threshold:.2f}"
    )
    return f"{finding}\n{bundle.name} {bundle.version}. {notice}"


def _captioned(canvas: Image.Image, words: str) -> Pixels:
    """The picture with a strip of words below; the strip's letters shrink to fit a narrow picture."""
    whole = Image.new("RGB", (canvas.width, canvas.height + BAND_PX), "black")
    whole.paste(canvas, (0, 0))
    pen, size = ImageDraw.Draw(whole), 20
    while size > 8 and pen.multiline_textbbox((0, 0), words, font=ImageFont.load_default(size))[2] > canvas.width - 16:
        size -= 1
    pen.multiline_text((8, canvas.height + 8), words, fill="white", font=ImageFont.load_default(size))
    return np.asarray(whole)
