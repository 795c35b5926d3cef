"""The reader of requests takes nothing that h11 takes for something else, and refuses what could hide a second request."""

import socket
from collections.abc import Iterator

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegle.carrier.head import NotHttp, read_head
from aegle.carrier.wire import Gone, Wire, WireBody
from aegle.errors import AegleError

Read = tuple[str, str, dict[str, str], bytes]
"""Method, target, headers (a transfer coding in small letters, as h11 tells it), body."""


def ours(sent: bytes) -> list[Read]:
    """The requests that are read whole, up to the first that is refused."""
    here, there = socket.socketpair()
    with here, there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        there.sendall(sent)
        there.shutdown(socket.SHUT_WR)
        return list(_requests(here))


def _requests(here: socket.socket) -> Iterator[Read]:
    wire = Wire(here)
    try:
        while (head := wire.head()) is not None:
            body, content = WireBody(wire, head, here), b""
            place = bytearray(7)
            while size := body.read_into(memoryview(place)):
                content += place[:size]
            headers = {
                name: value.lower() if name == "transfer-encoding" else value for name, value in head.headers.items()
            }
            yield head.method, head.target, headers, content
            if not head.stays:
                return
    except (NotHttp, Gone, AegleError):
        return


def h11s(sent: bytes) -> list[Read]:
    """The same by h11."""
    server, found = h11.Connection(h11.SERVER), list[Read]()
    server.receive_data(sent)
    server.receive_data(b"")
    request, content = None, b""
    while True:
        try:
            event = server.next_event()
        except h11.RemoteProtocolError:
            return found
        if isinstance(event, h11.Request):
            request, content = event, b""
        elif isinstance(event, h11.Data):
            content += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            headers: dict[str, str] = {}
            for name, value in request.headers:
                text = value.decode("latin-1")
                headers[name.decode()] = f"{headers[name.decode()]}, {text}" if name.decode() in headers else text
            found.append((request.method.decode(), request.target.decode("latin-1"), headers, content))
            server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            server.send(h11.EndOfMessage())
            if server.our_state is not h11.DONE:
                return found
            server.start_next_cycle()
        else:
            return found


NAMES = st.sampled_from(
    ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept", "X-Else", "Expect", "Range"]
)
VALUES = st.sampled_from(
    ["a", "5", "0", "chunked", "CHUNKED", "close", "keep-alive", "100-continue", "5, 5", "+5", "", "\tb "]
)
HEADS = st.builds(
    lambda method, target, version, fields: (
        f"{method} {target} HTTP/{version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    ).encode(),
    st.sampled_from(["GET", "POST", "HEAD", "BREW"]),
    st.sampled_from(["/", "/studies?limit=1", "/a%20b", "*", "http://else/x"]),
    st.sampled_from(["1.1", "1.1", "1.1", "1.0", "2.0"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=5).map(lambda fields: [("Host", "x"), *fields]),
)
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        b"0\r\n\r\n",
        b"05\r\nhello\r\n0\r\n\r\n",
    ]
)
SPICE = st.sampled_from(
    [b"\n", b"\r", b" ", b"\t", b"\0", b":", b"\x7f", b"\xff", b"0", b"\r\n", b"\r\n ", b"5", b";", b","]
)
Edits = list[tuple[float, int, bytes]]
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2), SPICE), max_size=3)


def edited(sent: bytes, edits: Edits) -> bytes:
    for where, taken, put in edits:
        at = int(where * len(sent))
        sent = sent[:at] + put + sent[at + taken :]
    return sent


@given(st.lists(st.tuples(HEADS, BODIES), min_size=1, max_size=3), EDITS)
@settings(max_examples=250, deadline=None)
def test_what_is_read_is_what_another_reader_reads(requests: list[tuple[bytes, bytes]], edits: Edits) -> None:
    sent = edited(b"".join(head + body for head, body in requests), edits)
    mine, other = ours(sent), h11s(sent)
    for one, another in zip(mine, other, strict=False):
        assert one[0] == another[0] and one[2:] == another[2:]
        assert one[1] == another[1] or not another[1].startswith("/")
    assert len(mine) <= len(other)


BODY = st.binary(max_size=300)


@given(st.lists(st.tuples(BODY, st.one_of(st.none(), st.integers(1, 50))), max_size=4))
@settings(max_examples=100, deadline=None)
def test_every_honest_request_is_read_in_its_order(bodies: list[tuple[bytes, int | None]]) -> None:
    sent, wanted = b"", []
    for number, (body, size) in enumerate(bodies):
        if size is None:
            framing, framed = f"Content-Length: {len(body)}", body
        else:
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
            framing = "Transfer-Encoding: chunked"
            framed = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"
        sent += f"POST /{number} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode() + framed
        wanted.append((f"/{number}", body))
    assert [(target, body) for _, target, _, body in ours(sent)] == wanted


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y", 400),
        ("GET / HTTP/1.1\r\nHost: x y", 400),
        ("GET / HTTP/1.1\r\nHost : x", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\n folded: y", 400),
        ("GET / HTTP/1.1\r\nHost: x\nX: y", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX", 400),
        ("GET  / HTTP/1.1\r\nHost: x", 400),
        ("GET / x HTTP/1.1\r\nHost: x", 400),
        ("GET x HTTP/1.1\r\nHost: x", 400),
        ("GET /\xff HTTP/1.1\r\nHost: x", 400),
        ("GET / HTTP/2.0\r\nHost: x", 505),
        ("GET / HTTP/1.1\r\nHost: x\r\nExpect: tea", 417),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked", 501),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999", 413),
    ],
)
def test_a_head_that_two_readers_could_read_apart_is_refused(head: str, status: int) -> None:
    with pytest.raises(NotHttp) as refused:
        read_head(head.encode("latin-1"))
    assert refused.value.status == status


@pytest.mark.parametrize(
    "chunks",
    [
        b"0x5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\nhello",
        b"5\r\nhello\r\n0\r\nX y\r\n\r\n", b"5;" + b"a" * 500 + b"\r\nhello\r\n0\r\n\r\n", b"5;\x01\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 101 + b"\r\n", b"5\r\nhel",
    ],
)  # fmt: skip
def test_chunks_that_are_none_are_refused(chunks: bytes) -> None:
    assert ours(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) == []
