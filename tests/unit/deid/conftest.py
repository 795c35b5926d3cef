"""Objects to de-identify: small, whole, and full of a patient who does not exist."""

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from aegle.deid import Deidentified, Held, Pseudonyms, Vault, check, default_profile, deidentify

MICROSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.2"


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small objects are written here; none needs to survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="session")
def pseudonyms() -> Pseudonyms:
    return Pseudonyms.from_secret(bytes(range(32)))


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault.sqlite", bytes(range(1, 33)))


@pytest.fixture
def still() -> Callable[..., Dataset]:
    """Makes a VL Microscopic still of 4 x 4 pixels under a named patient."""

    def make(**values: object) -> Dataset:
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.SOPClassUID, ds.SOPInstanceUID = MICROSCOPIC, "1.2.826.0.1.3680043.9.9999.3"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.9.9999.1", "1.2.826.0.1.3680043.9.9999.2"
        ds.ImageType, ds.Modality, ds.BurnedInAnnotation = ["ORIGINAL", "PRIMARY"], "GM", "NO"
        ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20240229", "134502.123", "ACC-778899"
        ds.PatientName, ds.PatientID, ds.PatientSex = "Quillfeather^Ottilie", "MRN-4711-0815", "F"
        ds.PatientBirthDate, ds.StudyID, ds.ReferringPhysicianName = "19610704", "STU-5150", "Grimthorpe^Barnaby"
        ds.Manufacturer = "Lumenoptik"
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows = ds.Columns = 4
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit, ds.PixelRepresentation, ds.PixelData = 7, 0, bytes(range(16))
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        return ds

    return make


def part10(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


class Run:
    """One de-identification: the outcome, the written bytes, and what the independent check says."""

    def __init__(self, folder: Path, pseudonyms: Pseudonyms, content: bytes) -> None:
        self.source, self.target = folder / "in.dcm", folder / "out.dcm"
        self.source.write_bytes(content)
        self.target.unlink(missing_ok=True)
        self.outcome = deidentify(self.source, self.target, default_profile(), pseudonyms)

    @property
    def done(self) -> Deidentified:
        assert isinstance(self.outcome, Deidentified), self.outcome
        return self.outcome

    @property
    def held(self) -> Held:
        assert isinstance(self.outcome, Held), self.outcome
        assert not self.target.exists()
        assert list(self.target.parent.glob("*.part")) == []
        return self.outcome

    @property
    def bytes(self) -> bytes:
        assert self.done
        return self.target.read_bytes()

    @property
    def dataset(self) -> FileDataset:
        assert self.done
        return dcmread(self.target)

    def check(self) -> Held | None:
        return check(self.source, self.target, self.done, default_profile())


@pytest.fixture
def run(tmp_path: Path, pseudonyms: Pseudonyms) -> Callable[[Dataset | bytes], Run]:
    """De-identifies a data set, or the bytes of a file."""
    return lambda content: Run(tmp_path, pseudonyms, content if isinstance(content, bytes) else part10(content))


@pytest.fixture
def written() -> Callable[[Dataset], bytes]:
    """The Part 10 bytes of a data set."""
    return part10
