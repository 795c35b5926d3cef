"""Installers are believed only with their publisher's digest."""

import hashlib
import json
from pathlib import Path

import pytest

from aegle.errors import BadConfig
from aegle.provision import blueprint, mirror
from aegle.provision.inputs import installers

NAMES = (
    "OpenJDK21U-jdk_x64_windows_hotspot_21.0.9_10.msi", "jenkins.war", "Weasis-4.6.5-x86-64.msi", "python-3.11.9-amd64.exe",
    "aegle-0.1.0.zip", "OpenJDK21U-jdk_x64_linux_hotspot_21.0.9_10.tar.gz",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        (tmp_path / f"{name}.sha256").write_text(f"{digest.upper()} *{name}\n")
    return tmp_path


def test_what_was_checked_is_written_beside_the_file_and_read_back(folder: Path, tmp_path: Path) -> None:
    found = mirror.check(folder)
    assert {item.name: item.version for item in found} == {
        "java": "21.0.9_10", "java_linux": "21.0.9_10",
        "jenkins": found[2].sha256[:12], "weasis": "4.6.5", "python": "3.11.9", "aegle": "0.1.0",
    }  # fmt: skip
    mirror.write_down(found, tmp_path)
    assert installers(tmp_path)["jenkins"]["sha256"] == hashlib.sha256(b"jenkins.war").hexdigest()
    assert json.dumps(installers(tmp_path)).count("sha256") == 6


def test_every_fault_is_told_at_once(folder: Path) -> None:
    (folder / "jenkins.war").write_bytes(b"something else")
    (folder / "Weasis-4.6.5-x86-64.msi").unlink()
    (folder / "python-3.11.9-amd64.exe.sha256").unlink()
    (folder / "aegle-0.2.0.zip").write_bytes(b"newer")
    with pytest.raises(BadConfig) as refused:
        mirror.check(folder)
    words = str(refused.value)
    assert "jenkins.war is not what was published" in words
    assert (
        "no file Weasis" in words and "python-3.11.9-amd64.exe.sha256 is missing" in words and "2 files aegle-" in words
    )


def test_the_python_that_is_mirrored_is_the_one_that_the_release_has_wheels_for() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    (version,) = (line.split()[-1] for line in makefile.splitlines() if line.startswith("MACHINES_PYTHON"))
    assert json.loads(blueprint.data("software.json"))["python"]["file"] == f"python-{version}.*-amd64.exe"
