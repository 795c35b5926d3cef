"""An object on its way into the archive's files and index: whole, or nothing of it, whatever stops it."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from aegle import durable
from aegle.errors import Forbidden, NotFound, StorageFull
from aegle.local.archive import FileArchive
from aegle.local.archive.index import Index
from aegle.local.archive.tables import Tables
from aegle.local.archive.upkeep import check
from aegle.records import InstanceRef


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FileArchive]:
    made = FileArchive(tmp_path / "archive")
    yield made
    made.close()


def source(tmp_path: Path, name: str = "CT_small.dcm") -> Path:
    shutil.copy(get_testdata_file(name, download=False), tmp_path / name)
    return tmp_path / name


def files(folder: Path) -> list[Path]:
    return [path for part in ("files", "incoming") for path in (folder / "archive" / part).rglob("*") if path.is_file()]


def test_what_is_not_accepted_is_handed_back_and_leaves_nothing(archive: FileArchive, tmp_path: Path) -> None:
    def refuse(instance: InstanceRef, header: object) -> None:
        raise Forbidden("not this one")

    with pytest.raises(Forbidden):
        archive.put(source(tmp_path), "", refuse)
    assert (tmp_path / "CT_small.dcm").exists()
    assert files(tmp_path) == []


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR"])
def test_an_index_without_room_is_a_full_disk_and_the_file_goes_back(
    archive: FileArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = getattr(sqlite3, code)
        raise error

    monkeypatch.setattr(archive._index, "_write", fail)
    with pytest.raises(StorageFull):
        archive.put(source(tmp_path))
    assert (tmp_path / "CT_small.dcm").exists()
    assert files(tmp_path) == []
    monkeypatch.undo()
    archive.put(tmp_path / "CT_small.dcm")
    assert list(check(tmp_path / "archive")) == []


@pytest.mark.parametrize("failing", range(1, 4))
def test_a_disk_that_is_full_at_any_sync_leaves_nothing_and_the_next_try_is_kept(
    archive: FileArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    really, left = os.fsync, iter(range(failing - 1))

    def sync(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "full")
        really(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    try:
        archive.put(source(tmp_path))
    except StorageFull:
        assert (tmp_path / "CT_small.dcm").exists()
        assert files(tmp_path) == []
        monkeypatch.undo()
        archive.put(tmp_path / "CT_small.dcm")
    assert list(check(tmp_path / "archive")) == []
    assert len(files(tmp_path)) == 1


def test_what_a_crash_left_on_its_way_is_cleared_and_what_was_indexed_stays(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path / "archive")
    kept = archive.put(source(tmp_path))
    place = archive.open(kept)
    incoming = tmp_path / "archive" / "incoming"
    os.link(place, incoming / "indexed.dcm")  # killed before its first name went
    shutil.copy(get_testdata_file("MR_small.dcm", download=False), incoming / "unknown.dcm")
    other = archive._place("1.3.6.1.4.1.5962.1.1.4.1.1.20040826185059.5457")
    os.link(incoming / "unknown.dcm", other)  # killed before it was indexed
    (incoming / "torn.dcm").write_bytes(b"half")
    archive.close()
    assert [finding.trouble for finding in check(tmp_path / "archive")] == ["not-indexed"]
    archive = FileArchive(tmp_path / "archive")
    assert files(tmp_path) == [place]
    assert list(check(tmp_path / "archive")) == []
    archive.close()


def test_an_error_of_sqlite_that_is_no_lack_of_room_passes_as_it_is() -> None:
    error = sqlite3.OperationalError("locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    with pytest.raises(sqlite3.OperationalError), durable.storage():
        raise error


def test_tables_of_frames_are_remembered_within_a_bound_and_never_for_other_bytes(
    archive: FileArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [archive.put(source(tmp_path, name)) for name in ("CT_small.dcm", "MR_small.dcm", "SC_rgb_rle_2frame.dcm")]
    asked = list[str]()
    really = Index.frame_table
    monkeypatch.setattr(Index, "frame_table", lambda self, uid: asked.append(uid) or really(self, uid))
    monkeypatch.setattr("aegle.local.archive.tables.MAX_BYTES", 32 + 48)
    tables = Tables(archive._index)
    for item in (kept[0], kept[0], kept[1], kept[2], kept[2], kept[0]):
        assert len(tables.of(item)) == item.frames
    assert asked == [kept[0].sop_uid, kept[1].sop_uid, kept[2].sop_uid, kept[0].sop_uid]
    archive.delete(kept[0])
    with pytest.raises(NotFound):
        archive.frames(kept[0], [1])
