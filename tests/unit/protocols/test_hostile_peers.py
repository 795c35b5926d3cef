"""Peers by the dozen that are slow, half-open or noisy: the others are served, memory and trail stay within their bounds."""

import gc
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import rawpeer
from pydicom.data import get_testdata_file
from rawpeer import RawPeer, request, store

from aegle.config import Peer
from aegle.protocols import dimse
from aegle.protocols.dialogue import Patience
from aegle.protocols.dimse import Target
from aegle.protocols.door import DimseDoor
from aegle.protocols.peers import News, Sender
from aegle.protocols.tls import server_context
from certificates import Authority, authority

CT = Path(get_testdata_file("CT_small.dcm", download=False))
DOZENS = 48


@dataclass
class Clinic:
    folder: Path
    taken: list[bytes] = field(default_factory=list)
    news: list[tuple[News, str]] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    def notice(self, news: News, _: Sender, reason: str) -> None:
        with self.told:
            self.news.append((news, reason))
            self.told.notify_all()

    @contextmanager
    def door(self, signer: Authority | None = None, limit: int = 8) -> Iterator[int]:
        made = DimseDoor(
            ae_title="ST-ANNA",
            address=("127.0.0.1", 0),
            allow=[Peer(ae_title="PACS")],
            folder=self.folder,
            receive=lambda path, _: self.taken.append(path.read_bytes()),
            notice=self.notice,
            limit=limit,
            tls=server_context(signer.issue("door", signer.file)) if signer else None,
            patience=Patience(request_s=8, idle_s=8, message_s=8),
        )
        yield made.start()
        made.stop()

    def await_refusals(self, count: int) -> list[str]:
        with self.told:
            assert self.told.wait_for(lambda: len(self.refusals()) >= count, 30)
        return self.refusals()

    def refusals(self) -> list[str]:
        return [reason for news, reason in self.news if news is News.REFUSED]


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    (tmp_path / "arriving").mkdir()
    return Clinic(tmp_path / "arriving")


def good(port: int, signer: Authority | None = None) -> bool:
    """Whether a peer who behaves is served, by the whole way."""
    tls = signer.issue("modality", signer.file) if signer else None
    target = Target(host="127.0.0.1", port=port, called="ST-ANNA", calling="PACS", tls=tls)
    return dimse.send(target, [CT])[0].accepted


def test_half_open_tls_by_the_dozen_keeps_nobody_out_and_each_is_told(clinic: Clinic, tmp_path: Path) -> None:
    signer = authority(tmp_path, "hospital")
    with clinic.door(signer) as port, ExitStack() as held:
        for number in range(DOZENS):
            silent = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            silent.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7])  # a handshake that begins, or does not
        began = time.monotonic()
        assert good(port, signer)
        assert time.monotonic() - began < 8  # not by their patience
        held.close()
        assert set(clinic.await_refusals(DOZENS)) == {"NO_TLS"}


def test_slow_senders_in_every_seat_but_one_leave_that_one_free(clinic: Clinic) -> None:
    whole = store(rawpeer.data_set(CT))
    with clinic.door(limit=8) as port, ExitStack() as held:
        slow = [held.enter_context(RawPeer(port)) for _ in range(7)]
        for peer in slow:
            assert (peer.ask(request()) or (0,))[0] == 2
            peer.say(whole[: len(whole) // 2])
        assert [good(port) for _ in range(5)] == [True] * 5
        for peer in slow:
            peer.say(whole[len(whole) // 2 :])
        assert [peer.status() for peer in slow] == [0] * 7
    assert len(clinic.taken) == 12


def test_many_peers_who_each_send_a_little_of_much_hold_little_memory(clinic: Clinic) -> None:
    """Each has announced a message of 100 MB and sent 2 MB of it."""
    part = rawpeer.data(rawpeer.value(bytes(100_000), flags=0))
    begin = rawpeer.data(rawpeer.value(rawpeer.command(1), flags=3))
    with clinic.door(limit=32) as port, ExitStack() as held:
        good(port)
        gc.collect()
        tracemalloc.start()
        peers = [held.enter_context(RawPeer(port)) for _ in range(24)]
        for peer in peers:
            assert (peer.ask(request()) or (0,))[0] == 2
            peer.say(begin + part * 20)
        assert good(port)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 24 * 1_000_000


def test_noise_by_the_dozen_is_told_and_nobody_waits_for_it(clinic: Clinic) -> None:
    with clinic.door() as port:
        threads = [threading.Thread(target=_noise, args=(port, number)) for number in range(DOZENS)]
        for thread in threads:
            thread.start()
        assert good(port)
        for thread in threads:
            thread.join()
        assert set(clinic.await_refusals(DOZENS)) == {"MALFORMED"}


def _noise(port: int, number: int) -> None:
    starts = (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\x00\x00\x00\x05abcde",
        b"\x16\x03\x01\x00\x05hello",
        bytes(range(1, 90)),
    )
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(starts[number % 4])
        peer.shutdown(socket.SHUT_WR) if number % 4 != 3 else None
        while peer.recv(1_000):
            pass
