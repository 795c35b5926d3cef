"""Where the blueprint is, and a private copy of it to run terraform in."""

import json
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import aegle

ROOTS: Final = ("foundation", "platform")
_LOCK: Final = ".terraform.lock.hcl"
_NOTE: Final = "Made by aegle from the blueprint; changes here are lost.\n"


def folder() -> Path:
    """The blueprint: beside the package in an installation, at the repository's root in a checkout."""
    package = Path(aegle.__file__).parent
    installed = package / "infra"
    return installed if installed.is_dir() else package.parents[1] / "infra"


@cache
def roles() -> dict[str, dict[str, str]]:
    """The one list of roles that may be granted: by role, who holds it, on what, and why."""
    found: dict[str, dict[str, str]] = json.loads(data("roles.json"))
    return found


def data(name: str) -> str:
    """The text of one of the blueprint's files."""
    return (folder() / name).read_text(encoding="utf-8")


def copy_to(work: Path, backends: Mapping[str, Mapping[str, Any]] = MappingProxyType({})) -> Path:
    """A fresh copy below `work`, keeping terraform's lock of provider versions; answers its folder.

    `backends` says for a root where its state is kept, when not in a bucket: `{"local": {"path": ...}}`."""
    target = work / "blueprint"
    locks = {root: _read(target / root / _LOCK) for root in ROOTS}
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder(), target, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", _LOCK))
    (target / "NOTE.txt").write_text(_NOTE, encoding="utf-8")
    for root, lock in locks.items():
        if lock is not None:
            (target / root / _LOCK).write_bytes(lock)
        if root in backends:
            override = json.dumps({"terraform": {"backend": backends[root]}})
            (target / root / "backend_override.tf.json").write_text(override, encoding="utf-8")
    return target


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
