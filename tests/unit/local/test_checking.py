"""A site looked at from outside."""

import os
import socket
from pathlib import Path

import pytest

from aegle.config import SiteConfig
from aegle.intake.spool import Spool
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


def test_slots_that_wait_for_an_object_are_no_old_files(tmp_path: Path) -> None:
    slot = Spool(tmp_path / "spool", 1_000).slots.take()
    for path in slot.parent.iterdir():
        os.utime(path, (1_000, 1_000))
    assert look(tmp_path, 1)["spool"].good
    slot.write_bytes(b"an object that stopped in the middle")
    os.utime(slot, (1_000, 1_000))
    assert not look(tmp_path, 1)["spool"].good


def test_the_ports_of_stow_and_query_are_looked_at_where_there_are_some(tmp_path: Path) -> None:
    config = SiteConfig.model_validate({"kind": "lab", "door": {"stow": {"port": 1}}, "query": {"port": 2}})
    site = AppliedSite(door_port=3, archive_port=4, pages_port=5, config=config)
    assert {"STOW-RS", "query"} <= {finding.what for finding in checking.look(site, tmp_path) if not finding.good}
