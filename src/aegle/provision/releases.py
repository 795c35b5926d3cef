"""The releases installed on a machine, each in a folder of its own, and which of them runs: `current` points at it.

    /opt/aegle/0.1.0/   /opt/aegle/0.2.0/   /opt/aegle/current -> 0.2.0   /opt/aegle/before

A release is one zip of wheels (`make release`), known by its SHA-256; it is installed with nothing from any network. The one that
ran before stays, for going back.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from aegle import durable
from aegle.errors import BadConfig, NotFound, ProvisionFailed

_VERSION = re.compile(r"\d+(\.\d+)+[A-Za-z0-9.+-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INSTALL_S = 1800


@dataclass(frozen=True)
class Releases:
    """The folder of all releases of this machine."""

    root: Path

    @property
    def current(self) -> Path:
        """The link that services start from."""
        return self.root / "current"

    def running(self) -> str | None:
        """The version that `current` points at, None before the first."""
        return self.current.resolve().name if self.current.exists() else None

    def before(self) -> str | None:
        """The version that ran before this one and is still there."""
        note = self.root / "before"
        name = note.read_text(encoding="ascii").strip() if note.exists() else ""
        return name if name in self.installed() else None

    def installed(self) -> tuple[str, ...]:
        """Versions that are whole."""
        whole = (path.parent.name for path in self.root.glob("*/.digest"))
        return tuple(sorted(name for name in whole if _VERSION.fullmatch(name)))

    def install(self, version: str, archive: Path, digest: str) -> None:
        """Install a release beside the others. Idempotent; the same version with another digest is refused.

        Raises BadConfig for a file that is not what the digest says, ProvisionFailed when pip fails; then nothing is left."""
        folder = self.root / _checked(version)
        if (folder / ".digest").exists():
            if (folder / ".digest").read_text(encoding="ascii").strip() != digest:
                raise BadConfig(f"{version} is installed from another file; give a release a version of its own")
            return
        prove(archive, digest)
        shutil.rmtree(folder, ignore_errors=True)  # left by an installation that broke off
        try:
            _install(archive, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        durable.write(folder / ".digest", f"{digest}\n".encode(), mode=0o644)

    def switch(self, version: str) -> None:
        """Let `current` point at an installed version; programs that run find out by themselves. Raises NotFound."""
        if version not in self.installed():
            known = ", ".join(self.installed()) or "none"
            raise NotFound(f"{version} is not installed here (there is {known})")
        running = self.running()
        if running == version:
            return
        _point(self.current, self.root / version)
        if running is not None:
            durable.write(self.root / "before", f"{running}\n".encode(), mode=0o644)


def prove(archive: Path, digest: str) -> None:
    """Raises BadConfig when the file is not the one of this SHA-256."""
    if not _DIGEST.fullmatch(digest):
        raise BadConfig("a digest is 64 hexadecimal digits in lower case: the release's SHA-256")
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != digest:
        raise BadConfig(f"{archive.name} is not the release that was meant: its SHA-256 is {found}")


def _checked(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise BadConfig(f"{version[:40]!r} is no version, as 0.2.0")
    return version


def _install(archive: Path, folder: Path) -> None:
    """A virtual environment with everything from the archive's wheels, none from an index."""
    with tempfile.TemporaryDirectory() as name:
        wheels = Path(name)
        with zipfile.ZipFile(archive) as content:
            content.extractall(wheels)
        pip = next(wheels.rglob("pip-*.whl"), None)
        if pip is None or not list(wheels.rglob("aegle-*.whl")):
            raise BadConfig(f"{archive.name} is no release of Aegle: it has no wheel of aegle, or none of pip")
        _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        options = ("install", "--quiet", "--no-index", "--disable-pip-version-check", "--find-links", str(pip.parent))
        _run(str(python), f"{pip}/pip", *options, "aegle[gcp]")


def _run(*command: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
    if done.returncode:
        raise ProvisionFailed(f"the release was not installed: {(done.stderr or done.stdout).strip()[-500:]}")


def _point(link: Path, target: Path) -> None:
    """Let a link name another folder, in one step where the system can."""
    fresh = link.with_name(f".{link.name}.new")
    if fresh.is_symlink() or fresh.exists():
        fresh.rmdir() if sys.platform == "win32" else fresh.unlink()
    if sys.platform == "win32":  # a junction needs no right to make links
        import _winapi

        _winapi.CreateJunction(str(target), str(fresh))
        if link.exists():
            link.rmdir()
        fresh.rename(link)
    else:
        fresh.symlink_to(target.name)
        fresh.replace(link)
