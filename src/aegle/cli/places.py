"""Where a command finds aegle.yaml and Aegle's folder."""

from pathlib import Path
from typing import Annotated

import typer

from aegle.local.home import Home

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="AEGLE_CONFIG", help="The file that names the sites.", show_default=True),
]
HomePath = Annotated[
    Path, typer.Option("--home", envvar="AEGLE_HOME", help="The folder that holds everything on this machine.")
]
CONFIG = Path("aegle.yaml")
HOME = Path(".aegle")


def home(path: Path) -> Home:
    """The home at a path, absolute, so that child processes mean the same."""
    return Home(root=path.resolve())
