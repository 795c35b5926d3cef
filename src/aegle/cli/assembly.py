"""The command line as a whole, put together from the groups.

Only the group that is asked for is imported: all rooms together take seconds.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Annotated

import typer

from aegle import __version__

#: Groups of commands, and the groups within them, by the words that name them.
_GROUPS = {
    "site": "aegle.cli.sites",
    "account": "aegle.cli.people",
    "infra": "aegle.cli.cloud",
    "archive": "aegle.cli.archive",
    "door": "aegle.cli.door",
    "deid": "aegle.cli.deid",
    "deid values": "aegle.cli.values",
    "deid bench": "aegle.cli.bench",
    "deid profile": "aegle.cli.profiles",
    "vault": "aegle.cli.vault",
    "quarantine": "aegle.cli.held",
    "labels": "aegle.cli.labels",
    "audit": "aegle.cli.trail",
    "run": "aegle.cli.running",
}
_SINGLES = ("aegle.cli.sites", "aegle.cli.running", "aegle.cli.sending", "aegle.cli.status", "aegle.cli.demo")
_HIDDEN = frozenset({"run"})


def assembled(*asked: str) -> typer.Typer:
    """The root command: with what the words asked for need, or with everything."""
    root = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    root.callback()(_root)
    for path in _needed(asked):
        group, _, name = path.partition(" ")
        parent = import_module(_GROUPS[group]).app if name else root
        if (name or group) not in {known.name for known in parent.registered_groups}:
            parent.add_typer(import_module(_GROUPS[path]).app, name=name or group, hidden=path in _HIDDEN)
    for module in () if asked and asked[0] in _GROUPS else _SINGLES:
        import_module(module).register(root)
    root.command()(version)
    return root


def _needed(asked: Sequence[str]) -> Iterator[str]:
    group = asked[0] if asked and asked[0] in _GROUPS else ""
    command = asked[1] if group and len(asked) > 1 and not asked[1].startswith("-") else ""
    for path in _GROUPS:
        first, _, second = path.partition(" ")
        if group in {"", first} and (not second or command in {"", second}):
            yield path


def _end_with_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


def _root(
    told: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_end_with_version),
    ] = False,
) -> None:
    """Aegle turns a medical-imaging model into a service for hospitals and laboratories."""


def version() -> None:
    """Print the version."""
    print(__version__)  # noqa: T201
