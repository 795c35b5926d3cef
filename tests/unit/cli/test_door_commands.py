"""`aegle door`: a key is printed once, listed by name, and taken back."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aegle.access import Act
from aegle.cli import app
from aegle.config import Config
from aegle.errors import Unauthenticated
from aegle.local.audit import read_newest
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.site.door_keys import DoorKeys


def run(home: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["door", *words, "--site", "x1", "--home", str(home)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_key_is_printed_once_and_holds_until_it_is_taken_back(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    LocalProvisioner(Config.model_validate({"sites": {"x1": {"kind": "hospital"}}}), home).apply()
    assert "No key" in run(tmp_path, "keys")
    key = run(tmp_path, "add-key", "SCANNER")
    keys = DoorKeys(path=home.site("x1") / "door-keys.json")
    assert keys.admit(f"Bearer {key}") == "SCANNER"
    assert run(tmp_path, "keys") == "SCANNER"
    run(tmp_path, "remove-key", "SCANNER")
    with pytest.raises(Unauthenticated):
        keys.admit(f"Bearer {key}")
    told = [event.act for event in read_newest(home.site("x1") / "audit" / "cli.jsonl", 9)]
    assert told[::-1] == [Act.HUB_CONSOLE_VIEW, Act.CLI_DOOR_KEY, Act.HUB_CONSOLE_VIEW, Act.CLI_DOOR_KEY]
