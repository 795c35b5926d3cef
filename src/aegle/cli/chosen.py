"""The options that say which profile a command de-identifies by. Apart from `profiles`, which needs a site's rooms."""

from pathlib import Path
from typing import Annotated

import typer

from aegle.cli.terminal import terminal
from aegle.deid import Option, Profile, default_profile, profile
from aegle.deid.profile import CUSTOM_NAME, configured
from aegle.deid.table import DEFAULT_OPTIONS
from aegle.errors import BadMessage

console = terminal()

Options = Annotated[
    list[Option] | None,
    typer.Option("--option", help="PS3.15 option to turn on; repeat it. Default: structured and modified_dates."),
]
ProfileFile = Annotated[
    Path | None,
    typer.Option("--profile", help="YAML with the name and the options of a profile, in place of --option."),
]


def chosen(options: list[Option] | None, path: Path | None) -> Profile:
    """The profile that a command's options name. Raises BadMessage, BadConfig."""
    if path is not None:
        if options:
            raise BadMessage("name a profile file, or options, not both")
        from aegle import config  # takes a fifth of a second, and the default profile needs none of it

        return configured(config.read_profile(path))
    if not options or frozenset(options) == DEFAULT_OPTIONS:
        return default_profile()
    return profile(CUSTOM_NAME, frozenset(options))


def warn(rules: Profile) -> None:
    """Say that a profile is weaker than the default one, where it is."""
    if rules.weaker_by:
        console.print(
            f"[bold]This profile lets more out than the default one[/]: {', '.join(rules.weaker_by)}. "
            "The report and every object say so.",
            highlight=False,
        )
