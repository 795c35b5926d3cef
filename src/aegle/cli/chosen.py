"""The options of a command that say which profile it de-identifies by. Apart from `profiles`, which needs a site's rooms."""

from pathlib import Path
from typing import Annotated

import typer

from aegle.deid.table import Option

Options = Annotated[
    list[Option] | None,
    typer.Option("--option", help="PS3.15 option to turn on; repeat it. Default: structured and modified_dates."),
]
ProfileFile = Annotated[
    Path | None,
    typer.Option("--profile", help="YAML with the name and the options of a profile, in place of --option."),
]
