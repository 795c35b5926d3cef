"""multipart/related is written and read back, whatever the parts hold; nonsense is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegle.errors import BadMessage
from aegle.protocols import multipart


@given(st.lists(st.binary(max_size=2_000), max_size=8))
def test_parts_come_back_as_they_were(parts: list[bytes]) -> None:
    content_type, body = multipart.write(parts, "application/octet-stream")
    assert multipart.read(content_type, b"".join(body)) == parts


def test_a_part_may_hold_its_own_boundary() -> None:
    content_type, body = multipart.write([b"x"], "image/jpeg")
    boundary = content_type.rpartition("=")[2].encode()
    parts = [b"\r\n--" + boundary + b"\r\nContent-Type: a\r\n\r\n", b"y"]
    body = b"".join(multipart._body(parts, "image/jpeg", boundary.decode()))
    assert multipart.read(content_type, body) == parts


def test_parts_without_a_length_end_at_the_boundary() -> None:
    body = b"--b\r\nContent-Type: a\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--"
    assert multipart.read("multipart/related; boundary=b", body) == [b"one", b"two"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadMessage):
        multipart.read("multipart/related; boundary=b", b"--b" + body)


@pytest.mark.parametrize("content_type", ["multipart/related", "multipart/related; boundary=", "text/plain"])
def test_a_missing_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadMessage):
        multipart.read(content_type, b"--b--")
