"""`aegle archive grant`: a token for a whole archive, audited, that reads and does nothing else unless told."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from aegle import config
from aegle.access import Act, Role
from aegle.cli import app
from aegle.errors import BadMessage, Forbidden, Unauthenticated
from aegle.local.accounts import SqliteAccounts
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets
from aegle.pages.accounts import new_account
from aegle.records import SiteKind
from aegle.site import grants

SITE = Path(".aegle/sites/st-anna")


@pytest.fixture(autouse=True)
def applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("aegle.yaml").write_text("sites:\n  st-anna:\n    kind: hospital\n")
    LocalProvisioner(config.load(Path("aegle.yaml")), Home(root=Path(".aegle").resolve())).apply()


PASSWORD = "a password for tests"


@pytest.fixture
def people() -> None:
    accounts = SqliteAccounts(SITE / "accounts.db")
    for name, role in (("adele", Role.ADMINISTRATOR), ("clara", Role.CLINICIAN)):
        accounts.put(new_account(name, role, SiteKind.HOSPITAL, PASSWORD)[0])
    accounts.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["archive", *words, "--site", "st-anna"], catch_exceptions=False)


def grant(*options: str) -> str:
    said = run("grant", *options)
    assert said.exit_code == 0
    return said.stdout.strip()


def admit(given: str, act: Act) -> None:
    revoked = grants.Revoked(SITE / "revoked")
    grants.admit(FileSecrets(SITE / "secrets").get("grant-key"), "st-anna", "", given, act, revoked)


def test_a_grant_reads_the_whole_archive_and_changes_nothing() -> None:
    given = grant("--hours", "1")
    admit(given, Act.ARCHIVE_STUDY_FIND)
    admit(given, Act.ARCHIVE_STUDY_READ)
    for act in (Act.ARCHIVE_INSTANCE_STORE, Act.ARCHIVE_INSTANCE_DELETE):
        with pytest.raises(Forbidden):
            admit(given, act)


@pytest.mark.usefixtures("people")
def test_storing_and_deleting_are_permitted_one_by_one() -> None:
    given = grant("--store")
    admit(given, Act.ARCHIVE_INSTANCE_STORE)
    with pytest.raises(Forbidden):
        admit(given, Act.ARCHIVE_INSTANCE_DELETE)
    admit(grant("--delete", "--as", "adele", "--password", PASSWORD), Act.ARCHIVE_INSTANCE_DELETE)


@pytest.mark.usefixtures("people")
def test_only_an_administrator_of_the_site_gives_a_grant_to_delete() -> None:
    for name, password in (("clara", PASSWORD), ("adele", "another password")):
        with pytest.raises((Forbidden, Unauthenticated)):
            run("grant", "--delete", "--as", name, "--password", password)
    trail = "".join(path.read_text() for path in Path(".aegle").rglob("*.jsonl"))
    assert trail.count(Act.ARCHIVE_INSTANCE_DELETE.value) == 2
    assert Act.CLI_ARCHIVE_GRANT.value not in trail


def test_a_grant_that_was_taken_back_opens_nothing_any_more_and_others_do() -> None:
    said, other = run("grant"), grant()
    grant_id = said.stderr.partition("revoke ")[2].split()[0]
    admit(said.stdout.strip(), Act.ARCHIVE_STUDY_FIND)
    assert run("revoke", grant_id).exit_code == 0
    with pytest.raises(Unauthenticated, match="taken back"):
        admit(said.stdout.strip(), Act.ARCHIVE_STUDY_FIND)
    admit(other, Act.ARCHIVE_STUDY_FIND)
    trail = "".join(path.read_text() for path in Path(".aegle").rglob("*.jsonl"))
    assert Act.CLI_ARCHIVE_REVOKE.value in trail
    with pytest.raises(BadMessage):
        run("revoke", "../../etc/passwd")


def test_giving_one_is_audited_without_the_token() -> None:
    given = grant()
    trail = "".join(path.read_text() for path in Path(".aegle").rglob("*.jsonl"))
    assert Act.CLI_ARCHIVE_GRANT.value in trail
    assert given not in trail
