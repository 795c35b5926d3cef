"""Releases for tests: the real programs under another version number, as `make release` packs them, without what they depend on.

What they depend on is found where the tests found it: a `.pth` file in the wheel names that folder.
"""

import ensurepip
import hashlib
import re
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path

import aegle

_METADATA = "Metadata-Version: 2.1\nName: aegle\nVersion: {}\nProvides-Extra: gcp\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def release(folder: Path, version: str, changes: Mapping[str, str] | None = None) -> Path:
    """`aegle-VERSION.zip` with its `.sha256` beside it; `changes` are files of the package with another text."""
    package = Path(aegle.__file__).parent
    files = {
        f"aegle/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    own = files["aegle/__init__.py"].decode()
    files["aegle/__init__.py"] = re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', own).encode()
    files |= {f"aegle/{name}": text.encode() for name, text in (changes or {}).items()}
    files["aegle-tests.pth"] = f"{sysconfig.get_path('purelib')}\n".encode()
    info = f"aegle-{version}.dist-info"
    files[f"{info}/METADATA"] = _METADATA.format(version).encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\naegle = aegle.cli:main\n"
    wheel = folder / f"aegle-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
        packed.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return packed_release(folder, version, wheel)


def packed_release(folder: Path, version: str, wheel: Path) -> Path:
    """A wheel of aegle and a pip, in one zip with its digest beside it."""
    (pip,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    archive = folder / f"aegle-{version}.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in (wheel, pip):
            packed.write(file, f"wheels/{file.name}")
    archive.with_name(f"{archive.name}.sha256").write_text(f"{digest(archive)}  {archive.name}\n")
    return archive


def digest(path: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
