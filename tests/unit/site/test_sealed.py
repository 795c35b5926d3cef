"""A sealed file opens whole or not at all."""

import io
from collections.abc import Callable

import pytest

from aegle.errors import Unreadable
from aegle.site.sealed import MAGIC, Opening, Sealing

KEY, OTHER = b"k" * 32, b"o" * 32
BLOCK = (1 << 20) + 16
HEAD = len(MAGIC) + 32


def sealed(content: bytes, step: int = 300_000) -> bytes:
    target = io.BytesIO()
    with Sealing(target, KEY) as sealing:
        for start in range(0, len(content), step):
            sealing.write(content[start : start + step])
    return target.getvalue()


def opened(content: bytes, *keys: bytes) -> bytes:
    return io.BufferedReader(Opening(io.BytesIO(content), keys or (KEY,))).read()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_what_was_sealed_is_what_opens_also_by_an_older_key(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert opened(sealed(content)) == content
    assert opened(sealed(content), OTHER, KEY) == content


def test_nothing_of_the_content_can_be_read() -> None:
    assert b"Mueller" not in sealed(b"Mueller^Anna" * 1000)
    assert sealed(b"same") != sealed(b"same")


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "a bit": lambda whole: whole[: HEAD + 5] + bytes([whole[HEAD + 5] ^ 1]) + whole[HEAD + 6 :],
    "the salt": lambda whole: whole[: len(MAGIC)] + b"s" * 32 + whole[HEAD:],
    "cut within a block": lambda whole: whole[:-1],
    "cut after a block": lambda whole: whole[: HEAD + BLOCK],
    "the last block alone": lambda whole: whole[:HEAD] + whole[HEAD + 2 * BLOCK :],
    "two blocks changed places": lambda whole: (
        whole[:HEAD] + whole[HEAD + BLOCK : HEAD + 2 * BLOCK] + whole[HEAD : HEAD + BLOCK] + whole[HEAD + 2 * BLOCK :]
    ),
    "something at the end": lambda whole: whole + b"x",
    "nothing at all": lambda whole: whole[:HEAD],
    "no head": lambda whole: whole[4:],
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_was_changed_or_cut_does_not_open(how: str) -> None:
    with pytest.raises(Unreadable):
        opened(SPOILED[how](sealed(bytes(5 << 19))))


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Unreadable):
        opened(sealed(b"content"), OTHER)
