"""`aegle demo`: the main job end to end on this machine, with synthetic studies and a stand-in for the hospital's PACS."""

from pathlib import Path
from typing import Annotated

import typer

from aegle.demo import script


def register(root: typer.Typer) -> None:
    """Add `demo` to the root command."""
    root.command()(demo)


def demo(
    folder: Annotated[
        Path, typer.Option("--home", help="Where the demo keeps everything; made anew each time.")
    ] = Path(".aegle/demo"),
    exit_after: Annotated[bool, typer.Option("--exit", help="End by itself once the results are there.")] = False,
    seconds: Annotated[int, typer.Option("--timeout", help="Give up after so many seconds.")] = 180,
) -> None:
    """Start hub, a hospital, a laboratory, a worker and a small PACS; send two synthetic studies; show the results come back.

    Everything is synthetic and not for clinical use. Example: `aegle demo --exit`
    """
    raise typer.Exit(script.run(folder.resolve(), exit_after=exit_after, timeout_seconds=seconds))
