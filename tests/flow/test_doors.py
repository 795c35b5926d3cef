"""Bad input at the doors, over real associations and uploads: a clear answer, a reason code, an audit entry, nothing lost and
nothing admitted half."""

import errno
import os
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom import AE
from stage import HOSPITAL, LAB, Stage, staged

import dcmtk
from aegle.access import Act, Role
from aegle.config import Peer, Tls
from aegle.deid import HoldReason
from aegle.errors import PeerUnreachable
from aegle.intake.quarantine import Entry
from aegle.protocols import dimse
from aegle.protocols.dimse import Sent, Target
from aegle.protocols.door import DimseDoor
from aegle.protocols.query_scp import STUDY_ROOT_FIND
from aegle.protocols.tls import server_context
from aegle.records import AuditEvent, AuditOutcome
from aegle.site.door_keys import DoorKeys

SECURED = "st-berta"
FULL_DISK = str(Path(__file__).with_name("fulldisk.py"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("doors"), HOSPITAL, LAB, "worker-1") as running:
        for site in (HOSPITAL, LAB):
            running.await_pages(site)
        yield running


@pytest.fixture(autouse=True)
def nothing_half(stage: Stage) -> Iterator[None]:
    """Whatever was sent, the spool empties, whole chains stay, and a good study still goes its way."""
    yield
    stage.until(lambda: not [left for left in stage.leftovers() if "outbox" not in left], "the spool is empty")
    stage.check_chains()
    before = set(stage.archived())
    (answer,) = send(stage, stage.still())
    assert answer.status == 0
    stage.until(lambda: set(stage.archived()) - before, "a good study is admitted")


def target(stage: Stage, *, called: str = "ST-ANNA", calling: str = "DEMO-PACS") -> Target:
    return Target(host="127.0.0.1", port=stage.applied.site(HOSPITAL).door_port, called=called, calling=calling)


def send(stage: Stage, *paths: Path) -> list[Sent]:
    return dimse.send(target(stage), paths)


def upload(stage: Stage, content: bytes, site: str = HOSPITAL) -> int:
    with stage.visit(site, Role.TECHNICIAN) as client:
        return client.post("/upload", content=content).status_code


def news(stage: Stage, act: Act, since: int) -> list[AuditEvent]:
    return [event for event in stage.audit()[since:] if event.act == act]


def held(stage: Stage, before: list[Entry]) -> Entry:
    """The one entry that was not there before; it is audited."""
    known = {entry.entry_id for entry in before}
    fresh = stage.until(lambda: [entry for entry in stage.held() if entry.entry_id not in known], "something is held")
    (entry,) = fresh
    told = stage.until(lambda: [event for event in stage.audit() if event.subject == entry.entry_id], "it is audited")
    assert [(event.act, event.facts["reason"]) for event in told] == [(Act.INTAKE_INSTANCE_HOLD, entry.reason)]
    return entry


def saved(made: pydicom.Dataset) -> bytes:
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def test_a_truncated_object_is_acknowledged_and_held(stage: Stage) -> None:
    path, before = stage.still(), stage.held()
    path.write_bytes(path.read_bytes()[:-5000])
    (answer,) = send(stage, path)
    assert answer.status == 0
    assert held(stage, before).reason is HoldReason.TRUNCATED


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 a report", bytes(5_000), b"\0" * 128 + b"DICX" + bytes(100)])
def test_an_upload_that_is_not_dicom_is_refused_at_once(stage: Stage, content: bytes) -> None:
    since = len(stage.audit())
    assert upload(stage, content) == 415
    assert [event.outcome for event in news(stage, Act.SITE_FILE_UPLOAD, since)] == [AuditOutcome.REFUSED]


def test_an_upload_that_only_begins_like_dicom_is_held(stage: Stage) -> None:
    before = stage.held()
    assert upload(stage, bytes(128) + b"DICM" + b"\xff" * 500) == 200
    assert held(stage, before).reason is HoldReason.UNSUPPORTED_TRANSFER_SYNTAX


def test_an_object_of_an_unknown_class_finds_no_context_and_is_held_when_uploaded(stage: Stage) -> None:
    made, before = pydicom.dcmread(stage.still()), stage.held()
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = UID("1.2.3.4.5.6")
    path = stage.home.root.parent / "unknown.dcm"
    path.write_bytes(saved(made))
    with pytest.raises(PeerUnreachable):  # nothing that was proposed is accepted
        send(stage, path)
    assert upload(stage, path.read_bytes()) == 200
    assert held(stage, before).reason is HoldReason.UNKNOWN_SOP_CLASS


@pytest.mark.parametrize(
    ("called", "calling", "reason"),
    [
        ("SOMEBODY", "DEMO-PACS", "WRONG_AE_TITLE"),
        ("ST-ANNA", "STRANGER", "UNKNOWN_PEER"),
        ("ST-ANNA", "ELSEWHERE", "UNKNOWN_PEER"),  # a known title from another address
    ],
)
def test_an_association_with_a_wrong_title_or_address_is_rejected_and_audited(
    stage: Stage, called: str, calling: str, reason: str
) -> None:
    since = len(stage.audit())
    with pytest.raises(PeerUnreachable):
        dimse.send(target(stage, called=called, calling=calling), [stage.still()])
    (told,) = news(stage, Act.DOOR_ASSOCIATION_OPEN, since)
    assert (told.outcome, told.facts["reason"]) == (AuditOutcome.REFUSED, reason)


def test_an_object_over_the_bound_is_refused_at_both_doors(stage: Stage) -> None:
    made, since = pydicom.dcmread(stage.still()), len(stage.audit())
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.PixelData = bytes(5_000_000)
    made["PixelData"].is_undefined_length = False
    path = stage.home.root.parent / "huge.dcm"
    path.write_bytes(saved(made))
    (answer,) = send(stage, path)
    assert answer.status == 0xA700
    assert [event.facts["reason"] for event in news(stage, Act.DOOR_INSTANCE_RECEIVE, since)] == ["TOO_LARGE"]
    assert upload(stage, path.read_bytes()) == 413
    assert [event.outcome for event in news(stage, Act.SITE_FILE_UPLOAD, since)] == [AuditOutcome.REFUSED]


def test_other_bytes_under_a_known_uid_are_held_and_change_nothing(stage: Stage) -> None:
    path, known = stage.still(), set(stage.archived())
    send(stage, path)
    (study,) = stage.until(lambda: set(stage.archived()) - known, "the first is admitted")
    first, before = stage.instances(study), stage.held()
    changed = pydicom.dcmread(path)
    changed.PixelSpacing = [0.001, 0.001]
    changed.save_as(path, enforce_file_format=True)
    assert [answer.status for answer in send(stage, path)] == [0]
    assert held(stage, before).reason is HoldReason.CHANGED_SOURCE
    assert [item.digest for item in stage.instances(study) if item.modality == "GM"] == [first[0].digest]


def test_the_same_bytes_again_are_acknowledged_and_kept_once(stage: Stage) -> None:
    path, known, since = stage.still(), set(stage.archived()), len(stage.audit())
    assert [answer.status for answer in send(stage, path, path)] == [0, 0]
    stage.until(lambda: news(stage, Act.INTAKE_INSTANCE_REPEAT, since), "the second is a repeat")
    (study,) = set(stage.archived()) - known
    assert [item.modality for item in stage.instances(study)].count("GM") == 1


@pytest.mark.parametrize("trick", ["../../../../etc/passwd", "..\\..\\windows", "/etc/passwd", "1.2.3/../../4"])
def test_a_uid_with_a_path_in_it_is_held_and_touches_no_file(stage: Stage, trick: str) -> None:
    content, before = stage.still().read_bytes(), stage.held()
    uid = str(pydicom.dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID).encode()
    in_data_set = content.rindex(uid)
    evil = trick.encode().ljust(len(uid), b"\0")
    assert upload(stage, content[:in_data_set] + evil + content[in_data_set + len(uid) :]) == 200
    assert held(stage, before).reason is HoldReason.BAD_UID


def test_a_small_file_that_inflates_without_end_is_held(stage: Stage) -> None:
    made, before = pydicom.dcmread(stage.still()), stage.held()
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made.PixelData = b"x" * 300_000_000
    made["PixelData"].is_undefined_length = False
    content = saved(made)
    assert len(content) < 4_000_000
    assert upload(stage, content) == 200
    assert held(stage, before).reason is HoldReason.PIXELS_UNPROVEN


def test_a_frame_that_unpacks_to_a_picture_without_end_is_held_or_rejected_and_stops_no_worker(stage: Stage) -> None:
    made, known, before = pydicom.dcmread(stage.still()), set(stage.archived()), len(stage.held())
    stream = BytesIO()
    Image.new("RGB", (512, 512)).save(stream, "JPEG", subsampling="4:2:2")
    size = stream.getvalue().index(b"\xff\xc0") + 5  # of the start of frame: rows and columns (ITU-T T.81 B.2.2)
    endless = stream.getvalue()[:size] + struct.pack(">HH", 65_500, 65_500) + stream.getvalue()[size + 4 :]
    made.PixelData = encapsulate([endless])
    made["PixelData"].is_undefined_length = True
    assert upload(stage, saved(made)) == 200
    stage.until(lambda: set(stage.archived()) - known or len(stage.held()) > before, "it is settled")
    if len(stage.held()) == before:
        stage.until(lambda: stage.requests()[0]["state"] in ("rejected", "failed"), "the worker rejects it")
    assert stage.processes["worker-1"].poll() is None


def test_staff_find_and_get_an_admitted_study_by_its_alias_alone(stage: Stage) -> None:
    path, known = stage.still(), set(stage.archived())
    sent = pydicom.dcmread(path, stop_before_pixels=True)
    assert [answer.status for answer in send(stage, path)] == [0]
    (alias,) = stage.until(lambda: set(stage.archived()) - known, "it is admitted")
    since, query = len(stage.audit()), stage.applied.site(HOSPITAL).config.query
    assert query is not None
    entity, asked = AE(ae_title="STAFF"), pydicom.Dataset()
    entity.add_requested_context(STUDY_ROOT_FIND)
    asked.QueryRetrieveLevel, asked.PatientID, asked.PatientName, asked.StudyInstanceUID = "STUDY", "", "", ""
    association = entity.associate("127.0.0.1", query.port, ae_title="ST-ANNA-QR")
    found = {str(told.StudyInstanceUID): told for _, told in association.send_c_find(asked, STUDY_ROOT_FIND) if told}
    asked.PatientID = sent.PatientID
    assert [said.Status for said, _ in association.send_c_find(asked, STUDY_ROOT_FIND)] == [0]  # nobody by that number
    association.release()
    assert alias in found
    assert sent.StudyInstanceUID not in found
    assert str(sent.PatientName) not in {str(told.PatientName) for told in found.values()}
    told = news(stage, Act.ARCHIVE_STUDY_FIND, since)
    assert [(event.principal, event.facts["door"]) for event in told] == [("peer:STAFF", "query")] * 2


def test_a_study_sent_by_stow_with_a_key_is_deidentified_before_the_archive_has_it(stage: Stage) -> None:
    path, known, since = stage.still(), set(stage.archived()), len(stage.audit())
    stow = stage.applied.site(HOSPITAL).config.door.stow
    assert stow is not None
    key = DoorKeys(path=stage.folder(HOSPITAL).door_keys).add("SCANNER")
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n--x--\r\n"
    headers = {
        "Content-Type": 'multipart/related; type="application/dicom"; boundary=x',
        "Authorization": f"Bearer {key}",
    }
    answer = httpx.post(f"http://127.0.0.1:{stow.port}/studies", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    (alias,) = stage.until(lambda: set(stage.archived()) - known, "it is admitted")
    assert alias != pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID
    (told,) = news(stage, Act.DOOR_INSTANCE_RECEIVE, since)
    assert (told.principal, told.facts["door"]) == ("key:SCANNER", "stow")


@pytest.mark.peer("dcmtk")
def test_a_hospital_that_speaks_tls_alone_gets_a_study_by_storescu_and_gives_its_result_back(
    stage: Stage, tmp_path: Path
) -> None:
    certificates, place = stage.home.root.parent, stage.applied.site(SECURED)
    pacs, taken = place.config.pacs, list[pydicom.Dataset]()
    assert pacs is not None

    def tls(name: str) -> Tls:
        files = {"certificate": f"{name}.crt", "key": f"{name}.key", "authorities": "hospital.pem"}
        return Tls(**{what: certificates / file for what, file in files.items()})

    archive = DimseDoor(
        ae_title="PACS", address=("127.0.0.1", pacs.port), allow=[Peer(ae_title="ST-BERTA")], folder=tmp_path,
        receive=lambda path, _: taken.append(pydicom.dcmread(path)), notice=lambda *_: None, tls=server_context(tls("pacs")),
    )  # fmt: skip
    archive.start()
    stage.start(SECURED)
    stage.await_pages(SECURED)
    path, mine = stage.still(), tls("scanner")
    words = ("-aet", "SCANNER", "-aec", "ST-BERTA", "127.0.0.1", place.door_port, path)
    assert dcmtk.run("storescu", "-xy", *words).returncode != 0  # plain
    assert dcmtk.run("storescu", "-xy", "+tla", "+cf", mine.authorities, *words).returncode != 0  # no certificate
    sent = dcmtk.run("storescu", "-xy", "+tls", mine.key, mine.certificate, "+cf", mine.authorities, *words)
    assert sent.returncode == 0, sent.stderr
    stage.until(lambda: len(taken) == 2, "report and picture are in the PACS")
    archive.stop()
    source = pydicom.dcmread(path, stop_before_pixels=True)
    assert {(made.StudyInstanceUID, made.PatientID) for made in taken} == {(source.StudyInstanceUID, source.PatientID)}
    assert "SR" in {made.Modality for made in taken}
    with stage.state(SECURED) as state:
        stage.until(lambda: state.undelivered() == 0, "the site knows it")
    refused = [event.facts["reason"] for event in stage.audit(SECURED) if event.outcome is AuditOutcome.REFUSED]
    assert refused == ["NO_TLS"] * 2
    stage.end(SECURED)


@pytest.mark.parametrize("problem", ["ENOSPC", "EROFS"])
def test_a_full_or_read_only_disk_is_told_to_the_sender_and_loses_nothing(
    stage: Stage, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hasattr(errno, problem)
    flag = tmp_path / "disk"
    monkeypatch.setitem(os.environ, "AEGLE_TEST_DISK", str(flag))
    stage.kill(HOSPITAL)
    stage.start(HOSPITAL, program=(FULL_DISK,))
    stage.await_pages(HOSPITAL)
    known, path, since = set(stage.archived()), stage.still(), len(stage.audit())
    flag.write_text(problem)
    with pytest.raises(PeerUnreachable):  # it cannot be audited, so it is not made: come back later
        send(stage, path)
    assert [left for left in stage.leftovers() if "outbox" not in left] == []
    flag.unlink()
    assert [answer.status for answer in send(stage, path)] == [0]
    refused, taken = news(stage, Act.DOOR_ASSOCIATION_OPEN, since)
    assert (refused.outcome, refused.facts["reason"]) == (AuditOutcome.REFUSED, "STORAGE_FULL")
    assert taken.outcome is AuditOutcome.OK
    stage.until(lambda: set(stage.archived()) - known, "it is admitted")
    stage.kill(HOSPITAL)
    stage.start(HOSPITAL)
    stage.await_pages(HOSPITAL)
