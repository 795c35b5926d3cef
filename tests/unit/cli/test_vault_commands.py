"""`aegle vault`: backed up without its key, brought back, under another key, and undone by two people only."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from aegle import config, durable
from aegle.access import Role
from aegle.cli import app
from aegle.deid import Deidentified, Pseudonyms, Vault, default_profile, deidentify
from aegle.errors import BadMessage, Conflict, Forbidden, Overloaded, Unauthenticated
from aegle.local.accounts import SqliteAccounts
from aegle.local.audit import ChainedLines
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets
from aegle.pages.accounts import new_account
from aegle.records import SiteKind

PASSWORD = "a password for tests"
SITE = Path(".aegle/sites/st-anna")
Aegle = Callable[..., Result]


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deidentified:
    """An applied site, stopped, whose vault holds one CT; two administrators and a technician."""
    monkeypatch.chdir(tmp_path)
    Path("aegle.yaml").write_text("sites:\n  st-anna:\n    kind: hospital\n")
    LocalProvisioner(config.load(Path("aegle.yaml")), Home(root=Path(".aegle").resolve())).apply()
    accounts = SqliteAccounts(SITE / "accounts.db")
    for name, role in (("anna", Role.ADMINISTRATOR), ("omar", Role.ADMINISTRATOR), ("tom", Role.TECHNICIAN)):
        accounts.put(new_account(name, role, SiteKind.HOSPITAL, PASSWORD)[0])
    accounts.close()
    source = Path(get_testdata_file("CT_small.dcm", download=False))
    made = deidentify(source, tmp_path / "out.dcm", default_profile(), Pseudonyms.from_secret(bytes(32)))
    assert isinstance(made, Deidentified)
    vault = Vault(SITE / "vault.db", FileSecrets(SITE / "secrets").get("vault-key"))
    vault.record(made, "digest", None)
    vault.close()
    return made


def aegle(*words: str) -> Result:
    return CliRunner().invoke(app, ["vault", *words], catch_exceptions=False)


def reveal(alias: str, person: str, second: str, password: str = PASSWORD, reason: str = "recall") -> Result:
    people = ["--as", person, "--with", second, "--password", password, "--second-password", PASSWORD]
    return aegle("reveal", alias, "--site", "st-anna", "--reason", reason, *people)


def test_a_backup_goes_round(done: Deidentified) -> None:
    said = aegle("backup", "backup", "--site", "st-anna").output
    assert "1 instance(s) of 1 studies" in said
    (SITE / "vault.db").unlink()
    assert "is back: 1 instance(s)" in aegle("restore", "backup", "--site", "st-anna").output
    vault = Vault(SITE / "vault.db", FileSecrets(SITE / "secrets").get("vault-key"))
    assert vault.identity(done.alias.study_uid) == done.identity
    vault.close()


def test_a_backup_beside_the_key_is_refused(done: Deidentified) -> None:
    with pytest.raises(Conflict, match="key"):
        aegle("backup", str(SITE / "secrets" / "backup"), "--site", "st-anna")


def test_a_rotated_vault_opens_with_the_new_key_alone(done: Deidentified) -> None:
    secrets = FileSecrets(SITE / "secrets")
    old = secrets.get("vault-key")
    assert "sealed anew" in aegle("rotate", "--site", "st-anna").output
    new = secrets.get("vault-key")
    assert new != old
    vault = Vault(SITE / "vault.db", new)
    assert vault.identity(done.alias.study_uid) == done.identity
    vault.close()


def test_a_backup_of_before_a_rotation_comes_back_and_is_told_to_be_old(done: Deidentified) -> None:
    aegle("backup", "backup", "--site", "st-anna")
    aegle("rotate", "--site", "st-anna")
    assert "sealed under an older key" in aegle("restore", "backup", "--site", "st-anna").output
    aegle("rotate", "--site", "st-anna")
    vault = Vault(SITE / "vault.db", FileSecrets(SITE / "secrets").get("vault-key"))
    assert vault.identity(done.alias.study_uid) == done.identity
    vault.close()


def test_a_running_site_is_left_alone(done: Deidentified) -> None:
    lock = durable.claim(durable.private_folder(SITE / "archive") / "in-use.lock", "the archive")
    for words in (["rotate"], ["restore", "backup"]):
        with pytest.raises(Overloaded, match="its program runs"):
            aegle(*words, "--site", "st-anna")
    lock.close()


def test_two_people_undo_an_alias_and_the_trail_names_both(done: Deidentified) -> None:
    said = reveal(done.patient_alias, "anna", "omar").output
    assert "CompressedSamples^CT1" in said
    assert done.source.study_uid[:20] in reveal(done.alias.study_uid, "anna", "omar").output.replace("\n", "")
    trail = ChainedLines(SITE / "audit", "st-anna", "cli")
    told = [(event.act, event.principal, event.facts["reason"]) for event in trail.read(2)]
    trail.close()
    assert told == [("site:identity:reveal", "user:anna", "recall"), ("site:reveal:confirm", "user:omar", "recall")]


def test_nothing_is_undone_without_a_reason(done: Deidentified) -> None:
    for reason in ("", "  "):
        with pytest.raises(BadMessage, match="reason is empty"):
            reveal(done.patient_alias, "anna", "omar", reason=reason)


def test_one_person_alone_undoes_nothing(done: Deidentified) -> None:
    with pytest.raises(Forbidden, match="second person"):
        reveal(done.patient_alias, "anna", "anna")
    with pytest.raises(Forbidden, match="role technician"):
        reveal(done.patient_alias, "anna", "tom")
    with pytest.raises(Unauthenticated):
        reveal(done.patient_alias, "omar", "anna", password="not the password")
