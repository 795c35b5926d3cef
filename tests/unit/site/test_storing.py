"""The archive's endpoint takes de-identified objects alone, and audits each one it refuses."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from aegle.access import Act
from aegle.errors import BadDicom
from aegle.local.archive import FileArchive
from aegle.local.audit import ChainedLines
from aegle.records import AuditOutcome
from aegle.site.storing import Storing


class Stage:
    """An archive that stores, and its trail."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.archive = folder, FileArchive(folder / "archive")
        self.trail = ChainedLines(folder / "audit", "st-anna", "site")
        self.storing = Storing(site="st-anna", archive=self.archive, audit=self.trail)

    def take(self, study_uid: str = "", **attributes: str) -> int:
        made = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        for name, value in attributes.items():
            setattr(made, name, value)
        made.save_as(self.folder / "one.dcm")
        return self.storing.take(self.folder / "one.dcm", "", study_uid).reason

    def refused(self) -> list[str]:
        told = [event for event in self.trail.read(9) if event.outcome is AuditOutcome.REFUSED]
        assert {event.act for event in told} <= {Act.ARCHIVE_INSTANCE_STORE}
        return [str(event.facts["reason"]) for event in told][::-1]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.archive.close()
    made.trail.close()


def test_an_object_that_says_it_is_de_identified_is_kept(stage: Stage) -> None:
    assert stage.take(PatientIdentityRemoved="YES") == 0
    assert len(stage.archive.studies(9)) == 1
    assert stage.refused() == []


def test_an_object_that_does_not_say_so_is_refused_and_audited(stage: Stage) -> None:
    assert stage.take() == 0x0110
    assert stage.take(PatientIdentityRemoved="NO") == 0x0110
    assert list(stage.archive.studies(9)) == []
    assert stage.refused() == ["0110", "0110"]


def test_other_bytes_and_another_study_are_refused_and_audited(stage: Stage) -> None:
    assert stage.take(PatientIdentityRemoved="YES") == 0
    assert stage.take(PatientIdentityRemoved="YES", PatientID="x") == 0x0111
    assert stage.take(study_uid="2.25.1", PatientIdentityRemoved="YES") == 0xA900
    assert stage.refused() == ["0111", "A900"]


def test_what_is_not_dicom_is_refused(stage: Stage) -> None:
    (stage.folder / "no").write_bytes(bytes(500))
    with pytest.raises(BadDicom):
        stage.storing.take(stage.folder / "no", "", "")
