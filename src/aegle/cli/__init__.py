"""The commands. `aegle --help` shows them; each is a thin caller of a room below."""

import sys

import typer
from rich.console import Console

from aegle import __version__
from aegle.cli import archive, deid, demo, labels, people, running, sending, sites, status, trail
from aegle.errors import AegleError

app = typer.Typer(
    help="Aegle turns a medical-imaging model into a service for hospitals and laboratories.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(sites.app, name="site")
app.add_typer(people.app, name="account")
app.add_typer(archive.app, name="archive")
app.add_typer(deid.app, name="deid")
app.add_typer(labels.app, name="labels")
app.add_typer(trail.app, name="audit")
app.add_typer(running.run_app, name="run", hidden=True)
sites.register(app)
running.register(app)
sending.register(app)
status.register(app)
demo.register(app)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)  # noqa: T201


def main() -> None:
    """Run a command; an error of ours is told in its own words, with a status of its own."""
    try:
        app()
    except AegleError as error:
        Console(stderr=True).print(f"[bold red]{error.meaning.code}[/]  {error}", highlight=False, soft_wrap=True)
        sys.exit(75 if error.meaning.retryable else 1)  # 75: EX_TEMPFAIL, the same call may succeed later
