"""The door's own upper layer against peers that do as they like: statuses, bounds, and nobody shut out."""

import errno
import os
import random
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import rawpeer
from pydicom.data import get_testdata_file
from rawpeer import CT_CLASS, EXPLICIT, VERIFICATION, RawPeer, command, context, data, pdu, request, store, value

from aegle.config import Peer
from aegle.errors import StorageFull
from aegle.protocols import arriving, dimse, listener
from aegle.protocols.dialogue import Patience
from aegle.protocols.dimse import Target
from aegle.protocols.door import DimseDoor
from aegle.protocols.peers import News, Sender

CT = Path(get_testdata_file("CT_small.dcm", download=False))
DATA_SET = rawpeer.data_set(CT)
ABORT, ACCEPT, REJECT = 7, 2, 3


@dataclass
class Clinic:
    folder: Path
    port: int = 0
    kept: list[bytes] = field(default_factory=list)
    notices: list[tuple[News, str]] = field(default_factory=list)
    disk_is_full: bool = False
    told: threading.Event = field(default_factory=threading.Event)

    def receive(self, path: Path, _: Sender) -> None:
        self.kept.append(path.read_bytes())

    def notice(self, news: News, _: Sender, reason: str) -> None:
        if self.disk_is_full:
            raise StorageFull("full")
        self.notices.append((news, reason))
        self.told.set()

    @property
    def left(self) -> list[Path]:
        return list(self.folder.iterdir())

    def still_takes(self) -> bool:
        target = Target(host="127.0.0.1", port=self.port, called="ST-ANNA", calling="PACS")
        return dimse.send(target, [CT])[0].accepted


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    made = Clinic(tmp_path)
    opened = DimseDoor(
        ae_title="ST-ANNA",
        address=("127.0.0.1", 0),
        allow=[Peer(ae_title="PACS")],
        folder=tmp_path,
        receive=made.receive,
        notice=made.notice,
        limit=4,
        most_bytes=200_000,
        patience=Patience(request_s=1.5, idle_s=1.5, message_s=1.5),
    )
    made.port = opened.start()
    yield made
    opened.stop()
    assert made.left == []


@pytest.fixture
def peer(clinic: Clinic) -> Iterator[RawPeer]:
    with RawPeer(clinic.port) as made:
        yield made


@pytest.fixture
def associated(peer: RawPeer) -> RawPeer:
    assert (peer.ask(request()) or (0,))[0] == ACCEPT
    return peer


def test_a_data_set_is_kept_byte_by_byte_behind_meta_information_of_ours(clinic: Clinic, associated: RawPeer) -> None:
    associated.say(store(DATA_SET, step=1_001))
    assert associated.status() == 0
    assert clinic.kept[0].endswith(DATA_SET)
    assert clinic.kept[0] == arriving.preamble(CT_CLASS, "1.2.3.4", EXPLICIT) + DATA_SET
    assert associated.ask(rawpeer.RELEASE) == (6, bytes(4))


def test_many_values_in_one_message_of_the_layer_are_taken_in_order(clinic: Clinic, associated: RawPeer) -> None:
    half = len(DATA_SET) // 2
    start = command(1)
    associated.say(data(value(start[:20], flags=1), value(start[20:], flags=3), value(DATA_SET[:half], flags=0)))
    associated.say(data(value(DATA_SET[half:], flags=2)))
    assert associated.status() == 0
    assert clinic.kept[0].endswith(DATA_SET)


def test_each_context_is_accepted_or_refused_with_its_reason(peer: RawPeer) -> None:
    contexts = context(1, CT_CLASS, "1.2.3", EXPLICIT) + context(3, "1.2.3.4", EXPLICIT) + context(5, CT_CLASS, "1.2.3")
    kind, body = peer.ask(request(contexts)) or (0, b"")
    results, at = {}, body.index(b"\x21\0")
    while body[at] == 0x21:
        results[body[at + 4]] = body[at + 6]
        at += 4 + struct.unpack_from(">H", body, at + 2)[0]
    assert (kind, results) == (ACCEPT, {1: 0, 3: 3, 5: 4})


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request(calling="STRANGER"), (1, 1, 3)),
        (request(called="SOMEBODY"), (1, 1, 7)),
        (request(application="1.2.3"), (1, 1, 2)),
        (request(version=2), (1, 2, 2)),
    ],
)
def test_a_request_that_is_not_for_us_is_rejected_and_told(
    clinic: Clinic, peer: RawPeer, asked: bytes, answer: tuple[int, int, int]
) -> None:
    assert peer.ask(asked) == (REJECT, bytes((0, *answer)))
    assert peer.is_closed()
    assert clinic.notices[0][0] is News.REFUSED


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (store(DATA_SET, sop_class="1.2.840.10008.5.1.4.1.1.4"), 0x0118),
        (store(DATA_SET, sop_instance=""), 0x0117),
        (store(DATA_SET, sop_instance="1." * 40), 0x0117),
        (data(value(command(0x20), flags=3)) + data(value(b"keys", flags=2)), 0x0211),
        (data(value(command(0x20, data=False), flags=3)), 0x0211),
        (data(value(command(1, data=False), flags=3)), 0xC000),
    ],
    ids=["other class", "no instance", "too long a name", "C-FIND", "C-FIND without keys", "C-STORE without data"],
)
def test_a_request_that_cannot_be_met_has_the_status_of_the_standard_and_the_association_lives(
    clinic: Clinic, associated: RawPeer, content: bytes, status: int
) -> None:
    associated.say(content)
    assert associated.status() == status
    associated.say(store(DATA_SET))
    assert associated.status() == 0
    assert len(clinic.kept) == 1


def test_a_cancel_has_no_answer(associated: RawPeer) -> None:
    associated.say(data(value(command(0x0FFF, data=False), flags=3)) + store(DATA_SET))
    assert associated.status() == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (request(), 2),
        (pdu(6, bytes(4)), 2),
        (pdu(9, b"?"), 1),
        (pdu(4, b"\0\0\0"), 6),
        (pdu(4, struct.pack(">IBB", 50, 1, 3)), 6),
        (pdu(4, struct.pack(">IBB", 1, 1, 3)), 6),
        (data(value(b"", number=99, flags=3)), 6),
        (data(value(b"before a command", flags=2)), 6),
        (data(value(command(0x8001, data=False), flags=3)), 2),
        (data(value(b"\0" * 7, flags=3)), 6),
        (data(value(bytes(20_000), flags=1)), 6),
        (struct.pack(">BxI", 4, 0xFFFFFFFF), 6),
    ],
)
def test_what_has_no_place_or_no_form_is_answered_with_an_abort(
    clinic: Clinic, associated: RawPeer, content: bytes, reason: int
) -> None:
    assert associated.ask(content) == (ABORT, bytes((0, 0, 2, reason)))
    assert associated.is_closed()
    assert clinic.still_takes()


def test_a_connection_that_begins_with_anything_else_is_aborted(peer: RawPeer) -> None:
    assert peer.ask(rawpeer.RELEASE) == (ABORT, bytes((0, 0, 2, 2)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"GET / HTTP/1.1\r\n\r\n" * 4, "MALFORMED"), (request(b""), "MALFORMED"), (request()[:40], "TOO_SLOW")],
    ids=["another protocol", "no contexts", "half a request"],
)
def test_what_never_becomes_an_association_is_told(clinic: Clinic, peer: RawPeer, content: bytes, reason: str) -> None:
    peer.say(content)
    assert peer.is_closed() or peer.is_closed()
    assert clinic.told.wait(5)
    assert clinic.notices == [(News.REFUSED, reason)]


def test_an_object_over_the_bound_is_given_up_while_it_arrives_and_refused(clinic: Clinic, associated: RawPeer) -> None:
    content = store(bytes(300_000))
    associated.say(content[:-40_000])
    associated.say(content[-40_000:])
    assert associated.status() == 0xA700
    assert clinic.notices[-1] == (News.NOT_TAKEN, "TOO_LARGE")
    associated.say(store(DATA_SET))
    assert associated.status() == 0


def test_the_end_of_an_object_far_over_the_bound_is_not_awaited(
    clinic: Clinic, associated: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "SPARE_BYTES", 50_000)
    with pytest.raises(OSError):
        associated.say(store(bytes(30_000_000)))
        assert associated.hear() == (ABORT, bytes((0, 0, 2, 0)))
        raise ConnectionResetError
    assert clinic.kept == []


def test_a_disk_that_fills_under_an_object_refuses_it_and_leaves_nothing(
    clinic: Clinic, associated: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_write, written = os.write, []

    def write(descriptor: int, content: bytes) -> int:
        written.append(len(content))
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "no space")
        return really_write(descriptor, content)

    with monkeypatch.context() as patch:
        patch.setattr(arriving.os, "write", write)
        associated.say(store(DATA_SET))
        assert associated.status() == 0xA700
    assert clinic.notices[-1] == (News.NOT_TAKEN, "STORAGE_FULL")
    associated.say(store(DATA_SET))
    assert associated.status() == 0


def test_an_association_that_cannot_be_written_down_is_not_made(clinic: Clinic, peer: RawPeer) -> None:
    clinic.disk_is_full = True
    assert peer.ask(request()) == (REJECT, bytes((0, 2, 3, 1)))  # transient: temporary congestion


def test_an_object_cut_short_is_told_and_leaves_nothing(clinic: Clinic, associated: RawPeer) -> None:
    clinic.told.clear()
    associated.say(store(DATA_SET)[:-500])
    associated.socket.close()
    assert clinic.told.wait(10)
    assert clinic.notices[-1] == (News.NOT_TAKEN, "CUT_SHORT")
    assert clinic.kept == []


def test_one_association_too_many_is_asked_to_come_back(clinic: Clinic) -> None:
    peers = [RawPeer(clinic.port) for _ in range(5)]
    answers = [peer.ask(request()) or (0, b"") for peer in peers]
    assert [kind for kind, _ in answers] == [ACCEPT] * 4 + [REJECT]
    assert answers[-1][1] == bytes((0, 2, 3, 2))  # transient: local limit exceeded
    assert peers[0].ask(rawpeer.RELEASE) == (6, bytes(4))
    assert peers[0].is_closed()
    for peer in peers:
        peer.socket.close()


def test_half_open_connections_by_the_dozen_keep_nobody_out(clinic: Clinic) -> None:
    silent = [RawPeer(clinic.port) for _ in range(listener.MOST_PENDING + 20)]
    assert clinic.still_takes()
    assert silent[0].is_closed()
    for peer in silent:
        peer.socket.close()


def test_a_peer_that_falls_silent_or_dawdles_is_aborted_in_time(clinic: Clinic) -> None:
    whole = store(DATA_SET)
    beginnings = {
        "no request": b"",
        "half a request": request()[:50],
        "idle": request(),
        "half": request() + whole[:9_000],
    }
    peers = []
    for content in beginnings.values():
        peers.append(RawPeer(clinic.port))
        peers[-1].say(content)
    for peer, name in zip(peers, beginnings, strict=True):
        heard = [peer.hear()] if "request" in name else [peer.hear(), peer.hear()]
        assert heard[-1] == (ABORT, bytes(4)[:2] + bytes((2, 0)))
        assert peer.is_closed()
    assert clinic.still_takes()


def test_slow_peers_do_not_delay_others(clinic: Clinic) -> None:
    slow = [RawPeer(clinic.port) for _ in range(3)]
    for peer in slow:
        peer.ask(request())
        peer.say(store(DATA_SET)[:5_000])
    assert clinic.still_takes()
    for peer in slow:
        peer.socket.close()


def test_no_bytes_of_a_stranger_stop_the_door(clinic: Clinic) -> None:
    """Mutations of a whole conversation, and noise; a good object is taken after each batch."""
    draw = random.Random(20_261_125)
    conversation = (
        request() + data(value(command(0x30, VERIFICATION, data=False), number=3, flags=3)) + store(DATA_SET[:4_000])
    )
    for batch in range(30):
        for _ in range(25):
            content = bytearray(conversation if batch % 3 else draw.randbytes(draw.randrange(2_000)))
            for _ in range(draw.randrange(1, 8)):
                if content:
                    at = draw.randrange(min(len(content), 700) if draw.random() < 0.8 else len(content))
                    content[at : at + draw.randrange(3)] = draw.randbytes(draw.randrange(4))
            with RawPeer(clinic.port) as peer:
                try:
                    peer.say(bytes(content))
                    peer.socket.shutdown(1)
                    while peer.hear():
                        pass
                except OSError:
                    pass
        assert clinic.still_takes()
