"""`aegle door add-key|keys|remove-key`: who may send to a site's STOW-RS door."""

from typing import Annotated

import typer

from aegle import wiring
from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import terminal
from aegle.site.door_keys import DoorKeys

app = typer.Typer(help="Give keys to programs that send to a site's door over HTTP.", no_args_is_help=True)
console = terminal()
SiteName = Annotated[str, typer.Option("--site", help="Which site.")]
KeyName = Annotated[str, typer.Argument(help="Whose key, for example LAB-SCANNER: letters, digits, hyphens.")]


@app.command("add-key")
def add_key(name: KeyName, site: SiteName, home_path: HomePath = HOME) -> None:
    """Make a key and print it, once. A program sends it as `Authorization: Bearer KEY`; it may send studies and nothing else.

    Example: `aegle door add-key LAB-SCANNER --site st-anna`
    """
    typer.echo(_keys(home_path, site, Act.CLI_DOOR_KEY).add(name))


@app.command("keys")
def show_keys(site: SiteName, home_path: HomePath = HOME) -> None:
    """List whose keys there are. The keys themselves are kept nowhere."""
    names = _keys(home_path, site, Act.HUB_CONSOLE_VIEW).names()
    console.print("\n".join(names) or "No key: nobody can send by STOW-RS.", highlight=False)


@app.command("remove-key")
def remove_key(name: KeyName, site: SiteName, home_path: HomePath = HOME) -> None:
    """Take a key back. The running site refuses the next request with it."""
    _keys(home_path, site, Act.CLI_DOOR_KEY).remove(name)
    console.print(f"Taken back: [bold]{name}[/].")


def _keys(home_path: HomePath, site: str, act: Act) -> DoorKeys:
    """The site's keys, once the act is in the trail."""
    place = home(home_path)
    place.require_applied().site(site)
    record(place, act, site=site)
    return DoorKeys(path=wiring.site_folder(place, site).door_keys)
