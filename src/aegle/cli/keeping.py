"""`aegle site check|alarm|intake|redeliver|backup|restore`: one job a command, for a scheduler and by hand."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from aegle import durable, wiring
from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import terminal
from aegle.errors import BadConfig, Conflict, NotFound
from aegle.intake.spool import Spool
from aegle.local.audit import ChainedLines
from aegle.local.checking import Finding, alarms, look
from aegle.local.home import Home
from aegle.site import backup as backups
from aegle.site.door import SiteDoor
from aegle.site.folder import SiteFolder
from aegle.site.receipts import Receipts
from aegle.site.state import SiteState
from aegle.site.unwritten import Unwritten

console = terminal()
_PREFIX = "backups/"
SiteName = Annotated[str, typer.Argument(help="Which site.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `aegle site`."""
    for command in (check, alarm, intake, redeliver, backup, restore):
        app.command()(command)


def check(name: SiteName, home_path: HomePath = HOME) -> None:
    """Ask how a site's program on this machine is: door, archive, pages, disk, what waits. Exit status 1 when something is wrong.

    Example: `aegle site check st-anna`
    """
    place = home(home_path)
    _tell(list(look(place.require_applied().site(name), place.site(name))))


def alarm(
    name: SiteName,
    disk_percent: Annotated[int, typer.Option(help="Alarm when less of the disk is free.", min=1, max=99)] = 10,
    days: Annotated[int, typer.Option(help="Alarm when a certificate ends sooner.", min=1, max=365)] = 30,
    home_path: HomePath = HOME,
) -> None:
    """Warn in time of a disk that fills and of certificates that end. Exit status 1 when something is due.

    On Google Cloud what is due also goes to the log, from which the operators are alerted.
    Example: `aegle site alarm st-anna --days 60`
    """
    place = home(home_path)
    found = list(alarms(place.require_applied().site(name), place.site(name), disk_percent=disk_percent, days=days))
    for finding in found:
        if not finding.good:
            wiring.say(place, name, {"aegle_alarm": finding.what, "detail": finding.told})
    _tell(found)


def intake(
    name: SiteName,
    folder: Annotated[Path, typer.Argument(help="Its files are taken in and removed, at any depth.", exists=True)],
    home_path: HomePath = HOME,
) -> None:
    """Take in the files of a folder at the site's door, as its watched folder would. What is refused stays. Exit status 1 then.

    A file that still grows, or changed in the last two seconds, waits for the next time. The site's program may run or not.
    Example: `aegle site intake st-anna /mnt/incoming`
    """
    place = home(home_path)
    site = place.require_applied().site(name)
    limit = site.config.door.max_instance_mb * 1_000_000
    spool = Spool(SiteFolder(root=place.site(name)).spool, limit, incoming="incoming-by-hand")
    with closing(ChainedLines(place.site(name) / "audit", name, "cli")) as audit:
        unwritten = Unwritten()
        receipts = Receipts(name, audit, unwritten)
        door = SiteDoor(
            site=name, spool=spool, audit=audit, arrived=lambda: None, receipts=receipts, unwritten=unwritten
        )
        before = _files(folder)
        door.sweep(folder)  # learns the sizes
        door.sweep(folder)  # takes what has not grown
    left = _files(folder)
    console.print(f"{before - left} file(s) taken in, {left} left in {folder}.", highlight=False)
    if door.refused:
        console.print(f"{door.refused} of them were refused; the site's audit trail has the reason.", highlight=False)
        raise typer.Exit(1)


def redeliver(name: SiteName, home_path: HomePath = HOME) -> None:
    """Let every result that the PACS has not accepted be sent again at once, instead of after its pause.

    Example: `aegle site redeliver st-anna`
    """
    place = home(home_path)
    place.require_applied().site(name)
    folder = SiteFolder(root=place.site(name))
    if not folder.state.exists():
        raise NotFound(f"{name} has no results yet: its program has never run here")
    with closing(SiteState(folder.state)) as state:
        count = state.deliver_now()
        problems = sorted({item.problem for item in state.waiting_to_be_sent() if item.problem})
    record(place, Act.CLI_DELIVERY_RETRY, site=name, count=count)
    console.print(f"{count} result(s) are due now.", highlight=False)
    if problems:
        console.print(f"Last answers: {', '.join(problems)}. See docs/how-to/connect-a-pacs.md.", highlight=False)


def backup(
    name: SiteName,
    to: Annotated[Path | None, typer.Option(help="A folder for it; default: the site's own bucket.")] = None,
    home_path: HomePath = HOME,
) -> None:
    """Copy vault, spool, quarantine, databases and settings into one sealed file, read back before it counts. The site may run.

    The keys and the archive are not in it. Example: `aegle site backup st-anna --to /mnt/backup`
    """
    place = home(home_path)
    place.require_applied().site(name)
    folder, file = SiteFolder(root=place.site(name)), backups.name_now(name)
    with _keys(place, name) as keys, wiring.backups(place, name) as bucket:
        if to is None and bucket is None:
            raise BadConfig("this site has no bucket: name a folder with --to")
        target = durable.private_folder(to or folder.root / "backups") / file
        made = backups.make(folder, keys, target)
        if to is None and bucket is not None:
            bucket.put(f"{_PREFIX}{file}", target)
            target.unlink()
    record(place, Act.CLI_SITE_BACKUP, site=name, count=made.instances, size_bytes=made.size_bytes)
    console.print(
        f"{file}: {made.instances} instance(s) in the vault, {made.waiting} file(s) that wait, "
        f"{made.size_bytes / 1e6:.1f} MB, read back whole.", highlight=False, soft_wrap=True,
    )  # fmt: skip
    console.print("It opens with the site's vault key alone, which is not in it.")


def restore(
    name: SiteName,
    source: Annotated[
        str, typer.Argument(help="A file, or the name of a backup in the site's bucket; `latest` is its last.")
    ],
    home_path: HomePath = HOME,
) -> None:
    """Put a backup in place. Stop the site first; what was there is kept beside it. A damaged backup changes nothing.

    Example: `aegle site restore st-anna /mnt/backup/st-anna-20261128T010000Z.sealed`
    """
    place = home(home_path)
    place.require_applied().site(name)
    folder = SiteFolder(root=durable.private_folder(place.site(name)))
    with _keys(place, name) as keys, stopped(folder, name), tempfile.TemporaryDirectory(dir=folder.root) as aside:
        back = backups.bring_back(_fetched(place, name, source, Path(aside)), keys, folder)
        record(place, Act.CLI_SITE_RESTORE, site=name, count=back.instances)
    console.print(f"Back: {back.instances} instance(s) in the vault, {back.waiting} file(s) that wait. Start the site.")


def _fetched(place: Home, name: str, source: str, aside: Path) -> Path:
    if Path(source).is_file():
        return Path(source)
    with wiring.backups(place, name) as bucket:
        if bucket is None:
            raise NotFound(f"there is no file {source}, and this site has no bucket")
        wanted = source if source != "latest" else max(bucket.names(_PREFIX), default="")
        if not wanted:
            raise NotFound("the site's bucket holds no backup yet")
        bucket.fetch(f"{_PREFIX}{wanted.removeprefix(_PREFIX)}", aside / "backup.sealed")
    return aside / "backup.sealed"


@contextmanager
def _keys(place: Home, name: str) -> Iterator[list[bytes]]:
    with wiring.site_secrets(place, name) as secrets:
        keys = list(secrets.versions("vault-key"))
    if not keys:
        raise NotFound(f"{name} has no vault key here; run `aegle apply` first")
    yield keys


@contextmanager
def stopped(folder: SiteFolder, site: str) -> Iterator[None]:
    """Hold what the site's program holds while it runs. Raises Overloaded when it does."""
    durable.private_folder(folder.archive)
    lock = folder.archive / "in-use.lock"
    with closing(durable.claim(lock, f"the memory of {site} (its program runs)", wait_seconds=1)):
        yield


def _files(folder: Path) -> int:
    if not folder.is_dir():
        raise Conflict(f"{folder} is no folder")
    return sum(1 for path in folder.rglob("*") if path.is_file())


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        mark = "[green]ok[/]   " if finding.good else "[red]wrong[/]"
        console.print(f"  {mark} {finding.what}: {finding.told}", highlight=False, soft_wrap=True)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)
