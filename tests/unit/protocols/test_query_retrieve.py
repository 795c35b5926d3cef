"""C-FIND and C-GET on an archive, asked by dcmtk and pynetdicom: QIDO-RS's answers, the objects as stored, cancelled at once."""

import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
import pytest
import rawpeer
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from rawpeer import RawPeer, context, data, item, pdu, request, value

import dcmtk
from aegle.access import Act
from aegle.config import Peer
from aegle.errors import BadDicom, StorageFull
from aegle.local.archive import FileArchive
from aegle.protocols import identifiers, qido, query_scp
from aegle.protocols.dialogue import Patience
from aegle.protocols.listener import Listener
from aegle.protocols.peers import News, Sender
from aegle.protocols.query_scp import STUDY_ROOT_FIND, STUDY_ROOT_GET, Desk, query_offer
from aegle.records import AuditOutcome, StoredInstance

NAMES = ("CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "JPEG2000.dcm", "rtplan.dcm", "SC_rgb_rle_2frame.dcm")
TITLES = ("-aet", "STAFF", "-aec", "ANNA-QR")
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
Told = tuple[Act, str, AuditOutcome, str, int]


@dataclass
class Room:
    archive: FileArchive
    port: int = 0
    told: list[Told] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    disk_is_full: bool = False

    def tell(self, _: Sender, act: Act, study: str, outcome: AuditOutcome, reason: str, count: int) -> None:
        if self.disk_is_full:
            raise StorageFull("full")
        self.told.append((act, study, outcome, reason, count))

    def notice(self, news: News, *_: object) -> None:
        self.news.append(news)

    def put(self, path: Path | str) -> StoredInstance:
        copy = Path(shutil.copy(path, self.archive._incoming.parent / "put.dcm"))
        return self.archive.put(copy)

    def find(self, level: str, keys: Sequence[tuple[str, str]], folder: Path) -> list[Dataset]:
        """What dcmtk's findscu is answered."""
        words = [word for name, text in keys for word in ("-k", f"{name}={text}")]
        said = dcmtk.run(
            "findscu",
            "-S",
            "-X",
            "-od",
            folder,
            *TITLES,
            "127.0.0.1",
            self.port,
            "-k",
            f"QueryRetrieveLevel={level}",
            *words,
        )
        assert said.returncode == 0, said.stderr
        return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]

    def get(self, folder: Path, *keys: str, options: Sequence[str] = ()) -> list[Path]:
        """What dcmtk's getscu is given."""
        folder.mkdir(exist_ok=True)
        words = [word for key in keys for word in ("-k", key)]
        said = dcmtk.run("getscu", "-S", "+B", *options, "-od", folder, *TITLES, "127.0.0.1", self.port, *words)
        assert said.returncode == 0, said.stderr
        return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    made = Room(FileArchive(tmp_path_factory.mktemp("query") / "archive"))
    for name in NAMES:
        made.put(str(get_testdata_file(name, download=False)))
    opened = Listener(
        query_offer(Desk(archive=made.archive, ae_title="ANNA-QR", tell=made.tell)),
        ae_title="ANNA-QR",
        address=("127.0.0.1", 0),
        allow=[Peer(ae_title="STAFF")],
        notice=made.notice,
        patience=Patience(request_s=3, idle_s=3, message_s=3),
    )
    made.port = opened.start()
    yield made
    opened.stop()
    made.archive.close()


@pytest.fixture(autouse=True)
def forget(room: Room) -> None:
    room.told.clear()
    room.disk_is_full = False


def stored(room: Room, name: str) -> StoredInstance:
    found = room.archive.find(str(pydicom.dcmread(get_testdata_file(name, download=False)).SOPInstanceUID))
    assert found is not None
    return found


CT_STUDY = str(pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)).StudyInstanceUID)
CT_SERIES = str(pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)).SeriesInstanceUID)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("STUDY", [("PatientName", ""), ("StudyInstanceUID", "")]),
        ("STUDY", [("PatientName", "compressed*"), ("StudyDate", "")]),
        ("STUDY", [("PatientID", "?CT?"), ("StudyInstanceUID", "")]),
        ("STUDY", [("StudyDate", "20040101-20051231"), ("ModalitiesInStudy", "")]),
        ("STUDY", [("StudyDate", "-20040601"), ("StudyTime", "")]),
        ("STUDY", [("ModalitiesInStudy", "CT"), ("NumberOfStudyRelatedInstances", "")]),
        ("STUDY", [("StudyInstanceUID", f"{CT_STUDY}\\1.2.3"), ("StudyDescription", "")]),
        ("STUDY", [("StudyInstanceUID", "1.2.3"), ("StudyDescription", "")]),
        ("SERIES", [("StudyInstanceUID", CT_STUDY), ("Modality", "CT"), ("SeriesNumber", "")]),
        ("SERIES", [("StudyInstanceUID", CT_STUDY), ("Modality", "MR"), ("SeriesInstanceUID", "")]),
        ("IMAGE", [("StudyInstanceUID", CT_STUDY), ("SeriesInstanceUID", CT_SERIES), ("Manufacturer", "")]),
        ("IMAGE", [("StudyInstanceUID", CT_STUDY), ("SeriesInstanceUID", CT_SERIES), ("InstanceNumber", "1"), ("Rows", "")]),
    ],
)  # fmt: skip
def test_findscu_is_answered_what_qido_answers(
    room: Room, tmp_path: Path, level: str, keys: list[tuple[str, str]]
) -> None:
    answers = room.find(level, keys, tmp_path)
    named = [(name, text) for name, text in keys if text]
    at = identifiers._LEVELS[level]
    expected = room.archive.search(qido.read(at, [], named).query)
    unique = identifiers._UNIQUE[at]
    assert [item[unique].value for item in answers] == [it.attributes[unique]["Value"][0] for it in expected]
    for told in answers:
        assert all(name in told for name, _ in keys)
        assert (told.QueryRetrieveLevel, told.RetrieveAETitle) == (level, "ANNA-QR")
    assert [(act, outcome) for act, _, outcome, _, _ in room.told] == [(Act.ARCHIVE_STUDY_FIND, AuditOutcome.OK)]


@pytest.mark.peer("dcmtk")
def test_an_answer_at_image_level_reaches_the_whole_header(room: Room, tmp_path: Path) -> None:
    (found,) = room.find(
        "IMAGE", [("StudyInstanceUID", CT_STUDY), ("SeriesInstanceUID", CT_SERIES), ("KVP", "")], tmp_path
    )
    assert found.KVP == pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)).KVP


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("by", ["STUDY", "SERIES", "IMAGE"])
def test_getscu_is_given_the_bytes_that_are_stored(room: Room, tmp_path: Path, by: str) -> None:
    item = stored(room, "CT_small.dcm")
    named = [
        f"StudyInstanceUID={item.study_uid}",
        f"SeriesInstanceUID={item.series_uid}",
        f"SOPInstanceUID={item.sop_uid}",
    ]
    keys = named[: ("STUDY", "SERIES", "IMAGE").index(by) + 1]
    (got,) = room.get(tmp_path / "got", f"QueryRetrieveLevel={by}", *keys)
    assert rawpeer.data_set(got) == rawpeer.data_set(room.archive.open(item))
    assert room.told == [(Act.ARCHIVE_STUDY_READ, item.study_uid, AuditOutcome.OK, "", 1)]


@pytest.mark.peer("dcmtk")
def test_a_compressed_object_goes_out_as_it_is_to_who_asks_for_that(room: Room, tmp_path: Path) -> None:
    item = stored(room, "JPEG2000.dcm")
    (got,) = room.get(
        tmp_path / "got", "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={item.study_uid}", options=["+xw"]
    )
    assert rawpeer.data_set(got) == rawpeer.data_set(room.archive.open(item))


def ask_to_get(
    room: Room, item: StoredInstance, *contexts: tuple[str, str], status: int = 0
) -> tuple[Dataset, Dataset]:
    """Last status and identifier of a C-GET of a study, by pynetdicom which answers each C-STORE with `status`."""
    entity = AE(ae_title="STAFF")
    entity.add_requested_context(STUDY_ROOT_GET)
    for sop_class, syntax in contexts:
        entity.add_requested_context(sop_class, syntax)
    roles = [build_role(sop_class, scp_role=True) for sop_class, _ in contexts]
    association = entity.associate(
        "127.0.0.1", room.port, ae_title="ANNA-QR", ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, lambda _: status)]
    )
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", item.study_uid
    *_, last = association.send_c_get(wanted, STUDY_ROOT_GET)
    association.release()
    return last


def test_what_the_requestor_cannot_take_is_named_to_it(room: Room) -> None:
    item = stored(room, "JPEG2000.dcm")
    said, left = ask_to_get(room, item, (item.sop_class, EXPLICIT))
    assert (said.Status, said.NumberOfFailedSuboperations) == (0xA702, 1)
    assert left.FailedSOPInstanceUIDList == item.sop_uid


@pytest.mark.parametrize(
    ("answer", "status", "counts"), [(0, 0, (1, 0, 0)), (0xB000, 0xB000, (0, 0, 1)), (0xA700, 0xA702, (0, 1, 0))]
)
def test_how_each_object_was_taken_is_counted(
    room: Room, answer: int, status: int, counts: tuple[int, int, int]
) -> None:
    item = stored(room, "CT_small.dcm")
    said, _ = ask_to_get(room, item, (item.sop_class, item.transfer_syntax), status=answer)
    assert said.Status == status
    assert counts == (
        said.NumberOfCompletedSuboperations,
        said.NumberOfFailedSuboperations,
        said.NumberOfWarningSuboperations,
    )


def test_nothing_to_get_is_a_success_of_none(room: Room) -> None:
    item = stored(room, "CT_small.dcm")
    said, _ = ask_to_get(room, StoredInstance(**{**vars(item), "study_uid": "1.2.3"}), (item.sop_class, EXPLICIT))
    assert (said.Status, said.NumberOfCompletedSuboperations) == (0, 0)


# --- asked byte by byte

FIND = context(1, STUDY_ROOT_FIND, IMPLICIT) + context(3, STUDY_ROOT_GET, IMPLICIT)


@pytest.fixture
def peer(room: Room) -> Iterator[RawPeer]:
    with RawPeer(room.port) as made:
        assert (made.ask(request(FIND, called="ANNA-QR", calling="STAFF")) or (0,))[0] == 2
        yield made


def identifier(**keys: str) -> bytes:
    return identifiers._written(Dataset.from_json(_json(keys)), IMPLICIT)


def _json(keys: dict[str, str]) -> dict[str, object]:
    made = Dataset()
    for name, text in keys.items():
        setattr(made, name, text)
    found: dict[str, object] = made.to_json_dict()
    return found


def asking(operation: int, sop_class: str, number: int, content: bytes) -> bytes:
    started = rawpeer.command(operation, sop_class=sop_class, sop_instance="")
    return data(value(started, number=number, flags=3)) + data(value(content, number=number, flags=2))


def cancel(number: int, message: int) -> bytes:
    body = rawpeer.element(0x0100, struct.pack("<H", 0x0FFF)) + rawpeer.element(0x0120, struct.pack("<H", message))
    body += rawpeer.element(0x0800, struct.pack("<H", 0x0101))
    return data(value(rawpeer.element(0, struct.pack("<I", len(body))) + body, number=number, flags=3))


@pytest.mark.parametrize(("operation", "sop_class", "number"), [(0x20, STUDY_ROOT_FIND, 1), (0x10, STUDY_ROOT_GET, 3)])
def test_what_is_cancelled_ends_at_once_and_the_association_goes_on(
    peer: RawPeer, operation: int, sop_class: str, number: int
) -> None:
    wanted = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID=CT_STUDY)
    peer.say(asking(operation, sop_class, number, wanted) + cancel(number, 7))
    assert peer.status() == 0xFE00
    peer.say(asking(0x20, STUDY_ROOT_FIND, 1, identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="1.2.3")))
    assert peer.status() == 0


def test_a_key_that_cannot_be_matched_is_said_to_be_so_with_each_answer(peer: RawPeer) -> None:
    wanted = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID=CT_STUDY, PatientWeight="70")
    peer.say(asking(0x20, STUDY_ROOT_FIND, 1, wanted))
    assert [peer.status(), (peer.hear() or (0,))[0]] == [0xFF01, 4]  # its data set follows
    assert peer.status() == 0


@pytest.mark.parametrize(
    ("operation", "keys"),
    [
        (0x20, {"StudyInstanceUID": CT_STUDY}),
        (0x20, {"QueryRetrieveLevel": "PATIENT"}),
        (0x20, {"QueryRetrieveLevel": "SERIES", "Modality": "CT"}),
        (0x20, {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": CT_STUDY}),
        (0x10, {"QueryRetrieveLevel": "STUDY"}),
        (0x10, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2*"}),
        (0x10, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": CT_STUDY, "PatientID": "1CT1"}),
        (0x10, {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": CT_STUDY, "SOPInstanceUID": "1.2"}),
    ],
)
def test_an_identifier_that_the_model_does_not_allow_is_refused_and_told(
    room: Room, peer: RawPeer, operation: int, keys: dict[str, str]
) -> None:
    sop_class, number = (STUDY_ROOT_FIND, 1) if operation == 0x20 else (STUDY_ROOT_GET, 3)
    peer.say(asking(operation, sop_class, number, identifier(**keys)))
    assert peer.status() == 0xA900
    assert [told[2:4] for told in room.told] == [(AuditOutcome.REFUSED, "WRONG_IDENTIFIER")]


def test_a_date_that_is_none_is_refused_with_its_reason(room: Room, peer: RawPeer) -> None:
    wanted = b"".join(struct.pack("<HHI", *tag, len(text)) + text for tag, text in (
        ((0x0008, 0x0020), b"tomorrow"), ((0x0008, 0x0052), b"STUDY "),
    ))  # fmt: skip
    peer.say(asking(0x20, STUDY_ROOT_FIND, 1, wanted))
    assert peer.status() == 0xC000
    assert room.told[-1][3] == "BAD_MESSAGE"


def test_nothing_is_read_that_cannot_be_written_down(room: Room, peer: RawPeer) -> None:
    room.disk_is_full = True
    peer.say(asking(0x20, STUDY_ROOT_FIND, 1, identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="")))
    assert peer.status() == 0xA700


def test_more_matches_than_the_bound_end_in_a_refusal(
    room: Room, peer: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_scp, "MATCHES_MAX", 2)
    monkeypatch.setattr(identifiers, "_PAGE", 1)
    peer.say(asking(0x20, STUDY_ROOT_FIND, 1, identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="")))
    statuses = []
    for _ in range(2):
        statuses.append(peer.status())
        peer.hear()
    assert [*statuses, peer.status()] == [0xFF00, 0xFF00, 0xA700]


def test_pages_follow_each_other_without_a_gap(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifiers, "_PAGE", 2)
    assert len(room.find("STUDY", [("StudyInstanceUID", "")], tmp_path)) == len(room.archive.studies(100))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (asking(0x20, STUDY_ROOT_FIND, 1, bytes(70_000)), 0),
        (asking(0x20, STUDY_ROOT_FIND, 1, b"")[:-12] + pdu(9, b""), 1),
        (data(value(rawpeer.command(0x8001, data=False), flags=3)), 2),
    ],
    ids=["an identifier without end", "noise", "an answer to nothing"],
)
def test_who_breaks_the_protocol_is_aborted(room: Room, peer: RawPeer, content: bytes, reason: int) -> None:
    assert peer.ask(content) == (7, bytes((0, 0, 2, reason)))


def test_an_object_is_not_taken_here(room: Room, peer: RawPeer) -> None:
    contexts = context(1, rawpeer.CT_CLASS, EXPLICIT)
    with RawPeer(room.port) as other:
        _, body = other.ask(request(contexts, called="ANNA-QR", calling="STAFF")) or (0, b"")
        answer = body.index(b"\x21\0")
        assert body[answer + 6] == 3  # abstract syntax not supported: the role was not asked for
    peer.say(asking(0x01, STUDY_ROOT_FIND, 1, b"an object"))
    assert peer.status() == 0x0211


def test_a_requestor_that_takes_next_to_nothing_at_a_time_is_turned_away(room: Room) -> None:
    tiny = request(FIND, called="ANNA-QR", calling="STAFF").replace(
        item(0x51, struct.pack(">I", 16_384)), item(0x51, struct.pack(">I", 16))
    )
    with RawPeer(room.port) as made:
        assert made.ask(tiny) == (7, bytes((0, 0, 2, 6)))


@given(st.binary(max_size=400), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_noise_for_an_identifier_is_refused_and_nothing_worse(noise: bytes, syntax: str) -> None:
    level = struct.pack("<HH", 0x0008, 0x0052) + (b"CS\6\0" if syntax == EXPLICIT else b"\6\0\0\0") + b"STUDY "
    for content in (noise, level + noise):
        try:
            keys = identifiers.read(content, syntax)
            identifiers.answer(keys, {"0020000D": {"vr": "UI", "Value": ["1.2"]}}, "ANNA-QR", syntax)
        except BadDicom:
            pass
