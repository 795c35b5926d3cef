"""`aegle deid profile`: shown, checked, and, where it lets more out, agreed by two people before `aegle apply` takes it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from aegle import config
from aegle.access import Role
from aegle.cli import app
from aegle.errors import BadConfig, BadMessage, Forbidden, Unauthenticated
from aegle.local.accounts import SqliteAccounts
from aegle.local.audit import ChainedLines
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.pages.accounts import new_account
from aegle.records import AuditOutcome, SiteKind

PASSWORD = "a password for tests"
YAML = "sites:\n  st-anna:\n    kind: hospital\n"
WEAK = YAML + "    deid:\n      profile: device.yaml\n"
Aegle = Callable[..., Result]


@pytest.fixture
def aegle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aegle:
    """Runs `aegle deid profile` beside an applied site with two administrators, a clinician and a profile file."""
    monkeypatch.chdir(tmp_path)
    Path("aegle.yaml").write_text(YAML)
    Path("device.yaml").write_text("name: scanner-study\noptions: [structured, modified_dates, device]\n")
    apply()
    accounts = SqliteAccounts(Path(".aegle/sites/st-anna/accounts.db"))
    for name, role in (("anna", Role.ADMINISTRATOR), ("omar", Role.ADMINISTRATOR), ("clara", Role.CLINICIAN)):
        accounts.put(new_account(name, role, SiteKind.HOSPITAL, PASSWORD)[0])
    accounts.close()
    return lambda *words: CliRunner().invoke(app, ["deid", "profile", *words], catch_exceptions=False)


def apply() -> None:
    LocalProvisioner(config.load(Path("aegle.yaml")), Home(root=Path(".aegle").resolve())).apply()


def signed(name: str, password: str = PASSWORD) -> list[str]:
    return ["--site", "st-anna", "--as", name, "--password", password]


def propose(aegle: Aegle, name: str) -> Result:
    return aegle("propose", "--profile", "device.yaml", "--reason", "scanner study", *signed(name))


def digest_of(aegle: Aegle) -> str:
    return aegle("check", "device.yaml").output.replace("\n", " ").split("Digest ")[1].split()[0]


def test_a_weaker_profile_is_applied_once_two_people_agreed(aegle: Aegle) -> None:
    Path("aegle.yaml").write_text(WEAK)
    with pytest.raises(BadConfig, match="two people of the site must agree"):
        apply()
    said = propose(aegle, "anna").output
    digest = digest_of(aegle)
    assert f"aegle deid profile agree {digest[:16]} --site st-anna" in said
    with pytest.raises(BadConfig):
        apply()
    with pytest.raises(Forbidden, match="another person"):
        aegle("agree", digest[:16], *signed("anna"))
    assert "lets out beyond the default: device" in aegle("agree", digest[:16], *signed("omar")).output.replace(
        "\n", " "
    )
    assert "omar" in aegle("proposals", "--site", "st-anna").output
    apply()
    assert f"Digest {digest}" in aegle("show", "--site", "st-anna").output.replace("\n", "")
    applied = Home(root=Path(".aegle").resolve()).require_applied().site("st-anna").config
    assert (applied.deid.name, applied.deid.options) == ("scanner-study", ("structured", "modified_dates", "device"))


def test_only_an_administrator_with_the_right_password_is_heard(aegle: Aegle) -> None:
    with pytest.raises(Forbidden, match="an administrator"):
        propose(aegle, "clara")
    with pytest.raises(Unauthenticated):
        aegle("propose", "--profile", "device.yaml", "--reason", "x", *signed("anna", "not the password"))
    trail = ChainedLines(Path(".aegle/sites/st-anna/audit"), "st-anna", "cli")
    refused = [event for event in trail.read(10) if event.outcome is AuditOutcome.REFUSED]
    trail.close()
    assert [event.act for event in refused] == ["site:profile:propose"] * 2


def test_the_trail_names_both_people_and_the_digest(aegle: Aegle) -> None:
    propose(aegle, "anna")
    digest = digest_of(aegle)
    aegle("agree", digest, *signed("omar"))
    trail = ChainedLines(Path(".aegle/sites/st-anna/audit"), "st-anna", "cli")
    told = [(event.act, event.principal, event.facts["profile"]) for event in trail.read(2)]
    trail.close()
    assert told == [("site:profile:agree", "user:omar", digest), ("site:profile:propose", "user:anna", digest)]


def test_a_profile_file_says_what_it_lets_out_and_a_wrong_one_what_is_wrong(aegle: Aegle) -> None:
    assert "Lets more out than the default: device" in aegle("check", "device.yaml").output
    Path("bad.yaml").write_text("option: [device]\n")
    with pytest.raises(BadConfig, match="did you mean 'options'"):
        aegle("check", "bad.yaml")
    Path("aegle.yaml").write_text(WEAK + "      options: [device]\n")
    with pytest.raises(BadConfig, match="not both"):
        config.load(Path("aegle.yaml"))


def test_the_table_shows_what_each_option_says(aegle: Aegle) -> None:
    said = aegle("show", "--option", "structured", "--option", "device").output
    row = next(line for line in said.splitlines() if "0018,1000" in line)
    assert "K" in row
    assert "keep" in row
    with pytest.raises(BadMessage, match="not both"):
        aegle("show", "--option", "device", "--profile", "device.yaml")


def test_the_table_shows_private_attributes_and_overlays_under_their_options(aegle: Aegle) -> None:
    said = aegle("show", "--option", "safe_private", "--option", "graphics").output
    assert "0019xx0C" in said
    assert "kept" in next(line for line in said.splitlines() if "60XX3000" in line)
    assert "0019xx0C" not in aegle("show").output


def test_a_run_over_a_folder_under_a_weaker_profile_says_so(aegle: Aegle) -> None:
    Path("in").mkdir()
    dcmread(get_testdata_file("CT_small.dcm", download=False)).save_as("in/one.dcm")
    words = ["deid", "run", "in", "out", "--jobs", "1", "--profile", "device.yaml"]
    said = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert "lets more out than the default one: device" in said
    (terms,) = json.loads(Path("out/report.json").read_text())["treated_by"]
    assert terms["weaker_than_default_by"] == ["device"]
