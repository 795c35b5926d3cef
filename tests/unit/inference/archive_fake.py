"""An archive in memory over files that `demo.studies` wrote; frames are read by pydicom."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom.encaps import generate_frames

from aegle.errors import NotFound
from aegle.records import StoredInstance


class MemoryArchive:
    """An `ArchiveReader`."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths: dict[str, Path] = {}
        self._instances: list[StoredInstance] = []
        for path in paths:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            self._paths[header.SOPInstanceUID] = path
            self._instances.append(_stored(path, header))

    @property
    def every(self) -> Sequence[StoredInstance]:
        return sorted(self._instances, key=lambda one: (one.series_uid, one.sop_uid))

    def instances(self, study_uid: str) -> Sequence[StoredInstance]:
        return [one for one in self.every if one.study_uid == study_uid]

    def metadata(self, instance: StoredInstance) -> Mapping[str, Any]:
        header = pydicom.dcmread(self._path(instance), stop_before_pixels=True)
        header.pop("ExtendedOffsetTable", None)
        header.pop("ExtendedOffsetTableLengths", None)
        return header.to_json_dict()

    def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
        whole = pydicom.dcmread(self._path(instance))
        if not whole.file_meta.TransferSyntaxUID.is_compressed:
            return [whole.PixelData for _ in numbers]
        extended = (
            (whole.ExtendedOffsetTable, whole.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in whole else None
        )
        frames = list(generate_frames(whole.PixelData, number_of_frames=instance.frames, extended_offsets=extended))
        return [frames[number - 1] for number in numbers]

    def _path(self, instance: StoredInstance) -> Path:
        if instance.sop_uid not in self._paths:
            raise NotFound("no such instance")
        return self._paths[instance.sop_uid]


def _stored(path: Path, header: pydicom.Dataset) -> StoredInstance:
    return StoredInstance(
        study_uid=header.StudyInstanceUID,
        series_uid=header.SeriesInstanceUID,
        sop_uid=header.SOPInstanceUID,
        sop_class=header.SOPClassUID,
        transfer_syntax=header.file_meta.TransferSyntaxUID,
        size_bytes=path.stat().st_size,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        modality=header.Modality,
        frames=int(header.get("NumberOfFrames", 1)),
        rows=header.Rows,
        columns=header.Columns,
    )
