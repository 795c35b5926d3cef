"""The jobs of a site on Google Cloud: its keys are in Secret Manager, its backups in its own bucket, its alarms in the log."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cloud_double import Cloud, clouded
from pydicom.data import get_testdata_file

from aegle import config
from aegle.deid import Deidentified, Pseudonyms, Vault, default_profile, deidentify
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets

KEY = bytes(range(32))
CT = Path(get_testdata_file("CT_small.dcm", download=False))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with clouded() as opened:
        opened.rest.secrets["projects/sites-prod/secrets/st-anna-vault-key"] = [KEY]
        yield opened


@pytest.fixture
def made(tmp_path: Path, cloud: Cloud) -> Deidentified:
    """A site whose vault, sealed under the key in Secret Manager, holds one CT."""
    places = f"hub_url: 'https://hub.example.org', bucket: cervix-site-st-anna, endpoint: '{cloud.url}'"
    at_google = f"{{project: sites-prod, {places}}}"
    (tmp_path / "aegle.yaml").write_text(f"sites:\n  st-anna:\n    kind: hospital\n    cloud: {at_google}\n")
    LocalProvisioner(config.load(tmp_path / "aegle.yaml"), Home(root=tmp_path / "home")).apply()
    done = deidentify(CT, tmp_path / "out.dcm", default_profile(), Pseudonyms.from_secret(bytes(32)))
    assert isinstance(done, Deidentified)
    with closing(Vault(tmp_path / "home/sites/st-anna/vault.db", KEY)) as vault:
        vault.record(done, "digest", None)
    return done


def test_a_hospitals_own_machine_keeps_its_keys_and_still_puts_backups_into_its_bucket(
    cloud: Cloud, tmp_path: Path
) -> None:
    places = (
        f"hub_url: 'https://hub.example.org', bucket: cervix-site-st-anna, endpoint: '{cloud.url}', keys_here: true"
    )
    at_google = f"{{project: sites-prod, {places}}}"
    (tmp_path / "aegle.yaml").write_text(f"sites:\n  st-anna:\n    kind: hospital\n    cloud: {at_google}\n")
    LocalProvisioner(config.load(tmp_path / "aegle.yaml"), Home(root=tmp_path / "home")).apply()
    folder = tmp_path / "home/sites/st-anna"
    key = FileSecrets(folder / "secrets").get("vault-key")
    with closing(Vault(folder / "vault.db", key)):
        cloud.rest.secrets.clear()
    done = aegle(tmp_path, cloud, "backup")
    assert done.returncode == 0, done.stderr
    ((bucket, _),) = cloud.objects
    assert bucket == "cervix-site-st-anna" and not cloud.rest.secrets


def aegle(folder: Path, cloud: Cloud, *words: str) -> subprocess.CompletedProcess[str]:
    host = cloud.machine("site-st-anna@sites-prod.iam.gserviceaccount.com")
    command = [sys.executable, "-m", "aegle", "site", words[0], "st-anna", *words[1:], "--home", folder / "home"]
    environment = {**os.environ, "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


def test_a_backup_goes_into_the_sites_bucket_and_comes_back_from_it(
    made: Deidentified, cloud: Cloud, tmp_path: Path
) -> None:
    done = aegle(tmp_path, cloud, "backup")
    assert done.returncode == 0, done.stderr
    ((bucket, name),) = cloud.objects
    assert bucket == "cervix-site-st-anna" and name.startswith("backups/st-anna-") and name.endswith(".sealed")
    folder = tmp_path / "home/sites/st-anna"
    assert not list((folder / "backups").iterdir()), "no copy is left on the machine"
    (folder / "vault.db").unlink()
    done = aegle(tmp_path, cloud, "restore", "latest")
    assert done.returncode == 0 and "Back: 1 instance(s)" in done.stdout, done.stderr
    with closing(Vault(folder / "vault.db", KEY)) as vault:
        assert vault.identity(made.alias.study_uid) == made.identity


def test_an_alarm_reaches_the_log_from_which_operators_are_alerted(
    made: Deidentified, cloud: Cloud, tmp_path: Path
) -> None:
    done = aegle(tmp_path, cloud, "alarm", "--disk-percent", "99")
    assert done.returncode == 1, done.stderr
    (entry,) = cloud.rest.log.values()
    said = entry["jsonPayload"]
    assert (said["aegle_alarm"], said["site"]) == ("disk", "st-anna")  # type: ignore[index]
