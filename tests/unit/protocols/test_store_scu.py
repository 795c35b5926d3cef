"""Our sender against dcmtk's storescp, pynetdicom, and peers that do as they like: streamed, bounded, honest."""

import contextlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rawpeer
from pydicom.data import get_testdata_file
from pynetdicom import AE, evt
from rawpeer import EXPLICIT, data, item, pdu, value

import dcmtk
from aegle.dicom.describe import describe
from aegle.errors import BadDicom, PeerUnreachable
from aegle.protocols import dimse
from aegle.protocols.arriving import preamble
from aegle.protocols.dimse import Target
from aegle.protocols.requestor import read_acceptance

CT, MR, J2K = (
    Path(get_testdata_file(name, download=False)) for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")
)


def target(port: int) -> Target:
    return Target(host="127.0.0.1", port=port, called="PACS", calling="ST-ANNA")


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("pdu_bytes", [4_096, 131_072])
def test_storescp_keeps_the_bytes_that_were_sent_whatever_it_takes_at_a_time(tmp_path: Path, pdu_bytes: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [
        dcmtk._found("storescp"),
        "-pdu",
        str(pdu_bytes),
        "+B",
        "+xa",
        "-aet",
        "PACS",
        "-od",
        str(tmp_path),
        str(port),
    ]
    process = subprocess.Popen(words)
    try:
        until = time.monotonic() + 20
        while not _echoes(port):
            assert time.monotonic() < until
            time.sleep(0.05)
        answers = dimse.send(target(port), [CT, MR, J2K])
        assert [answer.status for answer in answers] == [0, 0, 0]
    finally:
        process.terminate()
        process.wait()
    kept = sorted(rawpeer.data_set(path) for path in tmp_path.iterdir())
    assert kept == sorted(rawpeer.data_set(path) for path in (CT, MR, J2K))


def _echoes(port: int) -> bool:
    try:
        return dimse.echo(target(port))
    except PeerUnreachable:
        return False


@contextmanager
def library(*contexts: tuple[str, str], status: int = 0, title: str = "PACS", knows: str = "ST-ANNA") -> Iterator[int]:
    """pynetdicom as a Storage SCP."""
    entity = AE(ae_title=title)
    entity.require_called_aet = True
    entity.require_calling_aet = [knows]
    for sop_class, syntax in contexts:
        entity.add_supported_context(sop_class, syntax)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: status)])
    assert server is not None
    yield server.server_address[1]
    server.shutdown()


def _kind(path: Path) -> tuple[str, str]:
    found = describe(path)
    return found.instance.sop_class, found.transfer_syntax


@pytest.mark.parametrize(("status", "accepted"), [(0, True), (0xB000, True), (0xA700, False), (0xC000, False)])
def test_what_the_peer_says_of_each_object_is_told(status: int, accepted: bool) -> None:
    heard: list[Path] = []
    with library(_kind(CT), status=status) as port:
        answers = dimse.send(target(port), [CT, CT], lambda answer: heard.append(answer.path))
    assert [(answer.status, answer.accepted) for answer in answers] == [(status, accepted)] * 2
    assert heard == [CT, CT]


def test_an_object_for_which_no_context_was_accepted_is_not_sent_and_the_others_are() -> None:
    with library(_kind(CT)) as port:
        assert [answer.status for answer in dimse.send(target(port), [J2K, CT])] == [None, 0]
        with pytest.raises(PeerUnreachable, match="nothing of what was proposed"):
            dimse.send(target(port), [J2K])


def test_a_rejection_is_told_in_words() -> None:
    with (
        library(_kind(CT), knows="SOMEBODY") as port,
        pytest.raises(PeerUnreachable, match=r"does not know .* ST-ANNA"),
    ):
        dimse.send(target(port), [CT])
    with library(_kind(CT), title="OTHER") as port, pytest.raises(PeerUnreachable, match="AE title is another"):
        dimse.send(target(port), [CT])


def test_nobody_at_the_port_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(PeerUnreachable, match="nobody answers"):
        dimse.send(target(port), [CT])


def test_more_kinds_than_an_association_may_propose_go_over_several(tmp_path: Path) -> None:
    kinds = [f"1.2.840.10008.5.1.4.1.1.2.{number}" for number in range(130)]
    paths = []
    for number, kind in enumerate(kinds):
        paths.append(tmp_path / f"{number}.dcm")
        _with_class(paths[-1], kind)
    assert [len(batch) for batch in dimse._batches([dimse._identify(path) for path in paths])] == [128, 2]


def _with_class(path: Path, kind: str) -> None:
    path.write_bytes(preamble(kind, "1.2.3", EXPLICIT) + rawpeer.data_set(CT))


# --- peers that do as they like

ACCEPTED = pdu(
    2,
    struct.pack(">HH", 1, 0)
    + bytes(64)
    + item(0x10, b"1.2.840.10008.3.1.1.1")
    + item(0x21, b"\1\0\0\0" + item(0x40, EXPLICIT.encode()))
    + item(0x50, item(0x51, struct.pack(">I", 16_384))),
)


@contextmanager
def peer(*says: bytes | Callable[[socket.socket], None]) -> Iterator[int]:
    """Answers the association request, and the first object, with what it is told; then it is gone."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for said in says:
                if callable(said):
                    said(connection)
                else:
                    connection.recv(1 << 16)
                    connection.sendall(said)
            connection.settimeout(5)
            while connection.recv(1 << 16):
                pass

    thread = threading.Thread(target=_quietly, args=(serve,))
    thread.start()
    yield listener.getsockname()[1]
    listener.close()
    thread.join()


def _quietly(run: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        run()


@pytest.mark.parametrize(
    "said",
    [
        pdu(7, bytes(4)),
        data(value(rawpeer.command(1), flags=3)),
        data(value(b"\0" * 7, flags=3)),
        data(value(b"an object", flags=2)),
        pdu(9, b""),
        struct.pack(">BxI", 4, 0xFFFFFFFF),
    ],
    ids=["abort", "a request", "noise", "a data set", "unknown", "without end"],
)
def test_a_peer_that_breaks_the_protocol_has_taken_nothing(said: bytes) -> None:
    with peer(ACCEPTED, said) as port:
        answers = dimse.send(target(port), [CT, CT])
    assert [answer.status for answer in answers] == [None, None]


def test_a_peer_that_dies_is_noticed_at_once_and_what_it_took_before_counts() -> None:
    body = rawpeer.element(0x0100, struct.pack("<H", 0x8001)) + rawpeer.element(0x0120, struct.pack("<H", 1))
    body += rawpeer.element(0x0800, struct.pack("<H", 0x0101)) + rawpeer.element(0x0900, struct.pack("<H", 0))
    taken = data(value(rawpeer.element(0, struct.pack("<I", len(body))) + body, flags=3))

    def take_one_and_die(connection: socket.socket) -> None:
        left = CT.stat().st_size - 1_000
        while left > 0:
            left -= len(connection.recv(1 << 16))
        connection.sendall(taken)
        raise OSError

    with peer(ACCEPTED, take_one_and_die) as port:
        assert [answer.status for answer in dimse.send(target(port), [CT, CT, CT])] == [0, None, None]


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", pdu(2, b"short"), pdu(5, bytes(4)), b""])
def test_what_is_no_answer_to_an_association_request_is_an_unreachable_peer(said: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(said)
        raise OSError

    with peer(answer) as port, pytest.raises(PeerUnreachable):
        dimse.send(target(port), [CT])


@pytest.mark.parametrize("cut", range(0, len(ACCEPTED) - 6, 7))
def test_an_acceptance_cut_anywhere_is_refused_or_read_and_nothing_worse(cut: int) -> None:
    with contextlib.suppress(BadDicom):
        read_acceptance(ACCEPTED[6 : 6 + cut])


def test_memory_does_not_grow_with_the_object(tmp_path: Path) -> None:
    """A slide of 200 MB through a process of its own."""
    big = tmp_path / "big.dcm"
    shutil.copy(CT, big)
    with big.open("ab") as stream:
        stream.truncate(200_000_000)  # the rest is zeros: what it means is not the sender's business
    sizes: list[int] = []

    def drain(connection: socket.socket) -> None:
        while block := connection.recv(1 << 20):
            sizes.append(len(block))

    with peer(ACCEPTED, drain) as port:
        code = (
            "import sys, resource; from pathlib import Path; from aegle.protocols import dimse\n"
            f"socket_peer = dimse.Target(host='127.0.0.1', port={port}, called='PACS', calling='ST-ANNA')\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "from aegle.protocols import dialogue, requestor, wire\n"
            "requestor._RELEASE_SECONDS = wire._LINGER_SECONDS = 0.1\n"
            "dialogue.Dialogue._await = lambda *_: 0\n"
            f"dimse.send(socket_peer, [Path({str(big)!r})])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
        )
        grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert grown.returncode == 0, grown.stderr
    assert sum(sizes) > 199_000_000
    assert int(grown.stdout) < 20_000  # KB
