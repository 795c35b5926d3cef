"""The commands. `aegle --help` shows them; each is a thin caller of a room below.

Only the group that is asked for is imported: all rooms together take seconds, and `aegle deid run` needs two of them.
"""

import sys
from importlib import import_module

import typer
from rich.console import Console

from aegle import __version__
from aegle.errors import AegleError

_GROUPS = {
    "site": "aegle.cli.sites",
    "account": "aegle.cli.people",
    "archive": "aegle.cli.archive",
    "deid": "aegle.cli.deid",
    "vault": "aegle.cli.vault",
    "labels": "aegle.cli.labels",
    "audit": "aegle.cli.trail",
    "run": "aegle.cli.running",
}
_SINGLES = ("aegle.cli.sites", "aegle.cli.running", "aegle.cli.sending", "aegle.cli.status", "aegle.cli.demo")
_HIDDEN = frozenset({"run"})


def assembled(asked: str = "") -> typer.Typer:
    """The root command: with the one group of the name asked for, or with everything."""
    root = typer.Typer(
        help="Aegle turns a medical-imaging model into a service for hospitals and laboratories.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    for name in (asked,) if asked in _GROUPS else _GROUPS:
        root.add_typer(import_module(_GROUPS[name]).app, name=name, hidden=name in _HIDDEN)
    for module in () if asked in _GROUPS else _SINGLES:
        import_module(module).register(root)
    root.command()(version)
    return root


def __getattr__(name: str) -> typer.Typer:
    """`app`, the whole command line, made when somebody asks for it."""
    if name != "app":
        raise AttributeError(name)
    return assembled()


def version() -> None:
    """Print the version."""
    print(__version__)  # noqa: T201


def main() -> None:
    """Run a command; an error of ours is told in its own words, with a status of its own."""
    try:
        assembled(next(iter(sys.argv[1:]), ""))()
    except AegleError as error:
        Console(stderr=True).print(f"[bold red]{error.meaning.code}[/]  {error}", highlight=False, soft_wrap=True)
        sys.exit(75 if error.meaning.retryable else 1)  # 75: EX_TEMPFAIL, the same call may succeed later
