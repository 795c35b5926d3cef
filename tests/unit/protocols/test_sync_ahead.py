"""A large file goes to the disk while it comes in, and what the disk says of its parts is not passed over."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from aegle.protocols import ahead
from aegle.protocols.part_reader import PartReader

TYPE = 'multipart/related; type="application/dicom"; boundary=b'


def test_a_part_is_synced_as_it_comes_and_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[int]()
    monkeypatch.setattr(ahead, "_EACH_BYTES", 100_000)
    monkeypatch.setattr(ahead, "_sync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    content = bytes(range(256)) * 4_000
    reader = PartReader(TYPE, tmp_path, 2_000_000)
    reader.feed(b"--b\r\n\r\n" + content + b"\r\n--b--")
    (part,) = reader.finish()
    assert part.digest == hashlib.sha256(content).hexdigest()
    assert part.path.read_bytes() == content
    assert synced and synced == sorted(synced)


def test_an_error_of_the_disk_behind_our_back_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(ahead, "_EACH_BYTES", 1_000)
    monkeypatch.setattr(ahead, "_sync", broken)
    reader = PartReader(TYPE, tmp_path, 2_000_000)
    with pytest.raises(OSError, match="broken"):
        reader.feed(b"--b\r\n\r\n" + bytes(400_000) + b"\r\n--b--")
    reader.discard()
    assert list(tmp_path.iterdir()) == []
