"""Headers of synthetic DICOM: an invented patient, hospital and microscope, as detailed as a real archive's.

Every identity is obviously invented, and every value derives from arguments: the same call writes the same bytes.
"""

import hashlib
from dataclasses import dataclass
from functools import cache

from PIL import ImageCms
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

MICROSCOPIC = UID("1.2.840.10008.5.1.4.1.1.77.1.2")  #: VL Microscopic Image Storage
WHOLE_SLIDE = UID("1.2.840.10008.5.1.4.1.1.77.1.6")  #: VL Whole Slide Microscopy Image Storage
IMPLEMENTATION = UID("2.25.120468513796120417741219871623254718233")
NOTICE = "Synthetic, not for clinical use"


@dataclass(frozen=True, kw_only=True)
class SyntheticPatient:
    """Somebody who does not exist, and the visit."""

    name: str = "Demo^Anna"
    patient_id: str = "DEMO-0001"
    birth_date: str = "19800229"
    sex: str = "F"
    accession: str = "DEMO-ACC-1"
    study_date: str = "20261120"
    study_time: str = "101500"
    institution: str = "Demo Hospital St. Anna"
    physician: str = "Demo^Referring^^Dr."
    operator: str = "Demo^Operator"


@dataclass(frozen=True, kw_only=True)
class StudyUids:
    """UIDs of one synthetic study, derived from what makes it unlike the others."""

    seed: str

    def uid(self, part: str) -> UID:
        """`2.25.` and 128 bits of SHA-256 (PS3.5 B.2)."""
        digest = hashlib.sha256(f"aegle demo/{self.seed}/{part}".encode()).digest()
        return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def header(sop_class: UID, modality: str, patient: SyntheticPatient, uids: StudyUids, part: str) -> Dataset:
    """Patient, study, series, equipment and private elements of one instance; the file meta is in place."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = sop_class, uids.uid(part)
    made.StudyInstanceUID, made.SeriesInstanceUID = uids.uid("study"), uids.uid(f"series {modality}")
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = sop_class, made.SOPInstanceUID
    made.file_meta.ImplementationClassUID = IMPLEMENTATION
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _add_patient(made, patient)
    _add_study(made, patient, modality)
    _add_equipment(made, patient)
    block = made.private_block(0x0011, "AEGLE DEMO 1.0", create=True)
    block.add_new(0x01, "LO", f"Scanned for {patient.name}")
    return made


def _add_patient(made: Dataset, patient: SyntheticPatient) -> None:
    made.PatientName, made.PatientID, made.IssuerOfPatientID = patient.name, patient.patient_id, "DEMO"
    made.PatientBirthDate, made.PatientSex, made.PatientAge = patient.birth_date, patient.sex, "046Y"
    made.PatientAddress, made.PatientTelephoneNumbers = "1 Demo Street, Demotown", "+00 000 000000"
    made.OtherPatientNames = "Demo^Born"
    made.PatientComments = NOTICE


def _add_study(made: Dataset, patient: SyntheticPatient, modality: str) -> None:
    made.StudyDate, made.StudyTime, made.StudyID = patient.study_date, patient.study_time, "1"
    made.SeriesDate, made.SeriesTime = patient.study_date, patient.study_time
    made.ContentDate, made.ContentTime = patient.study_date, patient.study_time
    made.AcquisitionDateTime = patient.study_date + patient.study_time
    made.AccessionNumber = patient.accession
    made.ReferringPhysicianName, made.OperatorsName = patient.physician, patient.operator
    made.StudyDescription = f"Cervical cytology. {NOTICE}"
    made.Modality, made.SeriesNumber, made.InstanceNumber = modality, 1, 1


def _add_equipment(made: Dataset, patient: SyntheticPatient) -> None:
    made.Manufacturer, made.ManufacturerModelName = "Aegle demo", "Synthetic microscope"
    made.DeviceSerialNumber, made.SoftwareVersions = "DEMO-1", "1.0"
    made.InstitutionName, made.InstitutionAddress = patient.institution, "2 Demo Street, Demotown"
    made.StationName = "DEMO-SCOPE"


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    """One code sequence item (PS3.3 Table 8.8-1)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def specimen(patient: SyntheticPatient, uids: StudyUids) -> Dataset:
    """One Papanicolaou-stained smear (PS3.3 C.7.6.22), with the steps that made it."""
    described = Dataset()
    described.SpecimenIdentifier = f"{patient.accession}-A"
    described.IssuerOfTheSpecimenIdentifierSequence = []
    described.SpecimenUID = uids.uid("specimen")
    described.SpecimenShortDescription = "Cervical smear"
    described.PrimaryAnatomicStructureSequence = [coded("71252005", "SCT", "Cervix")]
    described.SpecimenPreparationSequence = [_stained(described.SpecimenIdentifier)]
    return described


def _stained(identifier: str) -> Dataset:
    step = Dataset()
    step.SpecimenPreparationStepContentItemSequence = [
        _text(("121041", "DCM", "Specimen Identifier"), identifier),
        _code(("111701", "DCM", "Processing type"), ("127790008", "SCT", "Staining")),
        _code(("424361007", "SCT", "Using substance"), ("12710003", "SCT", "hematoxylin stain")),
        _code(("424361007", "SCT", "Using substance"), ("45841008", "SCT", "eosin Y stain")),
    ]
    return step


def _text(name: tuple[str, str, str], value: str) -> Dataset:
    content = Dataset()
    content.ValueType, content.ConceptNameCodeSequence, content.TextValue = "TEXT", [coded(*name)], value
    return content


def _code(name: tuple[str, str, str], value: tuple[str, str, str]) -> Dataset:
    content = Dataset()
    content.ValueType = "CODE"
    content.ConceptNameCodeSequence, content.ConceptCodeSequence = [coded(*name)], [coded(*value)]
    return content


@cache
def srgb_profile() -> bytes:
    """An sRGB ICC profile, with its time of making (bytes 24 to 35) fixed."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[24:36] = bytes([7, 0xEA, 0, 11, 0, 20, 0, 0, 0, 0, 0, 0])
    return bytes(made) + bytes(len(made) % 2)
