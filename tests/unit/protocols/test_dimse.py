"""The door, and pynetdicom's in its place, against our sender and dcmtk: the same for both."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

import dcmtk
from aegle.config import Peer
from aegle.errors import BadDicom, PeerUnreachable, StorageFull
from aegle.protocols import dimse
from aegle.protocols.dimse import Target
from aegle.protocols.door import DimseDoor
from aegle.protocols.library_door import LibraryDoor
from aegle.protocols.peers import Sender, is_allowed

CT = Path(get_testdata_file("CT_small.dcm", download=False))
JPEG2000 = Path(get_testdata_file("JPEG2000.dcm", download=False))


@dataclass
class Clinic:
    """A door that keeps what it receives."""

    folder: Path
    kept: list[Path] = field(default_factory=list)
    notices: list[tuple[str, str, str]] = field(default_factory=list)
    failure: Exception | None = None

    def receive(self, path: Path, sender: Sender) -> None:
        if self.failure:
            raise self.failure
        target = self.folder / f"{len(self.kept)}.dcm"
        path.replace(target)
        self.kept.append(target)

    def notice(self, what: str, sender: Sender, reason: str) -> None:
        self.notices.append((what, sender.ae_title, reason))


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


@pytest.fixture(params=[DimseDoor, LibraryDoor])
def target(clinic: Clinic, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Target]:
    (tmp_path / "incoming").mkdir()
    door = request.param(
        ae_title="ST-ANNA",
        address=("127.0.0.1", 0),
        allow=[Peer(ae_title="PACS")],
        folder=tmp_path / "incoming",
        receive=clinic.receive,
        notice=clinic.notice,
    )
    port = door.start()
    yield Target(host="127.0.0.1", port=port, called="ST-ANNA", calling="PACS")
    door.stop()


def test_a_listed_peer_is_echoed_and_its_objects_arrive_as_sent(clinic: Clinic, target: Target) -> None:
    assert dimse.echo(target)
    answers = dimse.send(target, [CT, JPEG2000])
    assert [answer.accepted for answer in answers] == [True, True]
    for sent, kept in zip([CT, JPEG2000], clinic.kept, strict=True):
        before, after = pydicom.dcmread(sent), pydicom.dcmread(kept)
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        assert after.PixelData == before.PixelData
        assert after == before


def test_nothing_identified_stays_in_the_arrival_folder(clinic: Clinic, target: Target, tmp_path: Path) -> None:
    dimse.send(target, [CT])
    clinic.failure = StorageFull("full")
    dimse.send(target, [CT])
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("wrong", ["calling", "called"])
def test_an_unlisted_peer_or_a_wrong_title_gets_no_association(clinic: Clinic, target: Target, wrong: str) -> None:
    changed = Target(**{**vars(target), wrong: "STRANGER"})
    with pytest.raises(PeerUnreachable):
        dimse.send(changed, [CT])
    assert clinic.kept == []
    if wrong == "calling":
        assert ("refused", "STRANGER", "UNKNOWN_PEER") in clinic.notices


def test_an_error_of_ours_is_the_status_the_standard_names(clinic: Clinic, target: Target) -> None:
    clinic.failure = StorageFull("full")
    (answer,) = dimse.send(target, [CT])
    assert answer.status == 0xA700
    clinic.failure = RuntimeError("a bug")
    (answer,) = dimse.send(target, [CT])
    assert answer.status == 0xA700


def test_a_file_that_is_not_dicom_is_named_before_anything_is_sent(
    clinic: Clinic, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("not DICOM")
    with pytest.raises(BadDicom, match=r"notes\.txt"):
        dimse.send(target, [CT, tmp_path / "notes.txt"])
    assert clinic.kept == []


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("program", ["storescu", "dcmsend"])
def test_dcmtk_sends_to_the_door(clinic: Clinic, target: Target, program: str) -> None:
    address = ("-aet", "PACS", "-aec", "ST-ANNA", "127.0.0.1", target.port)
    assert dcmtk.run("echoscu", *address).returncode == 0
    assert dcmtk.run(program, *address, CT).returncode == 0
    assert pydicom.dcmread(clinic.kept[0]).PixelData == pydicom.dcmread(CT).PixelData
    assert dcmtk.run("echoscu", "-aet", "WHO", *address[2:]).returncode != 0


@pytest.mark.parametrize(
    ("title", "address", "allowed"),
    [
        ("PACS", "10.1.2.3", True),
        ("PACS", "10.2.2.3", False),
        ("OTHER", "10.1.2.3", False),
        ("pacs", "10.1.2.3", False),
        ("", "10.1.2.3", False),
    ],
)
def test_a_peer_is_its_title_and_its_network(title: str, address: str, allowed: bool) -> None:
    peers = [Peer(ae_title="PACS", address="10.1.0.0/16")]
    assert is_allowed(Sender(ae_title=title, address=address), peers) is allowed
