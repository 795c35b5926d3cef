"""What was valid DICOM stays so: dciodvfy finds no error in the output that it did not find in the input."""

import re
import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def text_item(concept: Dataset, text: str) -> Dataset:
    item = Dataset()
    item.ValueType, item.ConceptNameCodeSequence, item.TextValue = "TEXT", [concept], text
    return item


def code_item(concept: Dataset, value: Dataset) -> Dataset:
    item = Dataset()
    item.ValueType, item.ConceptNameCodeSequence, item.ConceptCodeSequence = "CODE", [concept], [value]
    return item


def specimen() -> Dataset:
    item = Dataset()
    item.SpecimenIdentifier, item.SpecimenUID = "S26-4711-A", "1.2.826.0.1.3680043.9.9999.8"
    item.IssuerOfTheSpecimenIdentifierSequence = []
    step = Dataset()
    step.SpecimenPreparationStepContentItemSequence = [
        text_item(code("121041", "DCM", "Specimen Identifier"), "S26-4711-A"),
        code_item(code("111701", "DCM", "Processing type"), code("127790008", "SCT", "Staining")),
        code_item(code("424361007", "SCT", "Using substance"), code("12710003", "SCT", "Hematoxylin stain")),
    ]
    item.SpecimenPreparationSequence = [step]
    return item


@pytest.fixture
def slide_still(still):
    ds = still(SpecimenDescriptionSequence=[specimen()], ContainerIdentifier="S26-4711")
    ds.IssuerOfTheContainerIdentifierSequence = []
    ds.ContainerTypeCodeSequence = [code("433466003", "SCT", "Microscope slide")]
    ds.AcquisitionContextSequence, ds.Laterality = [], ""
    ds.ContentDate, ds.ContentTime, ds.AcquisitionDateTime = "20240229", "134502", "20240229134502"
    ds.SeriesNumber, ds.InstanceNumber, ds.LossyImageCompression = 1, 1, "00"
    return ds


def test_stain_codes_survive_and_specimens_keep_their_ties(slide_still, run, pseudonyms):
    outcome = run(slide_still)
    assert outcome.check() is None
    ds = outcome.dataset
    steps = ds.SpecimenDescriptionSequence[0].SpecimenPreparationSequence[0].SpecimenPreparationStepContentItemSequence
    assert [step.ConceptCodeSequence[0].CodeValue for step in steps[1:]] == ["127790008", "12710003"]
    assert ds.SpecimenDescriptionSequence[0].SpecimenIdentifier == pseudonyms.token("S26-4711-A")
    assert ds.ContainerIdentifier == pseudonyms.token("S26-4711")
    assert b"4711" not in outcome.bytes


def errors(path: Path) -> list[str]:
    """dciodvfy's errors with UIDs cut off, since those differ."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", timeout=30)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
    return sorted(re.sub(r"(?<=UID )[0-9.]+", "of some kind", line) for line in lines)


@pytest.mark.peer("dciodvfy")
def test_a_cytology_still_gains_no_error(slide_still, run):
    outcome = run(slide_still)
    assert outcome.done
    assert set(errors(outcome.target)) <= set(errors(outcome.source))


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "test-SR.dcm", "reportsi.dcm"])
def test_a_shipped_file_gains_no_error(name, run):
    outcome = run(Path(str(get_testdata_file(name))).read_bytes())
    assert outcome.done
    assert set(errors(outcome.target)) <= set(errors(outcome.source))


@pytest.mark.peer("dcmdump")
def test_dcmtk_reads_every_byte(slide_still, run):
    slide_still.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    outcome = run(slide_still)
    assert outcome.done
    done = subprocess.run(["dcmdump", "-q", "+L", str(outcome.target)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and not done.stderr
