"""`aegle archive check|rebuild|export|grant|revoke`: a site's archive, looked over, mended, and opened for a while."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from aegle import durable, wiring
from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.persons import require_person
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import terminal
from aegle.errors import Conflict
from aegle.local.archive import upkeep
from aegle.local.home import Home
from aegle.local.secrets import FileSecrets
from aegle.local.trails import newest, trails
from aegle.site import grants

app = typer.Typer(
    help="Look a site's archive over, mend its index, copy a study out, open it to a client.", no_args_is_help=True
)
console = terminal()
SiteName = Annotated[str, typer.Option("--site", help="Which site.")]
_WHOLE_TRAIL = 1_000_000


@app.command()
def check(site: SiteName, home_path: HomePath = HOME) -> None:
    """Compare every file with the index, byte by byte. Changes nothing; the site may run. Exit status 1 when something is wrong.

    Example: `aegle archive check --site st-anna`
    """
    folder = _folder(home_path, site, Act.CLI_ARCHIVE_CHECK)
    with Progress(console=console) as progress:
        task = progress.add_task("checking", total=upkeep.count(folder))
        found = list(upkeep.check(folder, lambda: progress.advance(task)))
    for finding in found:
        console.print(f"  {finding.trouble.value:16} {finding.name}", highlight=False)
    console.print(f"{len(found)} trouble(s)." if found else "Every file is as it was acknowledged, and indexed.")
    if found:
        raise typer.Exit(1)


@app.command()
def rebuild(site: SiteName, home_path: HomePath = HOME) -> None:
    """Make the index anew from the files. Stop the site first; the old index is kept beside it."""
    folder = _folder(home_path, site, Act.CLI_ARCHIVE_REBUILD)
    lock = durable.claim(folder / "in-use.lock", f"the archive of {site} (its program runs)", wait_seconds=1)
    with Progress(console=console) as progress:
        task = progress.add_task("indexing", total=upkeep.count(folder))
        count = upkeep.rebuild(folder, lambda: progress.advance(task))
    lock.close()
    console.print(f"{count} instance(s) indexed. The index before is {folder / 'index.db.before'}.")


@app.command()
def export(
    study: Annotated[str, typer.Argument(help="The study's alias (Study Instance UID in the archive).")],
    target: Annotated[Path, typer.Argument(help="Folder to copy to; made where it is not there.")],
    site: SiteName,
    home_path: HomePath = HOME,
) -> None:
    """Copy a study out of the archive, as aliases: SERIES/INSTANCE.dcm."""
    if target.exists() and any(target.iterdir()):
        raise Conflict(f"{target} is not empty; name a new folder")
    count = upkeep.export(_folder(home_path, site, Act.CLI_ARCHIVE_EXPORT, study), study, target)
    console.print(f"{count} instance(s) copied to {target}.")


@app.command()
def grant(
    site: SiteName,
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long it holds.")] = 8,
    store: Annotated[bool, typer.Option("--store", help="It may also store de-identified objects.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="It may also delete; an administrator of the site stands behind it.")
    ] = False,
    person: Annotated[str, typer.Option("--as", help="Your account at the site, for --delete.")] = "",
    password: Annotated[str, typer.Option(help="Asked for where it is not given, for --delete.")] = "",
    home_path: HomePath = HOME,
) -> None:
    """Print a grant for every study of a site's archive: a bearer token for a DICOMweb client. It ends, and can be taken back.

    Example: `aegle archive grant --site st-anna --hours 1`
    """
    folder, grant_id = wiring.site_folder(home(home_path), site), secrets.token_hex(8)
    if delete:
        person = person or typer.prompt("Your account at the site", err=True)
        password = password or typer.prompt("Your password at the site", hide_input=True, err=True)
        require_person(home(home_path), site, person, password, Act.ARCHIVE_INSTANCE_DELETE)
    _folder(home_path, site, Act.CLI_ARCHIVE_GRANT, grant_id)
    more = {Act.ARCHIVE_INSTANCE_STORE} if store else set[Act]()
    more |= {Act.ARCHIVE_INSTANCE_DELETE} if delete else set[Act]()
    until = datetime.now(UTC) + timedelta(hours=hours)
    key = FileSecrets(folder.secrets).get("grant-key")
    typer.echo(grants.give(key, site, grants.EVERY_STUDY, until, grants.READING | more, grant_id))
    typer.echo(f"To take it back: aegle archive revoke {grant_id} --site {site}", err=True)


@app.command()
def revoke(
    grant_id: Annotated[str, typer.Argument(help="The grant's id, as `aegle archive grant` told it.")],
    site: SiteName,
    home_path: HomePath = HOME,
) -> None:
    """Take a grant of `aegle archive grant` back, at once and for good. The site may run.

    Example: `aegle archive revoke 00112233aabbccdd --site st-anna`
    """
    revoked = grants.Revoked(wiring.site_folder(home(home_path), site).revoked)
    revoked.add(grant_id)
    _folder(home_path, site, Act.CLI_ARCHIVE_REVOKE, grant_id)
    console.print("Taken back.")
    if not _was_given(home(home_path), site, grant_id):
        console.print(f"[bold yellow]The trail of {site} names no grant of this id.[/] Compare it with what was told.")


def _was_given(place: Home, site: str, grant_id: str) -> bool:
    """Whether this machine's trail of the site tells of the grant; True where its trail is elsewhere."""
    found = [trail for trail in trails(place, (), site) if trail.chain == f"{site}/cli" and trail.path.exists()]
    acts = [(event.act, event.subject) for _, event in newest(found, _WHOLE_TRAIL)]
    return not acts or (Act.CLI_ARCHIVE_GRANT.value, grant_id) in acts


def _folder(home_path: Path, site: str, act: Act, subject: str = "") -> Path:
    """The archive's folder, once the act is in the trail."""
    place = home(home_path)
    remote = place.require_applied().site(site).config.archive
    if remote is not None:
        raise Conflict(f"the archive of {site} is at {remote.url}: look it over, mend it and copy from it there")
    record(place, act, site=site, subject=subject)
    return wiring.site_folder(place, site).archive
