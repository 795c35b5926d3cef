"""The Archive port on somebody else's archive: a real Orthanc, and a service that speaks as Google's is documented to."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest
from dialect_double import Dialect, running
from google.auth.credentials import Credentials
from orthancpeer import orthanc
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.uid import generate_uid

from aegle.errors import BadDicom, Conflict, NotFound, Overloaded, PeerUnreachable, Unauthenticated
from aegle.google import GoogleToken
from aegle.local.archive.remote import RemoteArchive
from aegle.protocols.dicomweb_store import DicomWebStore

NAME = "SC_rgb_rle_2frame.dcm"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def orthanc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with orthanc(tmp_path_factory.mktemp("orthanc"), free_port(), free_port()) as url:
        yield url


@pytest.fixture
def dialect() -> Iterator[Dialect]:
    with running() as made:
        yield made


def client_of(request: pytest.FixtureRequest) -> DicomWebStore:
    if request.param == "orthanc":
        return DicomWebStore(request.getfixturevalue("orthanc_url"), "none")
    return DicomWebStore(request.getfixturevalue("dialect").url, "first", wait=lambda seconds: None)


@pytest.fixture(params=[pytest.param("orthanc", marks=pytest.mark.peer("orthanc-dicomweb")), "dialect"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RemoteArchive]:
    with client_of(request) as client:
        made = RemoteArchive(tmp_path / "archive", client)
        yield made
        made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An object under UIDs of its own: one Orthanc serves all these tests."""
    ds = pydicom.dcmread(get_testdata_file(NAME, download=False))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.save_as(tmp_path / "source.dcm")
    return tmp_path / "source.dcm"


def copied(source: Path, comment: str = "") -> Path:
    copy = source.with_name("incoming.dcm")
    shutil.copy(source, copy)
    if comment:
        ds = pydicom.dcmread(copy)
        ds.ImageComments = comment
        ds.save_as(copy)
    return copy


def test_what_was_put_is_found_and_given_back_byte_for_byte(archive: RemoteArchive, source: Path) -> None:
    stored = archive.put(copied(source))
    assert archive.find(stored.sop_uid) == stored
    assert list(archive.instances(stored.study_uid)) == [stored]
    assert list(archive.studies(10)) == [stored.study_uid]
    assert archive.open(stored).read_bytes() == source.read_bytes()
    assert not source.with_name("incoming.dcm").exists()


def test_frames_come_as_stored_and_in_the_order_asked(archive: RemoteArchive, source: Path) -> None:
    stored = archive.put(copied(source))
    wanted = list(generate_frames(pydicom.dcmread(source).PixelData, number_of_frames=2))
    assert [frame.rstrip(b"\0") for frame in archive.frames(stored, [2, 1])] == [
        wanted[number - 1].rstrip(b"\0") for number in (2, 1)
    ]
    assert archive.metadata(stored)["00080018"]["Value"] == [stored.sop_uid]


def test_the_same_bytes_again_are_the_same_instance(archive: RemoteArchive, source: Path) -> None:
    assert archive.put(copied(source)) == archive.put(copied(source))


def test_other_bytes_under_a_known_uid_are_refused_and_handed_back(archive: RemoteArchive, source: Path) -> None:
    stored = archive.put(copied(source))
    with pytest.raises(Conflict):
        archive.put(copied(source, "changed"))
    assert source.with_name("incoming.dcm").exists()
    assert archive.open(stored).read_bytes() == source.read_bytes()


def test_a_put_cut_short_before_the_book_knew_is_made_whole_by_the_next(
    archive: RemoteArchive, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive._book, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        archive.put(copied(source))
    monkeypatch.undo()
    with pytest.raises(Conflict):
        archive.put(copied(source, "changed"))
    assert archive.open(archive.put(copied(source))).read_bytes() == source.read_bytes()


def test_a_replacement_is_served_and_the_bytes_before_are_kept_aside(archive: RemoteArchive, source: Path) -> None:
    before = archive.put(copied(source))
    archive.open(before)
    after = archive.replace(copied(source, "corrected"))
    assert archive.find(before.sop_uid) == after != before
    assert pydicom.dcmread(archive.open(after)).ImageComments == "corrected"
    (aside,) = (source.parent / "archive" / "replaced").iterdir()
    assert aside.read_bytes() == source.read_bytes()
    assert archive.replace(copied(source, "corrected")) == after


def test_what_is_not_dicom_is_refused(archive: RemoteArchive, tmp_path: Path) -> None:
    (tmp_path / "no.dcm").write_bytes(b"\0" * 500)
    with pytest.raises(BadDicom):
        archive.put(tmp_path / "no.dcm")


def test_what_is_known_outlives_the_program(archive: RemoteArchive, source: Path) -> None:
    stored = archive.put(copied(source))
    archive.close()
    again = RemoteArchive(source.parent / "archive", archive._client)
    assert again.find(stored.sop_uid) == stored
    again.close()


@pytest.fixture
def remote(dialect: Dialect, tmp_path: Path) -> Iterator[tuple[Dialect, RemoteArchive]]:
    with DicomWebStore(dialect.url, "first", wait=lambda seconds: None) as client:
        made = RemoteArchive(tmp_path / "dialect", client)
        yield dialect, made
        made.close()


def test_a_busy_archive_is_asked_again_and_not_for_ever(remote: tuple[Dialect, RemoteArchive], source: Path) -> None:
    dialect, archive = remote
    dialect.busy = 4
    stored = archive.put(copied(source))
    dialect.busy = 5
    with pytest.raises(Overloaded):
        archive.frames(stored, [1])


def test_a_token_that_no_longer_holds_is_told_as_such(remote: tuple[Dialect, RemoteArchive], source: Path) -> None:
    dialect, archive = remote
    dialect.token = "second"
    with pytest.raises(Unauthenticated):
        archive.put(copied(source))
    assert source.with_name("incoming.dcm").exists()


def test_an_object_that_somebody_else_changed_there_is_not_used(
    remote: tuple[Dialect, RemoteArchive], source: Path
) -> None:
    dialect, archive = remote
    stored = archive.put(copied(source))
    dialect.objects[stored.sop_uid] = copied(source, "meddled").read_bytes()
    with pytest.raises(Conflict):
        archive.open(stored)


def test_an_object_that_somebody_deleted_there_is_not_found(
    remote: tuple[Dialect, RemoteArchive], source: Path
) -> None:
    dialect, archive = remote
    stored = archive.put(copied(source))
    dialect.objects.clear()
    with pytest.raises(NotFound):
        archive.open(stored)


def test_an_archive_that_does_not_answer_leaves_the_object_here(tmp_path: Path, source: Path) -> None:
    with DicomWebStore("http://127.0.0.1:1", "none") as client:
        archive = RemoteArchive(tmp_path / "away", client)
        with pytest.raises(PeerUnreachable):
            archive.put(copied(source))
        assert source.with_name("incoming.dcm").exists()
        archive.close()


class Renewing(Credentials):  # type: ignore[misc]
    """Credentials that give whatever the service takes now."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self._dialect, self.renewed = dialect, 0

    def refresh(self, request: object) -> None:
        self.token, self.renewed = self._dialect.token, self.renewed + 1


def test_a_google_token_is_made_once_and_anew_when_it_is_refused(
    dialect: Dialect, tmp_path: Path, source: Path
) -> None:
    credentials = Renewing(dialect)
    with httpx.Client() as http, DicomWebStore(dialect.url, GoogleToken(credentials, http), http) as client:
        archive = RemoteArchive(tmp_path / "google", client)
        stored = archive.put(copied(source))
        assert credentials.renewed == 1
        dialect.token = "second"
        assert archive.open(stored).read_bytes() == source.read_bytes()
        assert credentials.renewed == 2
        archive.close()
