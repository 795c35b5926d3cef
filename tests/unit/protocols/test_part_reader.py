"""A multipart body read as it arrives, however it is cut into blocks and whatever is in it."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegle.errors import BadMessage, TooLarge
from aegle.protocols import multipart, part_reader
from aegle.protocols.part_reader import PartReader

TYPE = "multipart/related; type=application/dicom; boundary=x-y"
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fed(reader: PartReader, body: bytes, size: int) -> list[bytes]:
    try:
        for start in range(0, len(body), size):
            reader.feed(body[start : start + size])
        return [part.path.read_bytes() for part in reader.finish()]
    finally:
        reader.discard()


@given(
    parts=st.lists(st.binary(max_size=200) | st.sampled_from([b"\r\n--x-", b"\r\n", b"--x-y"]), max_size=4),
    size=st.integers(1, 90),
)
@quick
def test_what_is_written_is_read_back_however_it_is_cut(tmp_path: Path, parts: list[bytes], size: int) -> None:
    content_type, body = multipart.write(parts, "application/dicom")
    reader = PartReader(content_type, tmp_path, 1000)
    assert fed(reader, b"".join(body), size) == parts
    assert list(tmp_path.iterdir()) == []


@given(
    pieces=st.lists(
        st.sampled_from([b"--x-y", b"\r\n", b"--", b"a", b":", b"Content-Type", b"\0" * 40, b"\r"]), max_size=30
    ),
    size=st.integers(1, 50),
)
@quick
def test_no_body_breaks_it_or_leaves_a_file(tmp_path: Path, pieces: list[bytes], size: int) -> None:
    with contextlib.suppress(BadMessage, TooLarge):
        fed(PartReader(TYPE, tmp_path, 100), b"".join(pieces), size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", BadMessage),
        (b"--x-y\r\n\r\nabc", BadMessage),
        (b"--x-y\r\n\r\nabc\r\n--x-y", BadMessage),
        (b"--x-y\r\n" + b"a" * 9_000, BadMessage),
        (b"a" * 9_000, BadMessage),
        (b"--x-yz\r\n\r\nabc", BadMessage),
        (b"--x-y" + b" " * 257 + b"\r\n\r\nabc\r\n--x-y--", BadMessage),
        (b"--x-y -\r\n\r\nabc\r\n--x-y--", BadMessage),
        (b"--x-y\r\n\r\n" + b"a" * 101 + b"\r\n--x-y--", TooLarge),
    ],
)
def test_a_body_cut_short_or_over_a_bound_is_refused(tmp_path: Path, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        fed(PartReader(TYPE, tmp_path, 100), body, 64)
    assert list(tmp_path.iterdir()) == []


def test_a_body_of_too_many_parts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_reader, "PARTS_MAX", 3)
    _, body = multipart.write([b"a"] * 4, "application/dicom")
    whole = b"".join(body)
    boundary = whole[2:34].decode()
    with pytest.raises(TooLarge):
        fed(PartReader(f"multipart/related; boundary={boundary}", tmp_path, 100), whole, 999)
