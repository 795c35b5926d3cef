"""`aegle site update`: another release on a site's machine, proved by its digest, and back again when it does not come up."""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from aegle import __version__, durable, wiring
from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.keeping import SiteName
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import terminal
from aegle.errors import BadConfig, Conflict, NotFound, Unavailable
from aegle.local import forms
from aegle.local.checking import look
from aegle.local.home import Home
from aegle.provision.releases import Releases
from aegle.records import AuditOutcome

console = terminal()
_NOTE = "running.json"
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def register(app: typer.Typer) -> None:
    """Add `update` to `aegle site`."""
    app.command()(update)


def update(
    name: SiteName,
    to: Annotated[str, typer.Option(help="Which version; default: the one that the hub runs.")] = "",
    rollback: Annotated[bool, typer.Option("--rollback", help="Back to the version that ran before.")] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A folder with aegle-VERSION.zip and its .sha256; default: the mirror."),
    ] = None,
    root: Annotated[Path, typer.Option(envvar="AEGLE_RELEASES", help="The folder of this machine's releases.")] = Path(
        "/opt/aegle"
    ),
    seconds: Annotated[int, typer.Option(help="How long the new program may take to come up.", min=10)] = 300,
    home_path: HomePath = HOME,
) -> None:
    """Install another release beside the present one, let the site run it, and go back by itself when it does not come up.

    The release is proved by its SHA-256 and installed with nothing from a network but the mirror. A program that runs notices
    the new release, ends, and is started again by its service. Exit status 75 when the site went back. A release is not gone
    back to once a later one has brought the site's databases forward.
    Example: `aegle site update st-anna --to 0.2.0`, and `aegle site update st-anna --rollback`
    """
    place, releases = home(home_path), Releases(root)
    before = releases.running()
    version = _wanted(place, name, releases, to, rollback=rollback)
    if version == before:
        console.print(f"{name} runs {version} already.", highlight=False)
        return
    forms.check(place.site(name), version)
    if version not in releases.installed():
        _install(place, name, releases, version, source)
    served = _serves(place, name)
    if before is not None:
        forms.note(place.site(name), before)
    releases.switch(version)
    if not served:
        record(place, Act.CLI_SITE_UPDATE, site=name, software=version)
        console.print(
            f"{version} is in place; the site's program does not run now and starts with it.", highlight=False
        )
        return
    if _comes_up(place, name, version, seconds):
        record(place, Act.CLI_SITE_UPDATE, site=name, software=version)
        console.print(f"{name} runs {version}. Back: aegle site update {name} --rollback", highlight=False)
        return
    _go_back(place, name, releases, before, version)


def moved_on() -> Callable[[], bool]:
    """For a program: whether `current` has come to point at another release than the one it runs from."""
    own = Path(sys.prefix).resolve()
    link = own.parent / "current"
    if not link.exists() or link.resolve() != own:
        return lambda: False  # not installed as a release
    return lambda: link.exists() and link.resolve() != own


def note_running(place: Home, name: str) -> None:
    """Write down which release the site's program runs, for whoever waits for it."""
    note = json.dumps({"software": __version__, "pid": os.getpid(), "prefix": str(Path(sys.prefix).resolve())})
    durable.write(place.site(name) / _NOTE, note.encode())


def _wanted(place: Home, name: str, releases: Releases, to: str, *, rollback: bool) -> str:
    site = place.require_applied().site(name)
    if rollback:
        if to:
            raise BadConfig("either --to or --rollback")
        before = releases.before()
        if before is None:
            raise NotFound("there is no release before this one on the machine; name one: --to VERSION")
        return before
    return to or wiring.hub_version(place, site)


def _install(place: Home, name: str, releases: Releases, version: str, source: Path | None) -> None:
    if source is not None:
        archive = source / f"aegle-{version}.zip"
        sidecar = archive.with_name(f"{archive.name}.sha256")
        if not archive.exists() or not sidecar.exists():
            raise NotFound(f"{source} has no {archive.name} with {sidecar.name} beside it")
        stated = _DIGEST.search(sidecar.read_text(encoding="utf-8"))
        releases.install(version, archive, stated[0] if stated else "")
        return
    with wiring.mirror(place, name) as bucket, tempfile.TemporaryDirectory() as aside:
        if bucket is None:
            raise BadConfig("this site has no mirror of releases: name a folder with --from")
        found = next(iter(bucket.names(f"aegle/{version}/")), None)
        if found is None:
            raise NotFound(f"the mirror has no release {version}; `aegle infra mirror` and `aegle apply` put it there")
        archive = Path(aside) / Path(found).name
        bucket.fetch(found, archive)
        releases.install(version, archive, bucket.stated(found, "sha256"))


def _serves(place: Home, name: str) -> bool:
    """Whether the site's program answers now."""
    checks = look(place.require_applied().site(name), place.site(name))
    return all(item.good for item in checks if item.what in ("door", "archive", "pages"))


def _comes_up(place: Home, name: str, version: str, seconds: int) -> bool:
    note, deadline = place.site(name) / _NOTE, time.monotonic() + seconds
    while time.monotonic() < deadline:
        prefix = json.loads(note.read_bytes()).get("prefix", "") if note.exists() else ""
        if Path(prefix).name == version and _serves(place, name):
            return True
        time.sleep(0.5)
    return False


def _go_back(place: Home, name: str, releases: Releases, before: str | None, version: str) -> None:
    """The release did not come up: the one before runs again."""
    record(place, Act.CLI_SITE_UPDATE, AuditOutcome.FAILED, site=name, software=version)
    if before is None:
        raise Unavailable(f"{version} did not come up, and there is no release before it; see the site's log")
    try:
        forms.check(place.site(name), before)
    except Conflict as forward:
        wiring.say(
            place, name, {"aegle_alarm": "update", "detail": f"{version} did not come up, and there is no way back"}
        )
        raise Unavailable(
            f"{version} did not come up. What the site holds is safe, but it takes nothing in. {forward}. Look into the site's "
            "log, and install a release that mends it: --to VERSION"
        ) from None
    releases.switch(before)
    wiring.say(place, name, {"aegle_alarm": "update", "detail": f"{version} did not come up; {before} runs again"})
    raise Unavailable(f"{version} did not come up in time; {before} runs again. See the site's log for why")
