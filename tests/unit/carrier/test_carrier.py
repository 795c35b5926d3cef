"""The carrier on loopback: what stays open, what is cut, and who gets the seats."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from aegle.carrier import Application, Carrier, Request, Response, Run
from aegle.errors import NotFound, Overloaded


def answer(request: Request) -> Response:
    if request.path == "/fault":
        raise ValueError("Doe^Jane")
    if request.path == "/header":
        return Response(headers={"X": "a\r\nb"}, size_bytes=0)
    if request.path == "/cut":
        return Response(pieces=cut_short())
    if request.path == "/short":
        return Response(pieces=(b"abc",), size_bytes=5)
    if request.path == "/chunks":
        return Response(pieces=(b"ab", b"", b"c"))
    if request.path == "/unread":
        return Response.of(b"no", 403)
    place, found = bytearray(1000), hashlib.sha256()
    while size := request.body.read_into(memoryview(place)):
        found.update(place[:size])
    return Response.of(found.hexdigest().encode())


def cut_short() -> Iterator[bytes]:
    yield b"some"
    raise NotFound("the rest is gone")


@contextmanager
def served(application: Application, seats: int = 8) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    carrier = Carrier(application, "127.0.0.1", port, seats)
    carrier.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        carrier.stop()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(Application(answer)) as address:
        yield address


def connected(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=20)


def everything(peer: socket.socket) -> bytes:
    found = b""
    while piece := peer.recv(65_536):
        found += piece
    return found


def test_a_large_body_arrives_whole_by_length_and_in_chunks(url: str) -> None:
    content = bytes(range(256)) * 20_000
    digest = hashlib.sha256(content).hexdigest()
    with httpx.Client(trust_env=False) as client:
        assert client.post(url, content=content).text == digest
        pieces = (content[at : at + 77_777] for at in range(0, len(content), 77_777))
        assert client.post(url, content=pieces).text == digest


def test_a_sender_who_waits_for_leave_gets_it_and_one_who_is_refused_does_not(url: str) -> None:
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with connected(url) as peer:
        peer.sendall(head.format("/").encode())
        assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(b"hello")
        assert peer.recv(1000).startswith(b"HTTP/1.1 200 ")
    with connected(url) as peer:
        peer.sendall(head.format("/unread").encode())
        refused = everything(peer)
    assert refused.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in refused


def test_requests_behind_each_other_are_answered_in_order(url: str) -> None:
    with connected(url) as peer:
        peer.sendall(
            b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
            b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /chunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        found = everything(peer)
    first, second, third = found.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"403 ") and first.endswith(b"no")
    assert second.startswith(b"200 ") and second.endswith(b"content-length: 64\r\n\r\n")
    assert third.endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")


def test_an_old_client_gets_no_chunks_and_is_hung_up_on(url: str) -> None:
    with connected(url) as peer:
        peer.sendall(b"GET /chunks HTTP/1.0\r\n\r\n")
        assert everything(peer).endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(("path", "told"), [("/fault", b"HTTP/1.1 500 "), ("/header", b"")])
def test_a_fault_quotes_nothing_and_the_others_go_on(
    url: str, path: str, told: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(url) as peer:
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert everything(peer)[:13] == told
    assert "Doe" not in caplog.text
    assert httpx.get(url, trust_env=False).status_code == 200


@pytest.mark.parametrize("path", ["/cut", "/short"])
def test_an_answer_that_breaks_off_is_not_taken_for_whole(url: str, path: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}{path}", trust_env=False)


def test_a_file_is_sent_from_where_it_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000) + b"x" * 300_000 + b"end")
    run = Run(tmp_path / "file", 1000, 300_000)
    with served(Application(lambda _: Response(pieces=(b"a", run, b"b"), size_bytes=300_002))) as url:
        assert httpx.get(url, trust_env=False).content == b"a" + b"x" * 300_000 + b"b"


def test_idle_connections_give_way_when_all_seats_are_taken() -> None:
    with served(Application(answer), seats=4) as url, ExitStack() as stack:
        for number in range(20):
            peer = stack.enter_context(connected(url))
            peer.sendall(b"GET / HTTP/1.1\r\nX-Slow: "[: number * 2])
        assert httpx.get(url, trust_env=False).status_code == 200


def test_when_requests_hold_all_seats_another_one_is_told_to_come_back() -> None:
    entered, go_on = threading.Semaphore(0), threading.Event()

    def wait(_: Request) -> Response:
        entered.release()
        go_on.wait(20)
        return Response.of(b"done")

    with served(Application(wait), seats=1) as url, connected(url) as first:
        first.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert entered.acquire(timeout=20)
        second = httpx.get(url, trust_env=False)
        assert (second.status_code, second.headers["retry-after"]) == (503, "5")
        go_on.set()
        assert everything(first).endswith(b"done")


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Overloaded, match="is taken"):
        Carrier(Application(answer), "127.0.0.1", taken.getsockname()[1]).start()
