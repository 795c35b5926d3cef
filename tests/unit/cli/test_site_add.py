"""`aegle site add` adds a block and leaves the rest of the file as a person wrote it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aegle.cli import app
from aegle.config import load
from aegle.errors import BadConfig

WRITTEN = """\
# our sites
target: local
sites:
  st-anna:   # the first
    kind: hospital
    door: {allow: [{ae_title: MINE}], quiet_seconds: 5}  # who may send
hub: {workers: 2}
"""


def add(path: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["site", "add", *arguments, "--config", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_first_site_makes_the_file(tmp_path: Path) -> None:
    add(tmp_path / "aegle.yaml", "st-anna", "--kind", "hospital")
    assert list(load(tmp_path / "aegle.yaml").sites) == ["st-anna"]


def test_another_site_changes_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "aegle.yaml"
    path.write_text(WRITTEN)
    output = add(path, "cytolab", "--kind", "lab")
    assert path.read_text() == WRITTEN.replace("hub:", "  cytolab:\n    kind: lab\nhub:")
    assert "+  cytolab:" in output
    assert list(load(path).sites) == ["st-anna", "cytolab"]


def test_a_last_line_without_its_end_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "aegle.yaml"
    path.write_text("sites:\n  a1: {kind: lab}")
    add(path, "b1", "--kind", "lab")
    assert list(load(path).sites) == ["a1", "b1"]


@pytest.mark.parametrize(
    "text", ["sites: {a1: {kind: lab}}\n", "{target: local, sites: {a1: {kind: lab}}}\n", "sites: {}\n"]
)
def test_sites_in_braces_stay_yaml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "aegle.yaml"
    path.write_text(text)
    add(path, "b1", "--kind", "lab")
    assert "b1" in load(path).sites


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "aegle.yaml"
    path.write_text(WRITTEN)
    assert "dry run" in add(path, "cytolab", "--kind", "lab", "--dry-run")
    assert path.read_text() == WRITTEN


@pytest.mark.parametrize("name", ["st-anna", "hub", "St.Anna", "../x", "a"])
def test_a_known_or_impossible_name_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "aegle.yaml"
    path.write_text(WRITTEN)
    with pytest.raises(BadConfig):
        CliRunner().invoke(app, ["site", "add", name, "--kind", "lab", "--config", str(path)], catch_exceptions=False)
    assert path.read_text() == WRITTEN


def test_what_is_for_google_cloud_alone_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="has no block google"):
        add(tmp_path / "aegle.yaml", "lab", "--kind", "lab", "--operators", "group:lab@example.org")
    assert not (tmp_path / "aegle.yaml").exists()
