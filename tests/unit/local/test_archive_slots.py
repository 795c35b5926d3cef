"""An object received into a slot of the archive: nothing acknowledged is lost, whatever a crash leaves of it."""

import errno
import shutil
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from aegle.errors import BadDicom, Conflict
from aegle.local.archive import FileArchive
from aegle.local.archive.upkeep import check, rebuild
from aegle.records import StoredInstance

CONTENT = Path(get_testdata_file("CT_small.dcm", download=False))


def put(archive: FileArchive, content: bytes = CONTENT.read_bytes()) -> StoredInstance:
    slot = archive.new_file()
    slot.write_bytes(content)
    try:
        return archive.put(slot)
    finally:
        slot.unlink(missing_ok=True)  # as its owner does with what was not taken


def filled(folder: Path) -> list[Path]:
    return [path for path in (folder / "slots").iterdir() if path.stat().st_size]


def test_an_object_goes_from_its_slot_to_its_place(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path)
    stored = put(archive)
    assert archive.open(stored).read_bytes() == CONTENT.read_bytes()
    assert put(archive) == stored
    with pytest.raises(Conflict):
        put(archive, CONTENT.read_bytes() + b"\0\0")
    with pytest.raises(BadDicom):
        put(archive, b"none")
    archive.close()
    assert filled(tmp_path) == []
    assert list(check(tmp_path)) == []


def test_a_file_whose_new_name_the_power_took_is_found_by_its_slot(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path)
    stored = put(archive)
    archive.close()
    archive.open(stored).rename(tmp_path / "slots" / "slot-1")
    again = FileArchive(tmp_path)
    assert again.open(stored).read_bytes() == CONTENT.read_bytes()
    again.close()
    assert list(check(tmp_path)) == []


def test_what_was_never_acknowledged_goes_at_the_next_start(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path)
    archive.new_file().write_bytes(CONTENT.read_bytes())
    archive.new_file().write_bytes(CONTENT.read_bytes()[:20_000])
    archive.close()
    FileArchive(tmp_path).close()
    assert list((tmp_path / "slots").iterdir()) == []
    assert list(check(tmp_path)) == []


def test_an_object_whose_place_cannot_be_named_is_served_from_its_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = FileArchive(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    slot = archive.new_file()
    shutil.copyfile(CONTENT, slot)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        stored = archive.put(slot)
    assert archive.open(stored).read_bytes() == CONTENT.read_bytes()
    archive.close()
    again = FileArchive(tmp_path)
    assert again.open(stored).read_bytes() == CONTENT.read_bytes()
    again.close()
    assert list(check(tmp_path)) == []


@pytest.mark.parametrize("is_index_there", [True, False])
def test_making_the_index_anew_loses_nothing_that_lies_in_a_slot(tmp_path: Path, is_index_there: bool) -> None:
    archive = FileArchive(tmp_path)
    stored = put(archive)
    archive.close()
    archive.open(stored).rename(tmp_path / "slots" / "slot-1")
    if not is_index_there:
        (tmp_path / "index.db").unlink()
    assert rebuild(tmp_path) == int(is_index_there)
    kept = list((tmp_path / "unproved").iterdir()) if not is_index_there else [archive.open(stored)]
    assert [path.read_bytes() for path in kept] == [CONTENT.read_bytes()]
