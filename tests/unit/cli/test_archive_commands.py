"""`aegle archive grant`: a token for a whole archive, audited, that reads and does nothing else unless told."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aegle import config
from aegle.access import Act
from aegle.cli import app
from aegle.errors import Forbidden
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets
from aegle.site import grants

SITE = Path(".aegle/sites/st-anna")


@pytest.fixture(autouse=True)
def applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("aegle.yaml").write_text("sites:\n  st-anna:\n    kind: hospital\n")
    LocalProvisioner(config.load(Path("aegle.yaml")), Home(root=Path(".aegle").resolve())).apply()


def grant(*options: str) -> str:
    said = CliRunner().invoke(app, ["archive", "grant", "--site", "st-anna", *options], catch_exceptions=False)
    assert said.exit_code == 0
    return said.output.strip()


def admit(given: str, act: Act) -> None:
    grants.admit(FileSecrets(SITE / "secrets").get("grant-key"), "st-anna", "", given, act)


def test_a_grant_reads_the_whole_archive_and_changes_nothing() -> None:
    given = grant("--hours", "1")
    admit(given, Act.ARCHIVE_STUDY_FIND)
    admit(given, Act.ARCHIVE_STUDY_READ)
    for act in (Act.ARCHIVE_INSTANCE_STORE, Act.ARCHIVE_INSTANCE_DELETE):
        with pytest.raises(Forbidden):
            admit(given, act)


def test_storing_and_deleting_are_permitted_one_by_one() -> None:
    given = grant("--store")
    admit(given, Act.ARCHIVE_INSTANCE_STORE)
    with pytest.raises(Forbidden):
        admit(given, Act.ARCHIVE_INSTANCE_DELETE)
    admit(grant("--delete"), Act.ARCHIVE_INSTANCE_DELETE)


def test_giving_one_is_audited_without_the_token() -> None:
    given = grant()
    trail = "".join(path.read_text() for path in Path(".aegle").rglob("*.jsonl"))
    assert Act.CLI_ARCHIVE_GRANT.value in trail
    assert given not in trail
