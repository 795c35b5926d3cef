"""In which form a site's databases are, and whether an older release can still read them: a release brings them forward at its
start, and nothing brings them back."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from aegle import durable
from aegle.errors import Conflict

_NOTE: Final = "forms.json"


def of(folder: Path) -> dict[str, int]:
    """Each database of a site by its path, with the number of its form (SQLite's `user_version`)."""
    return {str(path.relative_to(folder)): _form(path) for path in (*folder.glob("*.db"), *folder.glob("*/index.db"))}


def note(folder: Path, version: str) -> None:
    """Write down what the release that ran until now has read and written."""
    durable.write(folder / _NOTE, json.dumps({**_noted(folder), version: of(folder)}).encode())


def check(folder: Path, version: str) -> None:
    """Raises Conflict where databases were brought forward since this release ran; one that never ran here reads all."""
    known = _noted(folder).get(version)
    if known is None:
        return
    ahead = sorted(name for name, form in of(folder).items() if form > known.get(name, form))
    if ahead:
        raise Conflict(
            f"{version} cannot read {', '.join(ahead)} any more: a later release brought that forward. Nothing was changed. "
            f"Stay on a later release; or stop the site, `aegle site restore` a backup made under {version} (what is there is "
            "kept beside it; archive/index.db may be moved away, for `aegle archive rebuild` makes it anew), and try again"
        )


def _form(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as database:
        (form,) = database.execute("PRAGMA user_version").fetchone()
    return int(form)


def _noted(folder: Path) -> Mapping[str, dict[str, int]]:
    path = folder / _NOTE
    found: dict[str, dict[str, int]] = json.loads(path.read_bytes()) if path.exists() else {}
    return found
