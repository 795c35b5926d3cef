"""The Archive port's contract, on every implementation we have on this machine."""

import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from aegle.errors import BadDicom, Conflict, Forbidden, NotFound, Unauthenticated
from aegle.local.archive import FileArchive
from aegle.pages.servers import HttpServer
from aegle.ports import ArchiveReader
from aegle.protocols.dicomweb_client import DicomWebArchive
from aegle.protocols.dicomweb_server import archive_app
from aegle.records import StoredInstance


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FileArchive]:
    made = FileArchive(tmp_path / "archive")
    yield made
    made.close()


def put(archive: FileArchive, tmp_path: Path, name: str = "SC_rgb_rle_2frame.dcm") -> StoredInstance:
    source = tmp_path / "incoming.dcm"
    shutil.copy(get_testdata_file(name, download=False), source)
    return archive.put(source)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["local", "dicomweb"])
def reader(request: pytest.FixtureRequest, archive: FileArchive) -> Iterator[ArchiveReader]:
    """The same archive, read in the process and over HTTP."""
    if request.param == "local":
        yield archive
        return
    port = free_port()
    server = HttpServer(archive_app(archive, lambda *_: None), "127.0.0.1", port)
    server.start()
    with DicomWebArchive(f"http://127.0.0.1:{port}", "any") as client:
        yield client
    server.stop()


def test_what_was_put_is_found_with_its_facts(archive: FileArchive, tmp_path: Path, reader: ArchiveReader) -> None:
    stored = put(archive, tmp_path)
    (found,) = reader.instances(stored.study_uid)
    assert replace(found, digest=stored.digest, size_bytes=stored.size_bytes) == stored
    assert (stored.frames, stored.modality, stored.transfer_syntax) == (2, "OT", "1.2.840.10008.1.2.5")


def test_frames_come_as_stored_and_in_the_order_asked(
    archive: FileArchive, tmp_path: Path, reader: ArchiveReader
) -> None:
    stored = put(archive, tmp_path)
    dataset = pydicom.dcmread(archive.open(stored))
    wanted = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=2))
    numbers = [2, 1, 2]
    assert list(reader.frames(stored, numbers)) == [wanted[number - 1] for number in numbers]


def test_metadata_is_the_dicom_json_without_pixels(archive: FileArchive, tmp_path: Path, reader: ArchiveReader) -> None:
    stored = put(archive, tmp_path)
    metadata = reader.metadata(stored)
    assert metadata["00080018"]["Value"] == [stored.sop_uid]
    assert "7FE00010" not in metadata


def test_a_frame_or_study_that_is_not_there_is_not_found(
    archive: FileArchive, tmp_path: Path, reader: ArchiveReader
) -> None:
    stored = put(archive, tmp_path)
    with pytest.raises(NotFound):
        reader.frames(stored, [3])
    assert list(reader.instances("1.2.3")) == []


def test_the_same_bytes_again_are_the_same_instance(archive: FileArchive, tmp_path: Path) -> None:
    assert put(archive, tmp_path) == put(archive, tmp_path)
    assert len(list((tmp_path / "archive" / "files").rglob("*.dcm"))) == 1


def test_other_bytes_under_a_known_uid_are_refused_and_handed_back(archive: FileArchive, tmp_path: Path) -> None:
    stored = put(archive, tmp_path)
    dataset = pydicom.dcmread(get_testdata_file("SC_rgb_rle_2frame.dcm", download=False))
    dataset.ImageComments = "changed"
    dataset.save_as(tmp_path / "changed.dcm")
    with pytest.raises(Conflict):
        archive.put(tmp_path / "changed.dcm")
    assert (tmp_path / "changed.dcm").exists()
    assert archive.find(stored.sop_uid) == stored


def test_what_was_acknowledged_is_there_after_opening_again(archive: FileArchive, tmp_path: Path) -> None:
    stored = put(archive, tmp_path)
    archive.close()
    again = FileArchive(tmp_path / "archive")
    assert again.find(stored.sop_uid) == stored
    assert again.open(stored).stat().st_size == stored.size_bytes
    again.close()


def test_what_is_not_dicom_is_refused(archive: FileArchive, tmp_path: Path) -> None:
    (tmp_path / "no.dcm").write_bytes(b"\0" * 500)
    with pytest.raises(BadDicom):
        archive.put(tmp_path / "no.dcm")


def test_many_threads_may_put_the_same_instance_at_once(archive: FileArchive, tmp_path: Path) -> None:
    found: list[StoredInstance] = []

    def run(number: int) -> None:
        source = tmp_path / f"{number}.dcm"
        shutil.copy(get_testdata_file("CT_small.dcm", download=False), source)
        found.append(archive.put(source))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_studies_are_listed_in_pages(archive: FileArchive, tmp_path: Path) -> None:
    studies = sorted(
        {put(archive, tmp_path, name).study_uid for name in ("CT_small.dcm", "MR_small.dcm", "SC_rgb_rle.dcm")}
    )
    assert list(archive.studies(2)) == studies[:2]
    assert list(archive.studies(2, after=studies[1])) == studies[2:]


@pytest.mark.parametrize(("error", "wanted"), [(Unauthenticated, Unauthenticated), (Forbidden, Forbidden)])
def test_a_refused_grant_is_told_as_such(
    archive: FileArchive, tmp_path: Path, error: type[Exception], wanted: type[Exception]
) -> None:
    stored = put(archive, tmp_path)

    def refuse(*_: object) -> None:
        raise error("no")

    port = free_port()
    server = HttpServer(archive_app(archive, refuse), "127.0.0.1", port)
    server.start()
    with DicomWebArchive(f"http://127.0.0.1:{port}", "any") as client, pytest.raises(wanted):
        client.instances(stored.study_uid)
    server.stop()


def changed(tmp_path: Path, comment: str) -> Path:
    dataset = pydicom.dcmread(get_testdata_file("SC_rgb_rle_2frame.dcm", download=False))
    dataset.ImageComments = comment
    dataset.save_as(tmp_path / "changed.dcm")
    return tmp_path / "changed.dcm"


def test_a_replacement_is_served_and_the_bytes_before_are_kept_aside(
    archive: FileArchive, tmp_path: Path, reader: ArchiveReader
) -> None:
    before = put(archive, tmp_path)
    old = archive.open(before).read_bytes()
    after = archive.replace(changed(tmp_path, "corrected"))
    assert (after.sop_uid, archive.find(before.sop_uid)) == (before.sop_uid, after)
    assert after.digest != before.digest
    (served,) = reader.instances(before.study_uid)
    assert reader.metadata(served)["00204000"]["Value"] == ["corrected"]
    (aside,) = (tmp_path / "archive" / "replaced").iterdir()
    assert aside.read_bytes() == old
    assert not (tmp_path / "changed.dcm").exists()


def test_a_replacement_may_come_twice_and_where_nothing_was(archive: FileArchive, tmp_path: Path) -> None:
    first = archive.replace(changed(tmp_path, "first"))
    assert archive.replace(changed(tmp_path, "first")) == first
    second = archive.replace(changed(tmp_path, "second"))
    assert archive.replace(changed(tmp_path, "second")) == second
    assert len(list((tmp_path / "archive" / "replaced").iterdir())) == 1
    archive.replace(changed(tmp_path, "third"))
    assert len(list((tmp_path / "archive" / "replaced").iterdir())) == 2


def test_a_replacement_cut_short_before_the_index_knew_is_made_whole_by_the_next(
    archive: FileArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = put(archive, tmp_path)
    old = archive.open(before).read_bytes()
    monkeypatch.setattr(archive._index, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises((KeyboardInterrupt, FileNotFoundError)):
        archive.replace(changed(tmp_path, "corrected"))
    monkeypatch.undo()
    after = archive.replace(changed(tmp_path, "corrected"))
    assert archive.find(before.sop_uid) == after
    (aside,) = (tmp_path / "archive" / "replaced").iterdir()
    assert aside.read_bytes() == old
