"""A site's machine takes another release, goes back, and goes back by itself when the new one does not come up. Real programs,
each from its own installation, under a service that starts what ended."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from releases import digest, packed_release, release

from aegle import config
from aegle.errors import BadConfig, NotFound, ProvisionFailed
from aegle.local.audit import read_newest
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.provision.releases import Releases

SITE = "st-anna"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AEGLE_"))}


class Service:
    """As systemd with `Restart=always`: the site's program from wherever `current` points, until it is stopped."""

    def __init__(self, root: Path, home: Path) -> None:
        self._command = [root / "current/bin/aegle", "run", "site", SITE, "--home", home]
        self._log, self._ended = home / "service.log", threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _keep(self) -> None:
        while not self._ended.is_set():
            with self._log.open("ab") as log:
                self._child = subprocess.Popen(
                    self._command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=log, stderr=log
                )
            self._child.wait()
            assert self._child.stdin is not None
            self._child.stdin.close()
            self._ended.wait(0.5)

    def stop(self) -> None:
        self._ended.set()
        if self._child is not None:
            self._child.terminate()
        self._thread.join()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """A machine with release 0.1.0, a site, and a service that runs it."""
    file = tmp_path / "aegle.yaml"
    file.write_text(f"sites: {{{SITE}: {{kind: hospital}}}}")
    LocalProvisioner(config.load(file), Home(root=tmp_path / "home")).apply()
    first = release(tmp_path, "0.1.0")
    Releases(tmp_path / "opt").install("0.1.0", first, digest(first))
    Releases(tmp_path / "opt").switch("0.1.0")
    service = Service(tmp_path / "opt", tmp_path / "home")
    yield tmp_path
    service.stop()


def update(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [machine / "opt/current/bin/aegle", "site", "update", SITE, *words, "--from", machine]
    places = ["--root", machine / "opt", "--home", machine / "home", "--seconds", "40"]
    return subprocess.run([*command, *places], env=ENVIRONMENT, capture_output=True, text=True, timeout=200)


def await_site(machine: Path, version: str) -> None:
    for _ in range(600):
        done = subprocess.run(
            [machine / "opt/current/bin/aegle", "site", "check", SITE, "--home", machine / "home"],
            env=ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip
        note = machine / "home/sites" / SITE / "running.json"
        if "wrong[/]" not in done.stdout and done.stdout.count("answers") == 3 and version in note.read_text():
            return
    raise AssertionError((machine / "home/service.log").read_text()[-2000:])


@pytest.mark.soak
def test_a_site_is_updated_rolled_back_and_saved_from_a_release_that_does_not_come_up(machine: Path) -> None:
    await_site(machine, "0.1.0")
    release(machine, "0.2.0")
    release(machine, "0.3.0", {"site/program.py": "raise RuntimeError('a release that does not start')\n"})
    done = update(machine, "--to", "0.2.0")
    assert done.returncode == 0 and f"{SITE} runs 0.2.0" in done.stdout, done.stdout + done.stderr
    done = update(machine, "--rollback")
    assert done.returncode == 0 and f"{SITE} runs 0.1.0" in done.stdout, done.stdout + done.stderr
    done = update(machine, "--to", "0.3.0")
    assert done.returncode == 75 and "0.1.0 runs again" in done.stderr, done.stdout + done.stderr
    await_site(machine, "0.1.0")
    trail = machine / "home/sites" / SITE / "audit/cli.jsonl"
    said = [(item.act, item.outcome, item.facts["software"]) for item in read_newest(trail, 3)][::-1]
    assert said == [("cli:site:update", "ok", "0.2.0"), ("cli:site:update", "ok", "0.1.0"),
                    ("cli:site:update", "failed", "0.3.0")]  # fmt: skip


# --- releases alone


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A release of next to nothing: two versions, whose program says its own."""
    import zipfile

    for version in ("0.1.0", "0.2.0"):
        wheel = tmp_path / f"aegle-{version}-py3-none-any.whl"
        info = f"aegle-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as packed:
            packed.writestr("aegle.py", f"def main():\n    print('{version}')\n")
            packed.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: aegle\nVersion: {version}\nProvides-Extra: gcp\n"
            )
            packed.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            packed.writestr(f"{info}/entry_points.txt", "[console_scripts]\naegle = aegle:main\n")
            packed.writestr(f"{info}/RECORD", "")
        packed_release(tmp_path, version, wheel)
    return tmp_path


def says(root: Path) -> str:
    return subprocess.run([root / "current/bin/aegle"], capture_output=True, text=True, env=ENVIRONMENT).stdout.strip()


def test_releases_stand_beside_each_other_and_one_of_them_runs(small: Path) -> None:
    releases = Releases(small / "opt")
    assert (releases.running(), releases.before(), releases.installed()) == (None, None, ())
    for version in ("0.1.0", "0.2.0"):
        archive = small / f"aegle-{version}.zip"
        releases.install(version, archive, digest(archive))
        releases.switch(version)
        assert (releases.running(), says(small / "opt")) == (version, version)
    assert (releases.before(), releases.installed()) == ("0.1.0", ("0.1.0", "0.2.0"))
    releases.switch("0.1.0")
    assert (releases.before(), says(small / "opt")) == ("0.2.0", "0.1.0")
    archive = small / "aegle-0.1.0.zip"
    releases.install("0.1.0", archive, digest(archive))  # it is there: nothing is done
    with pytest.raises(BadConfig, match="another file"):
        releases.install("0.1.0", archive, "0" * 64)


@pytest.mark.parametrize("stated", ["0" * 64, "", "A" * 64, "none"])
def test_what_is_not_the_release_that_was_meant_is_not_installed(tmp_path: Path, stated: str) -> None:
    (tmp_path / "aegle-0.1.0.zip").write_bytes(b"something else")
    with pytest.raises(BadConfig):
        Releases(tmp_path / "opt").install("0.1.0", tmp_path / "aegle-0.1.0.zip", stated)
    assert Releases(tmp_path / "opt").installed() == ()


def test_an_installation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    wheel = tmp_path / "aegle-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"no wheel")
    archive = packed_release(tmp_path, "0.1.0", wheel)
    with pytest.raises(ProvisionFailed):
        Releases(tmp_path / "opt").install("0.1.0", archive, digest(archive))
    assert not (tmp_path / "opt" / "0.1.0").exists()
    with pytest.raises(NotFound, match="not installed"):
        Releases(tmp_path / "opt").switch("0.1.0")


@pytest.mark.parametrize("version", ["..", "0.1/../..", "", "latest", "-0.1"])
def test_what_is_no_version_names_no_folder(tmp_path: Path, version: str) -> None:
    with pytest.raises(BadConfig, match="no version"):
        Releases(tmp_path / "opt").install(version, tmp_path / "x.zip", "0" * 64)
