"""Hostile callers at the archive's endpoint: it stays up, within its memory, answers others, and says no by a status."""

import socket
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from archiveserver import GRANT, Server, objects

MEMORY_MAX_MB = 250  #: of the process, whatever is asked of it; some 100 are Python and its libraries
FORM = 'multipart/related; type="application/dicom"; boundary=b'
LOST = (
    "400",
    "408",
    "431",
    "501",
    "",
)  #: what a request is answered with that is none; nothing where it was just cut off


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    made = Server(folder=folder / "site")
    made.start()
    with made.client() as client:
        assert made.store(client, *objects(folder, 3).values()) == 200
    yield made
    made.kill()


def still_well(server: Server) -> None:
    """Another caller is answered, and the process has not grown."""
    with server.client() as client:
        assert client.get("/studies").status_code == 200
    assert server.process is not None and server.process.poll() is None
    status = Path(f"/proc/{server.process.pid}/status")
    if status.exists():
        peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert peak / 1000 < MEMORY_MAX_MB


def connected(server: Server, sent: str | bytes) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    peer.sendall(sent.encode() if isinstance(sent, str) else sent)
    return peer


def head(*lines: str, method: str = "POST", path: str = "/studies") -> str:
    given = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {GRANT}", *lines]
    return "\r\n".join(given) + "\r\n\r\n"


def status(peer: socket.socket) -> str:
    """Of the answer; empty where the connection was closed without one."""
    try:
        answer = peer.recv(4_096)
    except ConnectionError:
        return ""
    return answer[9:12].decode()


def test_slow_and_half_open_peers_by_the_dozen_keep_nobody_waiting(server: Server) -> None:
    with ExitStack() as stack:
        for number in range(120):
            sent = (
                "GET /studies HTTP/1.1\r\nHost: x\r\nX-Slow: ",
                head(f"Content-Type: {FORM}", "Content-Length: 900000") + "--b\r\n",
                "",
                head(f"Content-Type: {FORM}", "Transfer-Encoding: chunked") + "ffff\r\n--b",
            )[number % 4]
            stack.enter_context(connected(server, sent))
        began = time.monotonic()
        still_well(server)
        assert time.monotonic() - began < 20  # a bound for a wait, not a measure
    still_well(server)


@pytest.mark.parametrize(
    "sent",
    [
        "\x00\x01\x02\r\n\r\n",
        "GET /studies\r\n\r\n",
        head("Content-Length: -1"),
        head("Content-Length: 5", "Content-Length: 6"),
        head("Content-Length: 99999999999999999999999999"),
        head("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n",
        head("Transfer-Encoding: chunked") + "zz\r\n",
        head("X: " + "a" * 300_000, method="GET"),
        head(*[f"X-{number}: y" for number in range(5_000)], method="GET"),
    ],
    ids=["noise", "no-version", "negative", "two-lengths", "huge-length", "two-framings", "bad-chunk", "long", "many"],
)
def test_what_is_no_request_is_refused_or_cut_off(server: Server, sent: str) -> None:
    with connected(server, sent) as peer:
        with suppress(OSError):  # it is cut off already
            peer.shutdown(socket.SHUT_WR)
        answered = status(peer)
    assert answered in ("400", "411", "413", "431", "501", "")  # nothing where it was just cut off
    still_well(server)


def nested(depth: int) -> bytes:
    """A data set of so many sequences within each other, none of which ends."""
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return (struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + item) * depth


def part_10(content: bytes, syntax: bytes = b"1.2.840.10008.1.2.1\0") -> bytes:
    element = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
    return bytes(128) + b"DICM" + element + content


def bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    start = packer.compress(struct.pack("<HH2sHI", 8, 8, b"UT", 0, 0xFFFFFFF0))
    return start + b"".join(packer.compress(bytes(1 << 20)) for _ in range(500)) + packer.flush()


@pytest.mark.parametrize(
    "content",
    [
        part_10(nested(20_000)),
        part_10(nested(20_000), b"1.2.840.10008.1.2\0"),
        part_10(bomb(), b"1.2.840.10008.1.2.1.99"),
        part_10(struct.pack("<HH2sHI", 8, 8, b"UT", 0, 0xFFFFFFF0)),
        part_10(struct.pack("<HH2sHI", 8, 8, b"OB", 0, 0xFFFFFFFF)),
        part_10(
            b"\x08\0\x05\0CS\x0a\0ISO_IR 192" + struct.pack("<HH2sHI", 8, 8, b"UT", 0, 30_000_000) + b"\\" * 30_000_000
        ),
    ],
    ids=["deep", "deep-implicit", "deflated", "false-length", "unended", "separators"],
)
def test_an_object_that_is_a_bomb_is_refused_by_its_reason(server: Server, content: bytes) -> None:
    body = b"--b\r\n\r\n" + content + b"\r\n--b--"
    with server.client() as client:
        answer = client.post("/studies", content=body, headers={"Content-Type": FORM})
    assert answer.status_code == 409
    assert answer.json()["0008119A"]["Value"][0]["00081197"]["Value"][0] in (0xC000, 0xA700)
    still_well(server)


def test_a_body_of_nothing_but_boundaries_is_refused(server: Server) -> None:
    with server.client() as client:
        answer = client.post("/studies", content=b"--b\r\n\r\n\r\n" * 20_000, headers={"Content-Type": FORM})
    assert answer.status_code == 413
    assert server.left_over() == []
    still_well(server)


@pytest.mark.parametrize(
    "path",
    [
        "/studies/2.25.1/rendered?viewport=4096,4096", "/studies/2.25.1/thumbnail?viewport=99999,99999",
        f"/instances?SOPInstanceUID={','.join(['2.25.1'] * 3_000)}", "/studies?limit=99999999999999",
        "/instances?PatientName=" + "*?" * 5_000, "/studies/" + "1." * 20_000,
    ],
    ids=["viewport", "thumbnail", "uids", "limit", "wildcards", "long-uid"],
)  # fmt: skip
def test_a_question_that_costs_too_much_is_refused_or_answered_within_bounds(server: Server, path: str) -> None:
    with server.client() as client:
        try:
            code = client.get(path).status_code
        except httpx.RemoteProtocolError:
            code = 400  # the line alone is longer than a request may be
    assert code in (200, 204, 400, 404, 406, 413, 414, 431)
    still_well(server)


def test_a_caller_without_a_grant_is_told_so_before_the_body_ends(server: Server) -> None:
    sent = head(f"Content-Type: {FORM}", "Content-Length: 9000000").replace(GRANT, "none") + "--b\r\n\r\n"
    with connected(server, sent) as peer:
        assert status(peer) == "401"
    still_well(server)
