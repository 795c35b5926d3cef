"""`aegle site add|list`, `aegle plan`, `aegle apply`: the block of configuration that is a site."""

import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from ruamel.yaml import YAML

from aegle import config as configuration
from aegle import durable
from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.operator import operator
from aegle.cli.places import CONFIG, HOME, ConfigPath, HomePath, home
from aegle.config import SITE_NAME
from aegle.errors import BadConfig
from aegle.local.enrolment import rotate
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets
from aegle.ports import Change
from aegle.records import SiteKind

app = typer.Typer(help="Add and list sites.", no_args_is_help=True)
console = Console()


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and hyphens, for example st-anna")],
    kind: Annotated[
        SiteKind, typer.Option(help="hospital: sends studies, gets predictions; lab: uploads, views, labels.")
    ],
    config: ConfigPath = CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change to the file, write nothing.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """Add a site to aegle.yaml, keeping its comments.

    Example: `aegle site add st-anna --kind hospital`, then `aegle plan` and `aegle apply`.
    """
    before = config.read_text(encoding="utf-8") if config.exists() else "target: local\nsites: {}\n"
    after = _with_site(before, name, kind)
    _show_difference(config, before if config.exists() else "", after)
    if dry_run:
        console.print("Nothing written (dry run).")
        return
    durable.write(config, after.encode(), mode=0o644)
    if home(home_path).hub.exists():  # before the first `aegle apply` there is no trail yet
        record(home(home_path), Act.CLI_CONFIG_CHANGE, kind=kind.value)
    console.print(f"Added [bold]{name}[/]. Next: [bold]aegle plan[/], then [bold]aegle apply[/].")


@app.command("list")
def list_sites(config: ConfigPath = CONFIG, home_path: HomePath = HOME) -> None:
    """List the sites of aegle.yaml and what was applied of them."""
    wanted, applied = configuration.load(config), home(home_path).applied()
    table = Table("site", "kind", "state", Column("DICOM door", overflow="fold"), Column("pages", overflow="fold"))
    for name, site in wanted.sites.items():
        known = applied.sites.get(name) if applied else None
        state = "not applied" if known is None else "applied" if known.config == site else "changed"
        title = site.door.ae_title or name.upper()[:16]
        door = f"{title} @ 127.0.0.1:{known.door_port}" if known else "-"
        table.add_row(name, site.kind, state, door, f"http://{name}.localhost:{known.pages_port}" if known else "-")
    console.print(table)


@app.command("rotate-credential")
def rotate_credential(name: Annotated[str, typer.Argument(help="Which site.")], home_path: HomePath = HOME) -> None:
    """Give a site a new credential for the hub; its program picks it up by itself.

    The one before holds for seven days more. Rotate twice to end a stolen one at once.
    """
    place = home(home_path)
    place.require_applied().site(name)
    rotate(operator(place), FileSecrets(place.site(name) / "secrets"), name)
    console.print(f"{name} has a new credential. The one before holds for seven days, or until the next rotation.")


def register(root: typer.Typer) -> None:
    """Add `plan` and `apply` to the root command."""
    root.command()(plan)
    root.command()(apply)


def plan(config: ConfigPath = CONFIG, home_path: HomePath = HOME) -> None:
    """Show what `aegle apply` would do. Changes nothing."""
    changes = LocalProvisioner(configuration.load(config), home(home_path)).plan()
    _tell(changes)
    if changes:
        console.print("Run [bold]aegle apply[/] to do this. No archive, key or vault is ever deleted by it.")


def apply(config: ConfigPath = CONFIG, home_path: HomePath = HOME) -> None:
    """Make aegle.yaml real: folders, keys and ports. A running `aegle up` picks the change up by itself."""
    place = home(home_path)
    changes = LocalProvisioner(configuration.load(config), place).apply()
    _tell(changes)
    if changes:
        record(place, Act.CLI_CONFIG_APPLY, count=len(changes))
        console.print("Done. [bold]aegle up[/] starts what is not running; a running one has picked this up.")


def _tell(changes: Sequence[Change]) -> None:
    if not changes:
        console.print("Nothing to do: everything is as aegle.yaml says.")
    for change in changes:
        console.print(f"  [bold]{change.what:8}[/] {change.site or 'hub'}: {change.why}")


def _with_site(text: str, name: str, kind: SiteKind) -> str:
    if not SITE_NAME.fullmatch(name) or name == "hub":
        raise BadConfig(f"{name!r} is not a site name: 2 to 31 of a-z, 0-9 and hyphen, starting with a letter")
    document: Any = YAML().load(text) or {}
    sites = document.get("sites")
    if sites and name in sites:
        raise BadConfig(f"a site {name!r} is already there; change its block by hand, or choose another name")
    if not sites or sites.fa.flow_style() or document.fa.flow_style():
        return _written_anew(document, name, kind)
    # Lines are put in by hand: writing the document anew would change how a person laid out the rest.
    lines = text.splitlines(keepends=True)
    indent = " " * sites.lc.key(next(iter(sites)))[1]
    after = [document.lc.key(key)[0] for key in document if document.lc.key(key)[0] > document.lc.key("sites")[0]]
    at = min(after, default=len(lines))
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines[at:at] = [f"{indent}{name}:\n", f"{indent}{indent}kind: {kind.value}\n"]
    return "".join(lines)


def _written_anew(document: Any, name: str, kind: SiteKind) -> str:
    """The document with one site more, where there is no block of lines to add to: no site yet, or sites in braces."""
    if not document.get("sites"):
        document["sites"] = {}
    document["sites"][name] = {"kind": kind.value}
    stream = io.StringIO()
    YAML().dump(document, stream)
    return stream.getvalue()


def _show_difference(path: Path, before: str, after: str) -> None:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), str(path), lineterm="", n=2)
    for line in lines:
        colour = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
        console.print(line, style=colour, highlight=False, markup=False)
