"""Bodies of a STOW request, whole and damaged: read as the standard library's `email` reads them, or refused."""

import email
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegle.errors import AegleError, BadMessage, TooLarge
from aegle.protocols import multipart
from aegle.protocols.part_reader import PartReader

KIND = "multipart/related; type=application/dicom; boundary=b"
#: Line ends are whole in each, so that nothing made of them is a line for one reader and none for the other.
TOKENS = [b"\r\n", b"--b", b" ", b"--", b"b", b"x", b"\0", b"\xff\xfe", b"-", b": ", b"Content-Length: 3", b"DICM" * 30]
contents = st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join)
headers = st.sampled_from(
    [b"", b"Content-Type: application/dicom\r\n", b"content-type:a/b;c=d\r\nContent-Length: 1\r\n"]
)

padding = st.sampled_from([b"", b"", b" ", b"\t \t", b" " * 256])

damaged = st.lists(st.sampled_from([*TOKENS, b"\r\n--b\r\n", b"\r\n--b--", b"\r\n\r\n"]), max_size=30).map(b"".join)


def by_email(body: bytes) -> list[bytes] | None:
    """The parts; None where that reader finds fault."""
    made = email.message_from_bytes(f"Content-Type: {KIND}\r\n\r\n".encode() + body)
    if made.defects or not made.is_multipart():
        return None
    parts = made.get_payload()
    assert isinstance(parts, list)
    if any(part.defects for part in parts):  # type: ignore[union-attr]
        return None
    return [part.get_payload(decode=True) for part in parts]  # type: ignore[union-attr, misc]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as place:
        yield Path(place)


def by_us(folder: Path, blocks: Sequence[bytes]) -> list[bytes]:
    reader = PartReader(KIND, folder, 5_000)
    try:
        for block in blocks:
            reader.feed(block)
        return [part.path.read_bytes() for part in reader.finish()]
    finally:
        reader.discard()
        assert list(folder.iterdir()) == []


def outcome(folder: Path, blocks: Sequence[bytes]) -> list[bytes] | str:
    try:
        return by_us(folder, blocks)
    except AegleError as error:
        return error.meaning.code


def cut(body: bytes, chance: random.Random) -> list[bytes]:
    places = sorted(chance.randint(0, len(body)) for _ in range(chance.randint(0, 6)))
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


@given(
    st.lists(st.tuples(padding, headers, contents), min_size=1, max_size=5),
    st.sampled_from([b"", b"before\r\n"]),
    st.sampled_from([b"", b"\r\n", b" \t", b" \r\n", b"\r\nafter\r\n--b\r\n"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_what_is_well_formed_is_read_as_email_reads_it(
    folder: Path, parts: list[tuple[bytes, bytes, bytes]], before: bytes, after: bytes, chance: random.Random
) -> None:
    written = [b"--b" + blanks + b"\r\n" + head + b"\r\n" + content + b"\r\n" for blanks, head, content in parts]
    body = before + b"".join(written) + b"--b--" + after
    found = outcome(folder, cut(body, chance))
    if b"--b" not in b"".join(content for _, _, content in parts):
        assert found == [content for _, _, content in parts]
    expected = by_email(body)
    if not isinstance(found, str) and expected is not None:
        assert found == expected


@given(
    st.lists(st.sampled_from([*TOKENS, b"\r\n--b\r\n", b"\r\n--b--", b"\r\n\r\n"]), max_size=30).map(b"".join),
    st.randoms(use_true_random=False),
)
@settings(max_examples=300, deadline=None)
def test_what_is_taken_of_any_body_is_what_email_takes(folder: Path, rest: bytes, chance: random.Random) -> None:
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + rest
    found, expected = outcome(folder, cut(body, chance)), by_email(body)
    if not isinstance(found, str) and expected is not None:
        assert found == expected


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_a_damaged_body_is_read_or_refused_alike_however_it_arrives(
    folder: Path, parts: list[bytes], chance: random.Random
) -> None:
    body = bytearray(b"".join(multipart._body(parts, "application/dicom", "b")))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(body))
        match chance.randrange(4):
            case 0:
                body[at] ^= 1 << chance.randrange(8)
            case 1:
                del body[at : at + chance.randint(1, 9)]
            case 2:
                body[at:at] = body[at : at + chance.randint(1, 30)]
            case _:
                body[at:at] = chance.choice(TOKENS)
        if not body:
            return
    whole = bytes(body)
    at_once = outcome(folder, [whole])
    assert outcome(folder, cut(whole, chance)) == at_once
    assert outcome(folder, [whole[at : at + 1] for at in range(len(whole))]) == at_once
    assert isinstance(at_once, list) or at_once in (BadMessage().meaning.code, TooLarge().meaning.code)


@given(st.lists(st.binary(max_size=300), max_size=6))
@settings(deadline=None)
def test_what_we_write_is_read_alike_by_both_of_our_readers_and_by_email(folder: Path, parts: list[bytes]) -> None:
    kind, pieces = multipart.write(parts, "application/dicom")
    body = b"".join(pieces)
    assert multipart.read(kind, body) == parts
    reader = PartReader(kind, folder, 5_000)
    with suppress(AegleError):
        reader.feed(body)
        assert [part.path.read_bytes() for part in reader.finish()] == parts
    reader.discard()
