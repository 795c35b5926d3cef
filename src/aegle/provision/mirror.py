"""The files that machines install, checked against their publishers' digests before they are put where machines can reach.

A machine of a site has no way to the internet. A person downloads each file and its published SHA-256 once; here both are
compared, and what was found is written down beside aegle.yaml. `aegle apply` uploads it; each machine compares again.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aegle import durable
from aegle.errors import BadConfig
from aegle.provision import blueprint
from aegle.provision.inputs import INSTALLERS

_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")
_VERSION: Final = re.compile(r"\d+(?:[._+]\d+)+")


@dataclass(frozen=True, kw_only=True)
class Installer:
    """One file, proved to be what its publisher published."""

    name: str
    version: str
    path: Path
    sha256: str


def check(folder: Path) -> list[Installer]:
    """Every installer of infra/software.json in a folder, each beside FILE.sha256 from its publisher.

    Raises BadConfig with every file that is missing, doubled, without a digest, or not what its digest says."""
    found, wrong = [], []
    for name, item in json.loads(blueprint.data("software.json")).items():
        try:
            found.append(_one(name, folder, item["file"], item["page"]))
        except BadConfig as problem:
            wrong.append(f"{name}: {problem}")
    if wrong:
        raise BadConfig("\n  ".join(["nothing was written:", *wrong]))
    return found


def _one(name: str, folder: Path, pattern: str, page: str) -> Installer:
    files = [path for path in sorted(folder.glob(pattern)) if path.suffix != ".sha256"]
    if len(files) != 1:
        said = "no file" if not files else f"{len(files)} files"
        raise BadConfig(f"{said} {pattern} in {folder}; one is needed, from {page}")
    path = files[0]
    sidecar = path.with_name(f"{path.name}.sha256")
    if not sidecar.exists():
        raise BadConfig(f"{sidecar.name} is missing: save there the SHA-256 that {page} states")
    stated = _DIGEST.search(sidecar.read_text(encoding="utf-8", errors="replace").lower())
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if stated is None or stated[0] != digest:
        raise BadConfig(f"{path.name} is not what was published: its SHA-256 is {digest}; download it again")
    version = _VERSION.search(path.stem)
    return Installer(name=name, version=version[0] if version else digest[:12], path=path, sha256=digest)


def write_down(found: list[Installer], beside: Path) -> Path:
    """Keep what was checked in the folder of aegle.yaml; answers the file."""
    content = {
        item.name: {
            "version": item.version,
            "file": item.path.name,
            "sha256": item.sha256,
            "source": str(item.path.resolve()),
        }
        for item in found
    }
    target = beside / INSTALLERS
    durable.write(target, (json.dumps(content, indent=2) + "\n").encode(), mode=0o644)
    return target
