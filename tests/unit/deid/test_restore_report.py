"""A TID 1500 report built over an alias image is put under the real patient with every reference mapped back."""

from io import BytesIO

import numpy as np
import pytest
from highdicom.sr import (
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    TrackingIdentifier,
)
from highdicom.sr.coding import CodedConcept
from highdicom.sr.content import ImageRegion, SourceImageForRegion
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from aegle.deid import restore


def report(image: Dataset) -> Dataset:
    """One region with one finding, as the site builds them."""
    device = DeviceObserverIdentifyingAttributes(uid="2.25.900", name="aegle")
    observer = ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    region = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid="2.25.901", identifier="region 1"),
        referenced_region=ImageRegion(
            graphic_type="POINT",
            graphic_data=np.array([[1.0, 1.0]]),
            source_image=SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
        ),
        finding_type=CodedConcept("52988006", "SCT", "Lesion"),
        qualitative_evaluations=[
            QualitativeEvaluation(codes.DCM.Finding, CodedConcept("HSIL", "99AEGLE", "High grade lesion"))
        ],
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=CodedConcept("104157003", "SCT", "Light microscopy"),
        imaging_measurements=[region],
    )
    return Comprehensive3DSR(
        evidence=[image],
        content=content,
        series_number=99,
        series_instance_uid="2.25.902",
        sop_instance_uid="2.25.903",
        instance_number=1,
        manufacturer="Aegle",
        is_complete=True,
    )


@pytest.fixture
def restored(still, run, written, vault, pseudonyms):
    outcome = run(still(PatientName="Müller^Jürgen", ContentDate="20240229", ContentTime="134502"))
    vault.record(outcome.done, "d", None)
    alias = written(report(outcome.dataset))
    return outcome.done, restore(alias, vault, pseudonyms)


def test_no_alias_and_no_uid_of_the_hub_is_left(restored):
    done, content = restored
    for alias in (*done.uids, done.patient_alias, "2.25.900", "2.25.901", "2.25.902", "2.25.903"):
        assert alias.encode() not in content.replace(b"\0", b" "), alias


def test_patient_evidence_and_region_are_the_originals(restored):
    done, content = restored
    ds = dcmread(BytesIO(content))
    assert str(ds.PatientName) == "Müller^Jürgen"
    assert ds.StudyInstanceUID == done.source.study_uid
    evidence = ds.CurrentRequestedProcedureEvidenceSequence[0]
    assert evidence.StudyInstanceUID == done.source.study_uid
    assert evidence.ReferencedSeriesSequence[0].SeriesInstanceUID == done.source.series_uid
    assert content.count(done.source.sop_uid.encode()) >= 2
    assert ds.AccessionNumber == "ACC-778899"
