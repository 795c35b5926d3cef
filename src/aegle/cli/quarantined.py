"""What the commands about a site's quarantine share: the site, its held objects, and the device of one."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from aegle import durable, wiring
from aegle.cli.places import home
from aegle.deid.engine import device_of
from aegle.deid.masks import Device
from aegle.intake.quarantine import Entry, Quarantine
from aegle.local.home import Home
from aegle.site.folder import SiteFolder

SiteName = Annotated[str, typer.Option("--site", help="Which site.")]
Name = Annotated[str, typer.Argument(help="The object's name in `aegle quarantine list`.")]


def site_of(home_path: Path, site: str) -> tuple[Home, SiteFolder]:
    """A site that was applied, and where it keeps what. Raises NotFound, BadConfig."""
    place = home(home_path)
    place.require_applied().site(site)
    return place, SiteFolder(root=place.site(site))


def quarantine_of(place: Home, site: str) -> Quarantine:
    """Its held objects."""
    with wiring.site_secrets(place, site) as keys:
        return Quarantine(SiteFolder(root=place.site(site)).quarantine, keys.get("quarantine-key"))


def device_of_entry(folder: SiteFolder, quarantine: Quarantine, entry: Entry) -> Device | None:
    """What the sealed object says of its device. It lies open in the site's private work folder meanwhile, which the
    site's program empties when it starts."""
    work = durable.private_folder(folder.work)
    opened = work / f"{secrets.token_hex(8)}.held"
    try:
        with opened.open("xb") as stream:
            for block in quarantine.read(entry.entry_id):
                stream.write(block)
        return device_of(opened, work)
    finally:
        opened.unlink(missing_ok=True)
