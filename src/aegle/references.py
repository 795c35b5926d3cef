"""How an instance is named: the one noun that de-identification needs, apart from the others so that it loads at once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class InstanceRef:
    """One DICOM instance by its UIDs. Outside a site's intake these are always aliases."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
