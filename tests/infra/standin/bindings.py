"""Reads a provider's schema out of the `cdktn-provider-google` wheels on PyPI, and keeps it by the wheel's digest.

The wheel carries compiled TypeScript bindings. Each resource's class still names every attribute with its flags, its type
and whether it is a nested block, as the provider declared them. Lost on the way: upper bounds other than one, lower bounds on
optional blocks, defaults, which change replaces, and what is sensitive.
"""

import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from infra.standin import compiled

Shape = dict[str, Any]
_EDITION: Final = 3
"""Raised when this reader changes, so that what an older one kept is not believed."""


def load(wheel: Path, types: frozenset[str], cache: Path) -> dict[str, Any]:
    """`{"version", "provider", "resources"}` for the named resource types (`google_...`).

    Reading takes about a second; the answer is kept under `cache` by the digest of the wheel and of the names."""
    names = "\n".join(sorted(types))
    digest = hashlib.sha256(f"{_EDITION}\n{names}\n{_digest(wheel)}".encode()).hexdigest()
    kept = cache / f"schema-{digest[:32]}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    found = _read(wheel, types)
    missing = types - found["resources"].keys()
    if missing:
        raise LookupError(f"{wheel.name} has no {', '.join(sorted(missing))}")
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found))
    return found


def _digest(wheel: Path) -> str:
    with wheel.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(wheel: Path, types: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"version": "", "provider": None, "resources": {}}
    for script in _scripts(wheel, types):
        binding = compiled.read(script)
        found["version"] = found["version"] or binding.version
        if binding.type_name is None:
            found["provider"] = binding.shape
        elif binding.type_name in types:
            found["resources"][binding.type_name] = binding.shape
    return found


def _scripts(wheel: Path, types: frozenset[str]) -> Iterator[str]:
    """The compiled script of the provider and of each wanted resource, its parts joined."""
    short = {name.removeprefix("google_").replace("_", "-") for name in types}
    wanted = {"provider"} | short | {f"google-{name}" for name in short}
    parts: dict[str, list[str]] = {}
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner)), mode="r:gz") as files:
            for member in files:
                path = member.name.split("/")
                if len(path) >= 4 and path[2] in wanted and _is_script(path):
                    parts.setdefault(path[2], []).append(files.extractfile(member).read().decode())
    for texts in parts.values():
        yield re.sub(r"^(//# sourceMappingURL.*|exports\.\w+ = \w+;)$\n?", "", "\n".join(texts), flags=re.MULTILINE)


def _is_script(path: list[str]) -> bool:
    return path[3] == "index.js" or (path[3] == "index-structs" and path[-1].endswith(".js") and path[-1] != "index.js")
