"""`aegle site alarm|intake|redeliver|backup|restore`: one job a command, by hand and for a scheduler."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from aegle import config, durable
from aegle.cli import app
from aegle.deid import Deidentified, Pseudonyms, Vault, default_profile, deidentify
from aegle.errors import BadConfig, Conflict, NotFound, Overloaded, Unreadable
from aegle.local.audit import read_newest
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets
from aegle.site.door_keys import DoorKeys
from aegle.site.folder import SiteFolder
from aegle.site.grants import Revoked
from aegle.site.state import SiteState

CT = Path(get_testdata_file("CT_small.dcm", download=False))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SiteFolder:
    """An applied hospital, stopped."""
    monkeypatch.chdir(tmp_path)
    apply("")
    return SiteFolder(root=tmp_path / ".aegle" / "sites" / "st-anna")


def apply(more: str) -> None:
    Path("aegle.yaml").write_text(f"sites:\n  st-anna:\n    kind: hospital\n{more}")
    LocalProvisioner(config.load(Path("aegle.yaml")), Home(root=Path(".aegle").resolve())).apply()


def aegle(*words: str) -> Result:
    return CliRunner().invoke(app, ["site", words[0], "st-anna", *words[1:]], catch_exceptions=False)


def acts(site: SiteFolder) -> list[str]:
    path = site.audit / "cli.jsonl"
    return [f"{item.act} {item.outcome}" for item in read_newest(path, 50)][::-1] if path.exists() else []


# --- alarms


def certificate(folder: Path, days: int) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "door")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days, hours=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / f"door-{days}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(("days", "status"), [(400, 0), (31, 0), (29, 1), (-2, 1)])
def test_a_certificate_is_told_before_it_ends(site: SiteFolder, tmp_path: Path, days: int, status: int) -> None:
    good, asked = certificate(tmp_path, 900), certificate(tmp_path, days)
    apply(f"    door: {{tls: {{certificate: {asked}, key: {asked}, authorities: {good}}}}}\n")
    done = aegle("alarm", "--disk-percent", "1")
    assert done.exit_code == status, done.output
    assert ("renew" in done.output) == bool(status) and "authorities of the door: good until" in done.output


def test_a_certificate_that_cannot_be_read_is_an_alarm(site: SiteFolder, tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    apply("    door: {tls: {certificate: x.pem, key: x.pem, authorities: x.pem}}\n")
    assert "cannot be read" in aegle("alarm", "--disk-percent", "1").output


def test_a_disk_that_fills_is_an_alarm(site: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(site.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(total=10**12, used=0, free=9 * 10**10))
    done = aegle("alarm")
    assert done.exit_code == 1 and "9 % are free (90.0 GB); at least 10 % are wanted" in done.output
    assert aegle("alarm", "--disk-percent", "9").exit_code == 0


# --- intake


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    """Two files that came a minute ago, one that comes just now."""
    folder = tmp_path / "incoming" / "deep"
    folder.mkdir(parents=True)
    for number in range(3):
        shutil.copyfile(CT, folder / f"{number}.dcm")
        os.utime(folder / f"{number}.dcm", (time.time() - 60 * (number < 2),) * 2)
    return folder.parent


def test_the_files_of_a_folder_are_spooled_audited_and_gone(site: SiteFolder, incoming: Path) -> None:
    done = aegle("intake", str(incoming))
    assert done.exit_code == 0 and "2 file(s) taken in, 1 left" in done.output.replace("\n", " ")
    assert [path.read_bytes() for path in site.spool.glob("*.dcm")] == [CT.read_bytes()] * 2
    assert acts(site) == ["door:instance:receive ok"] * 2


def test_a_site_that_is_receiving_meanwhile_loses_nothing(site: SiteFolder, incoming: Path) -> None:
    arriving = durable.private_folder(site.spool / "incoming") / "half"
    arriving.write_bytes(b"half of an object")
    aegle("intake", str(incoming))
    assert arriving.read_bytes() == b"half of an object"


def test_a_file_that_is_too_large_stays_and_is_said(site: SiteFolder, incoming: Path) -> None:
    apply("    door: {max_instance_mb: 1}\n")
    with (incoming / "large.dcm").open("wb") as stream:
        stream.truncate(2_000_000)
    os.utime(incoming / "large.dcm", (time.time() - 60,) * 2)
    done = aegle("intake", str(incoming))
    assert done.exit_code == 1 and (incoming / "large.dcm").exists()
    assert acts(site).count("door:instance:receive refused") == 1


# --- deliveries


def test_results_that_wait_for_the_pacs_are_due_at_once(site: SiteFolder) -> None:
    with closing(SiteState(site.state)) as state, state.transaction() as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(result)")]
        row = {
            "sop_uid": "2.25.1", "key": "k", "study_uid": "2.25.9", "kind": "sr", "file": "a.dcm", "sent_at": None,
            "tries": 7, "problem": "PACS_A700", "next_try_at": time.time() + 600,
        }  # fmt: skip
        assert set(columns) == set(row)
        database.execute("PRAGMA foreign_keys = OFF")
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        database.execute(f"INSERT INTO result ({names}) VALUES ({marks})", list(row.values()))
    with closing(SiteState(site.state)) as state:
        assert not state.due()
        done = aegle("redeliver")
        assert "1 result(s) are due now" in done.output and "PACS_A700" in done.output
        assert [item.sop_uid for item in state.due()] == ["2.25.1"]
    assert acts(site) == ["cli:delivery:retry ok"]


def test_a_site_that_never_ran_has_nothing_to_deliver(site: SiteFolder) -> None:
    with pytest.raises(NotFound, match="never run"):
        aegle("redeliver")


# --- backup


@pytest.fixture
def full(site: SiteFolder, tmp_path: Path) -> Iterator[Deidentified]:
    """A site that has worked: a vault, a state, something in the spool and something held."""
    made = deidentify(CT, tmp_path / "out.dcm", default_profile(), Pseudonyms.from_secret(bytes(32)))
    assert isinstance(made, Deidentified)
    with closing(vault_of(site)) as vault:
        vault.record(made, "digest", None)
    with closing(SiteState(site.state)) as state:
        state.touch("2.25.7")
    shutil.copyfile(CT, durable.private_folder(site.spool) / "0000000000000000001-dimse-abcdefgh.dcm")
    (durable.private_folder(site.quarantine) / "held.sealed").write_bytes(b"sealed already")
    yield made


def vault_of(site: SiteFolder) -> Vault:
    return Vault(site.vault, *FileSecrets(site.secrets).versions("vault-key"))


def made_backup(tmp_path: Path) -> Path:
    done = aegle("backup", "--to", str(tmp_path / "kept"))
    assert done.exit_code == 0 and "1 instance(s) in the vault, 2 file(s) that wait" in done.output
    (file,) = (tmp_path / "kept").iterdir()
    return file


def test_a_site_comes_back_whole_from_its_backup(site: SiteFolder, full: Deidentified, tmp_path: Path) -> None:
    file = made_backup(tmp_path)
    assert not {
        name for name in (b"CompressedSamples", b"vault.db", CT.read_bytes()[:400]) if name in file.read_bytes()
    }
    assert file.stat().st_mode & 0o077 == 0
    for path in (site.vault, site.state):
        path.unlink()
    shutil.rmtree(site.spool)
    shutil.rmtree(site.quarantine)
    assert "Back: 1 instance(s)" in aegle("restore", str(file)).output
    with closing(vault_of(site)) as vault:
        assert vault.identity(full.alias.study_uid) == full.identity
    with closing(SiteState(site.state)) as state:
        assert state._rows("SELECT study_uid FROM study") == [("2.25.7",)]
    assert [path.read_bytes() for path in site.spool.glob("*.dcm")] == [CT.read_bytes()]
    assert (site.quarantine / "held.sealed").read_bytes() == b"sealed already"
    assert not (site.root / "backup.tmp").exists()
    assert acts(site)[-2:] == ["cli:site:backup ok", "cli:site:restore ok"]


def test_what_people_set_comes_back_and_what_they_took_back_since_is_not_revived(
    site: SiteFolder, full: Deidentified, tmp_path: Path
) -> None:
    keys, revoked = DoorKeys(path=site.door_keys), Revoked(site.revoked)
    kept, taken_back = keys.add("SCANNER"), keys.add("OLD-SCANNER")
    revoked.add("00112233aabbccdd")
    site.pixel_rules.write_bytes(b"[]")
    file = made_backup(tmp_path)
    keys.remove("OLD-SCANNER")
    aegle("restore", str(file))
    assert keys.names() == ["SCANNER"]
    for path in (site.door_keys, site.pixel_rules, site.revoked / "00112233aabbccdd"):
        path.unlink()
    aegle("restore", str(file))
    assert DoorKeys(path=site.door_keys).admit(f"Bearer {kept}") == "SCANNER"
    assert keys.admit(f"Bearer {taken_back}") == "OLD-SCANNER"  # nothing was left that knew better
    assert "00112233aabbccdd" in revoked
    assert site.pixel_rules.read_bytes() == b"[]"
    assert site.door_keys.stat().st_mode & 0o077 == 0


def test_what_was_there_stays_beside_and_what_waits_by_now_stays(
    site: SiteFolder, full: Deidentified, tmp_path: Path
) -> None:
    file = made_backup(tmp_path)
    newer = site.spool / "0000000000000000002-dimse-abcdefgh.dcm"
    newer.write_bytes(b"came since")
    aegle("restore", str(file))
    assert newer.read_bytes() == b"came since"
    assert len(list(site.root.glob("vault.db.before-*"))) == len(list(site.root.glob("site.db.before-*"))) == 1


def test_a_damaged_backup_changes_nothing(site: SiteFolder, full: Deidentified, tmp_path: Path) -> None:
    file = made_backup(tmp_path)
    content = file.read_bytes()
    before = {path: path.read_bytes() for path in site.root.rglob("*") if path.is_file() and path.suffix != ".jsonl"}
    for spoiled in (content[:-20], content[:200] + bytes([content[200] ^ 1]) + content[201:]):
        file.write_bytes(spoiled)
        with pytest.raises(Unreadable):
            aegle("restore", str(file))
    assert {path: path.read_bytes() for path in before} == before


def test_an_older_vault_key_opens_an_older_backup(site: SiteFolder, full: Deidentified, tmp_path: Path) -> None:
    file = made_backup(tmp_path)
    FileSecrets(site.secrets).put("vault-key", os.urandom(32))
    assert aegle("restore", str(file)).exit_code == 0


def test_a_site_without_a_bucket_asks_for_a_folder(site: SiteFolder, full: Deidentified, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="--to"):
        aegle("backup")
    with pytest.raises(NotFound, match="no bucket"):
        aegle("restore", "latest")


def test_a_running_site_is_backed_up_and_not_restored(site: SiteFolder, full: Deidentified, tmp_path: Path) -> None:
    with closing(durable.claim(durable.private_folder(site.archive) / "in-use.lock", "the site")):
        file = made_backup(tmp_path)
        with pytest.raises(Overloaded, match="program runs"):
            aegle("restore", str(file))


def test_a_backup_takes_no_other_files_place(site: SiteFolder, full: Deidentified, tmp_path: Path) -> None:
    file = made_backup(tmp_path)
    from aegle.site import backup

    with pytest.raises(Conflict):
        backup.make(site, FileSecrets(site.secrets).versions("vault-key"), file)
