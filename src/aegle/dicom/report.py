"""A prediction as a TID 1500 Measurement Report: scores, quality and regions, with the algorithm that made them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from highdicom import sr
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from aegle.dicom.codes import BY_CODE, SCHEME
from aegle.dicom.identity import CARRIED, INHERITED, MANUFACTURER, SERIES_DESCRIPTION, Identity
from aegle.records import Prediction, Region

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
MAX_REGIONS = 50
SERIES_NUMBER = 9001
Group = sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations
SCHEME_UID = "2.25.217434021768318471022683213549204011811"
SCHEME_NAME = "Aegle cytology and result codes"

_RATIO = CodedConcept("1", "UCUM", "no units")
_CERVIX = CodedConcept("71252005", "SCT", "Cervix")
_IMAGING = CodedConcept("363679005", "SCT", "Imaging procedure")  # of CID 100; nothing of cytology is in it


def structured_report(
    prediction: Prediction, sources: Mapping[str, Dataset], identity: Identity, notice: str
) -> Dataset:
    """Comprehensive SR, or Comprehensive 3D SR where a source is a slide. PRELIMINARY and UNVERIFIED."""
    evidence = [_evidence(sources[one.sop_uid]) for one in prediction.sources]
    kind = sr.Comprehensive3DSR if any(one.SOPClassUID == WHOLE_SLIDE for one in evidence) else sr.ComprehensiveSR
    made: Dataset = kind(
        evidence=evidence,
        content=_content(prediction, evidence, identity, notice)[0],
        series_instance_uid=identity.uid("sr series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=identity.uid("sr"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=prediction.bundle.name,
        software_versions=prediction.bundle.version,
        device_serial_number=prediction.bundle.digest[:16],
        series_description=SERIES_DESCRIPTION,
        is_complete=True,
        is_final=False,
        is_verified=False,
        specific_character_set="ISO_IR 192",
    )
    for keyword in CARRIED:
        if keyword in evidence[0]:
            made[keyword] = evidence[0][keyword]
    made.CodingSchemeIdentificationSequence = [_scheme()]
    del made.ContributingEquipmentSequence  # the library names itself, its version and the time of day
    identity.stamp(made)
    made.file_meta = identity.file_meta(made)
    return made


def _evidence(source: Dataset) -> Dataset:
    """The source with what the library insists on; a de-identified header may lack Type 2 attributes."""
    copy = Dataset()
    copy.update(source)
    for keyword in INHERITED:
        if keyword not in copy:
            setattr(copy, keyword, "")
    return copy


def _content(
    prediction: Prediction, evidence: Sequence[Dataset], identity: Identity, notice: str
) -> sr.MeasurementReport:
    algorithm = _algorithm(prediction, notice)
    regions = prediction.regions[:MAX_REGIONS]
    by_uid = {one.SOPInstanceUID: one for one in evidence}
    groups: list[Group] = [_study_group(prediction, evidence, algorithm, identity)]
    groups += [
        _region_group(number, region, by_uid[region.sop_uid], algorithm, identity)
        for number, region in enumerate(regions, start=1)
    ]
    return sr.MeasurementReport(
        observation_context=_context(prediction, identity),
        procedure_reported=_IMAGING,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )


def _context(prediction: Prediction, identity: Identity) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=identity.uid("device " + prediction.bundle.digest),
        name=prediction.bundle.name,
        manufacturer_name=MANUFACTURER,
        model_name=prediction.bundle.name,
        serial_number=prediction.bundle.version,
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=observer)


def _algorithm(prediction: Prediction, notice: str) -> sr.AlgorithmIdentification:
    point = prediction.operating_point
    parameters = [
        SERIES_DESCRIPTION,
        notice,
        f"bundle sha256 {prediction.bundle.digest}",
        f"threshold {point.threshold:g}",
        f"policy {point.policy}",
    ]
    return sr.AlgorithmIdentification(
        name=prediction.bundle.name,
        version=prediction.bundle.version,
        parameters=[text for text in parameters if text],
    )


def _study_group(
    prediction: Prediction, evidence: Iterable[Dataset], algorithm: sr.AlgorithmIdentification, identity: Identity
) -> sr.MeasurementsAndQualitativeEvaluations:
    values = [(f"SCORE-{one.code}", f"Score of {one.code}", one.value) for one in prediction.scores]
    values += [
        ("SCORE-ABNORMAL", "Score of any abnormality", prediction.score),
        ("THRESHOLD", "Threshold of abnormality", prediction.operating_point.threshold),
        ("FOCUS", "Relative sharpness of the image", prediction.quality.focus),
        ("CELLS", "Cells counted", float(prediction.quality.cells)),
    ]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=identity.uid("study result"), identifier="study"),
        finding_type=_finding(prediction.finding),
        algorithm_id=algorithm,
        finding_sites=[sr.FindingSite(_CERVIX)],
        measurements=[_measurement(*value) for value in values],
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(one) for one in evidence],
    )


def _region_group(
    number: int, region: Region, source: Dataset, algorithm: sr.AlgorithmIdentification, identity: Identity
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    closed = np.array([*region.polygon_px, region.polygon_px[0]], np.float32)
    slide = source.SOPClassUID == WHOLE_SLIDE
    outline = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=closed,
        source_image=sr.SourceImageForRegion.from_source_image(source),
        pixel_origin_interpretation=sr.PixelOriginInterpretationValues.VOLUME if slide else None,
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=identity.uid(f"region {number}"), identifier=f"region {number}"),
        referenced_region=outline,
        finding_type=_finding(region.code),
        algorithm_id=algorithm,
        finding_sites=[sr.FindingSite(_CERVIX)],
        measurements=[_measurement("EVIDENCE", "Strongest evidence in the region", region.score)],
    )


def _measurement(code: str, meaning: str, value: float) -> sr.Measurement:
    return sr.Measurement(name=CodedConcept(code, SCHEME, meaning), value=round(value, 6), unit=_RATIO)


def _finding(code: str) -> CodedConcept:
    """Our code with its name; a model may have a class of its own, named by its code."""
    known = BY_CODE.get(code)
    return CodedConcept(code, SCHEME, known.name if known else code)


def _scheme() -> Dataset:
    """What our private designator stands for (PS3.3 C.12.1.1.7)."""
    item = Dataset()
    item.CodingSchemeDesignator, item.CodingSchemeUID, item.CodingSchemeName = SCHEME, SCHEME_UID, SCHEME_NAME
    item.CodingSchemeResponsibleOrganization = "The Aegle authors"
    return item
