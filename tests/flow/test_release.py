"""The release as it leaves the house, installed for real into an empty folder with nothing from any network."""

import os
import subprocess
from pathlib import Path

import pytest
from releases import digest

from aegle.provision.releases import Releases

DIST = Path(os.environ.get("AEGLE_DIST", Path(__file__).parents[2] / "dist"))


@pytest.mark.soak
def test_the_release_installs_without_a_network_and_runs(tmp_path: Path) -> None:
    found = sorted(DIST.glob("aegle-*.zip"))
    if not found:
        pytest.skip(f"no release in {DIST}: make release")
    archive = found[-1]
    version = archive.stem.removeprefix("aegle-")
    releases = Releases(tmp_path)
    releases.install(version, archive, digest(archive))
    releases.switch(version)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    program = tmp_path / "current/bin/aegle"
    done = subprocess.run([program, "version"], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == version, done.stderr
    listed = subprocess.run([program, "site", "--help"], env=environment, capture_output=True, text=True, timeout=120)
    assert "redeliver" in listed.stdout
    installed = sum(path.stat().st_size for path in (tmp_path / version).rglob("*") if path.is_file())
    print(f"\n{archive.name}: {archive.stat().st_size / 1e6:.0f} MB packed, {installed / 1e6:.0f} MB installed")
