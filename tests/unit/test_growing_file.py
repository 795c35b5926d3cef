"""A file is forced to the disk while it grows."""

import os
import threading
from pathlib import Path

import pytest

from aegle import durable


class Disk:
    """Notes how large a file was each time it was forced to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.synced = threading.Condition()
        monkeypatch.setattr(os, "fsync", self.sync)

    def sync(self, handle: int) -> None:
        with self.synced:
            self.sizes.append(os.fstat(handle).st_size)
            self.synced.notify_all()

    def wait_for(self, size: int) -> None:
        with self.synced:
            assert self.synced.wait_for(lambda: size in self.sizes, timeout=30)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(durable, "_SYNCED_BYTES", 1000)
    return Disk(monkeypatch)


def started(path: Path, whole: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=durable.sync_growing, args=(path, whole))
    thread.start()
    return thread


def test_it_is_forced_piece_by_piece_and_then_whole(disk: Disk, tmp_path: Path) -> None:
    whole = threading.Event()
    thread = started(tmp_path / "file", whole)
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(bytes(1500))
        if os.name != "nt":
            disk.wait_for(1500)
        file.write(bytes(700))
    whole.set()
    thread.join()
    assert disk.sizes[-1] == 2200


def test_nothing_is_waited_for_where_no_file_was_made(disk: Disk, tmp_path: Path) -> None:
    whole = threading.Event()
    whole.set()
    durable.sync_growing(tmp_path / "never", whole)
    assert disk.sizes == []


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_a_file_that_is_gone_is_not_waited_for(disk: Disk, tmp_path: Path) -> None:
    whole, path = threading.Event(), tmp_path / "file"
    path.write_bytes(bytes(1500))
    thread = started(path, whole)
    disk.wait_for(1500)
    path.unlink()
    whole.set()
    thread.join()
    assert disk.sizes == [1500]
