"""plan says, apply does, and doing it again does nothing."""

from pathlib import Path

from aegle.config import Config
from aegle.local.home import Home
from aegle.local.provisioner import SITE_SECRETS, LocalProvisioner
from aegle.local.secrets import FileSecrets


def provisioner(tmp_path: Path, *sites: str) -> LocalProvisioner:
    config = Config.model_validate({"sites": {name: {"kind": "lab"} for name in sites}})
    return LocalProvisioner(config, Home(root=tmp_path))


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    assert [(change.site, change.what) for change in provisioner(tmp_path, "a1").plan()] == [
        ("", "create"),
        ("a1", "create"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_applying_twice_does_nothing_the_second_time(tmp_path: Path) -> None:
    provisioner(tmp_path, "a1").apply()
    before = Home(root=tmp_path).applied()
    assert provisioner(tmp_path, "a1").apply() == []
    assert Home(root=tmp_path).applied() == before


def test_a_new_site_touches_no_other(tmp_path: Path) -> None:
    provisioner(tmp_path, "a1").apply()
    before = Home(root=tmp_path).require_applied().sites["a1"]
    keys = {name: FileSecrets(tmp_path / "sites/a1/secrets").get(name) for name in SITE_SECRETS}
    changes = provisioner(tmp_path, "a1", "b1").apply()
    assert [(change.site, change.what) for change in changes] == [("b1", "create")]
    assert Home(root=tmp_path).require_applied().sites["a1"] == before
    assert keys == {name: FileSecrets(tmp_path / "sites/a1/secrets").get(name) for name in SITE_SECRETS}


def test_sites_have_ports_and_keys_of_their_own(tmp_path: Path) -> None:
    provisioner(tmp_path, "a1", "b1", "c1").apply()
    applied = Home(root=tmp_path).require_applied()
    ports = [applied.hub.port, applied.hub.pages_port]
    for site in applied.sites.values():
        ports += [site.door_port, site.archive_port, site.pages_port]
    assert len(ports) == len(set(ports)) == 11
    keys = [
        FileSecrets(tmp_path / f"sites/{name}/secrets").get(secret) for name in applied.sites for secret in SITE_SECRETS
    ]
    assert len(set(keys)) == len(keys)


def test_retiring_a_site_leaves_its_data(tmp_path: Path) -> None:
    provisioner(tmp_path, "a1", "b1").apply()
    (tmp_path / "sites/b1/archive").mkdir()
    changes = provisioner(tmp_path, "a1").apply()
    assert [(change.site, change.what) for change in changes] == [("b1", "retire")]
    assert (tmp_path / "sites/b1/archive").exists()
    assert FileSecrets(tmp_path / "sites/b1/secrets").get("vault-key")
    assert "b1" not in Home(root=tmp_path).require_applied().sites


def test_secrets_are_private_and_rotation_keeps_the_old_readable(tmp_path: Path) -> None:
    secrets = FileSecrets(tmp_path / "s")
    secrets.put("hub-credential", b"one")
    secrets.put("hub-credential", b"two")
    assert secrets.get("hub-credential") == b"two"
    assert list(secrets.versions("hub-credential")) == [b"two", b"one"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "s").iterdir()} == {0o600}


def test_a_port_that_the_file_names_anywhere_is_given_to_nobody_else(tmp_path: Path) -> None:
    named = {"door": {"stow": {"port": 8701}}, "query": {"port": 8702}, "pages": {"port": 8703}}
    sites = {"a1": {"kind": "lab"}, "b1": {"kind": "lab", **named}}
    home = Home(root=tmp_path / "home")
    LocalProvisioner(Config.model_validate({"sites": sites}), home).apply()
    given = home.require_applied().sites["a1"]
    assert not {given.door_port, given.archive_port, given.pages_port} & {8701, 8702, 8703}
