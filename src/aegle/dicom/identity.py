"""What a result object is known by: UIDs and times that derive from the prediction, so a rebuild is the same bytes."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from aegle.records import Prediction

IMPLEMENTATION_UID = UID("2.25.302837262914733051868203911473519960412")
IMPLEMENTATION_NAME = "AEGLE_1"
MANUFACTURER = "Aegle"
SERIES_DESCRIPTION = "AI finding, not a diagnosis"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """UIDs and time of one prediction's result objects."""

    study_uid: str
    basis: str
    moment: datetime  #: aware UTC

    @classmethod
    def of(cls, prediction: Prediction) -> "Identity":
        """The same study, input, model and policy give the same UIDs, on whatever machine and however often."""
        point = prediction.operating_point
        parts = (
            prediction.study_uid,
            prediction.input_digest,
            prediction.bundle.digest,
            point.policy,
            f"{point.threshold:.6f}",
        )
        moment = prediction.decided_at.astimezone(UTC)
        return cls(study_uid=prediction.study_uid, basis="/".join(parts), moment=moment)

    def uid(self, kind: str) -> UID:
        """`2.25.` and 128 bits of SHA-256 (PS3.5 B.2)."""
        digest = hashlib.sha256(f"{self.basis}/{kind}".encode()).digest()
        return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")

    def stamp(self, made: Dataset) -> None:
        """Set every date and time of an instance to the moment of the decision, in UTC."""
        date, time = self.moment.strftime("%Y%m%d"), self.moment.strftime("%H%M%S")
        for keyword in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
            setattr(made, keyword, date)
        for keyword in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
            setattr(made, keyword, time)
        made.TimezoneOffsetFromUTC = "+0000"

    def file_meta(self, made: Dataset) -> FileMetaDataset:
        """File meta information (PS3.10 Section 7.1) that names us, not the library of the day."""
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION_UID, IMPLEMENTATION_NAME
        return meta


#: Type 2 attributes of patient and study that a result takes over from its source (PS3.3 C.7.1.1, C.7.2.1)
INHERITED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
#: and what must follow it so that a receiver knows the object is a pseudonym's
CARRIED = ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence", "StudyDescription")
