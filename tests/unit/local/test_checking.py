"""A site looked at from outside."""

import os
import socket
from pathlib import Path

import pytest

from aegle.config import SiteConfig
from aegle.local import checking
from aegle.local.home import AppliedSite
from aegle.records import SiteKind


def look(folder: Path, port: int) -> dict[str, checking.Finding]:
    site = AppliedSite(door_port=port, archive_port=port, pages_port=port, config=SiteConfig(kind=SiteKind.LAB))
    return {finding.what: finding for finding in checking.look(site, folder)}


def test_a_site_that_answers_and_holds_nothing_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LITTLE_DISK_BYTES", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = look(tmp_path, listener.getsockname()[1])
    assert all(finding.good for finding in found.values())


def test_silence_little_disk_and_old_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LITTLE_DISK_BYTES", 1 << 62)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (tmp_path / "spool").mkdir()
    old = tmp_path / "spool" / "1.dcm"
    old.touch()
    os.utime(old, (1_000, 1_000))
    found = look(tmp_path, port)
    assert {what for what, finding in found.items() if not finding.good} == {
        "door",
        "archive",
        "pages",
        "disk",
        "spool",
    }
