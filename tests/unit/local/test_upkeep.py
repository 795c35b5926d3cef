"""An archive is looked over against its own index, and the index is made again from the files."""

import shutil
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from aegle.errors import NotFound, Overloaded
from aegle.local.archive import FileArchive
from aegle.local.archive.upkeep import Trouble, check, export, rebuild
from aegle.records import StoredInstance


@pytest.fixture
def stored(tmp_path: Path) -> list[StoredInstance]:
    archive, found = FileArchive(tmp_path / "archive"), []
    for name in ("CT_small.dcm", "MR_small.dcm", "SC_rgb_rle_2frame.dcm"):
        shutil.copy(get_testdata_file(name, download=False), tmp_path / name)
        found.append(archive.put(tmp_path / name))
    archive.close()
    return found


def path_of(tmp_path: Path, item: StoredInstance) -> Path:
    (found,) = (tmp_path / "archive" / "files").rglob(f"{item.sop_uid}.dcm")
    return found


def test_an_archive_as_acknowledged_has_no_findings(stored: list[StoredInstance], tmp_path: Path) -> None:
    assert list(check(tmp_path / "archive")) == []


def test_each_trouble_is_named(stored: list[StoredInstance], tmp_path: Path) -> None:
    gone, changed, kept = stored
    path_of(tmp_path, gone).unlink()
    with path_of(tmp_path, changed).open("r+b") as file:
        file.seek(-10, 2)
        file.write(b"?")
    (path_of(tmp_path, kept).parent / "1.2.3.dcm").write_bytes(b"not DICOM")
    assert {(finding.trouble, finding.name) for finding in check(tmp_path / "archive")} == {
        (Trouble.MISSING_FILE, gone.sop_uid),
        (Trouble.CHANGED_FILE, changed.sop_uid),
        (Trouble.UNREADABLE_FILE, "1.2.3"),
    }


def test_a_lost_index_is_made_again_from_the_files(stored: list[StoredInstance], tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    (folder / "index.db").unlink()
    assert {finding.trouble for finding in check(folder)} == {Trouble.NOT_INDEXED}
    assert rebuild(folder) == 3
    assert list(check(folder)) == []
    archive = FileArchive(folder)
    assert [archive.find(item.sop_uid) for item in stored] == stored
    assert len(archive.frames(stored[2], [1, 2])) == 2
    archive.close()


def test_rebuilding_a_good_index_changes_nothing_and_keeps_the_old(
    stored: list[StoredInstance], tmp_path: Path
) -> None:
    rebuild(tmp_path / "archive")
    assert list(check(tmp_path / "archive")) == []
    assert (tmp_path / "archive" / "index.db.before").exists()


def test_a_study_is_copied_out_byte_for_byte(stored: list[StoredInstance], tmp_path: Path) -> None:
    item = stored[0]
    assert export(tmp_path / "archive", item.study_uid, tmp_path / "out") == 1
    copied = tmp_path / "out" / item.series_uid / f"{item.sop_uid}.dcm"
    assert copied.read_bytes() == path_of(tmp_path, item).read_bytes()
    with pytest.raises(NotFound):
        export(tmp_path / "archive", "1.2.3.4", tmp_path / "other")


def test_two_programs_do_not_open_one_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aegle.durable.claim.__defaults__", (0.1,))
    first = FileArchive(tmp_path / "archive")
    with pytest.raises(Overloaded):
        FileArchive(tmp_path / "archive")
    first.close()
    FileArchive(tmp_path / "archive").close()
