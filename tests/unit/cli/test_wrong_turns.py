"""What a person meets who takes a wrong turn: the fact and the way back, and nothing changed."""

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from aegle import __version__, durable
from aegle.cli import app
from aegle.errors import BadConfig, Overloaded


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def applied(name: str = "st-anna", kind: str = "hospital") -> None:
    assert run("site", "add", name, "--kind", kind).exit_code == 0
    assert run("apply").exit_code == 0


@pytest.mark.parametrize("name", ["hub", "operator"])
def test_a_site_cannot_have_a_name_of_the_hub(name: str) -> None:
    with pytest.raises(BadConfig, match="names a part of the hub"):
        run("site", "add", name, "--kind", "lab")
    Path("aegle.yaml").write_text(f"sites: {{{name}: {{kind: lab}}}}\n")
    with pytest.raises(BadConfig, match="names a part of the hub"):
        run("plan")


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_options_of_google_cloud_are_refused_on_one_machine(command: str) -> None:
    applied()
    with pytest.raises(BadConfig, match="for Google Cloud"):
        run(command, "--foundation")
    with pytest.raises(BadConfig, match=r"remove by hand: .*\.aegle/sites/st-anna"):
        run(command, "--allow-delete", "st-anna")


def test_a_hospital_does_not_become_a_laboratory() -> None:
    applied()
    Path("aegle.yaml").write_text("sites: {st-anna: {kind: lab}}\n")
    with pytest.raises(BadConfig, match="was applied as a hospital and stays one"):
        run("apply")


def test_the_plan_says_when_a_new_site_finds_what_an_earlier_one_of_its_name_left() -> None:
    applied()
    assert "finds" not in run("plan").output
    for step in (("site", "retire", "st-anna"), ("apply",), ("site", "retire", "st-anna", "--remove"), ("apply",)):
        run(*step)
    run("site", "add", "st-anna", "--kind", "hospital")
    assert "finds the archive, vault, keys and people" in run("plan").output


def test_a_frozen_site_thaws_when_its_line_is_taken_out() -> None:
    applied()
    run("site", "retire", "st-anna")
    run("apply")
    config = Path("aegle.yaml")
    config.write_text(config.read_text().replace("    frozen: true\n", ""))
    assert "thaw     st-anna: no longer frozen" in run("plan").output


def test_the_trail_of_a_folder_without_aegle_is_refused_and_none_is_begun() -> None:
    with pytest.raises(BadConfig, match="nothing was applied"):
        run("audit", "show")
    assert not Path(".aegle").exists()


def test_a_second_up_in_one_folder_is_refused_before_it_starts_anything() -> None:
    applied()
    with closing(durable.claim(Path(".aegle/up.lock"), "it")), pytest.raises(Overloaded, match="`aegle up` runs there"):
        run("up")


def test_a_grant_that_the_trail_does_not_name_is_revoked_with_a_warning() -> None:
    applied()
    said = run("archive", "revoke", "0" * 16, "--site", "st-anna").output
    assert "Taken back" in said and "names no grant of this id" in said
    told = run("archive", "grant", "--site", "st-anna").stderr
    given = told.partition("revoke ")[2].partition(" ")[0]
    assert "names no grant" not in run("archive", "revoke", given, "--site", "st-anna").output


def test_the_version_is_told_by_the_option_too() -> None:
    assert run("--version").output == run("version").output == f"{__version__}\n"
