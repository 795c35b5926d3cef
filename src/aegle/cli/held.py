"""`aegle quarantine list|show|release|reject|replace|fix`: what is held at a site's door, decided by a named person.

A command writes the decision down; the site's program acts on it within seconds, or when it next starts.
"""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from aegle import durable, wiring
from aegle.access import Act
from aegle.cli.acts import record, refusals_told
from aegle.cli.persons import As, Password, Second, SecondPassword, require_person
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.deid import REASONS, HoldReason
from aegle.deid.engine import device_of
from aegle.deid.masks import Box, Device, Keep, PixelRule, frames_named
from aegle.deid.pixel_book import PixelBook
from aegle.errors import BadMessage, Conflict, Forbidden
from aegle.intake.quarantine import Entry, Quarantine, Settlement
from aegle.intake.spool import CAME
from aegle.local.home import Home
from aegle.site.folder import SiteFolder

app = typer.Typer(help="What is held at a site's door, and what becomes of it.", no_args_is_help=True)
console = terminal()

SiteName = Annotated[str, typer.Option("--site", help="Which site.")]
Name = Annotated[str, typer.Argument(help="The object's name in `aegle quarantine list`.")]


@app.command("list")
def show_all(
    site: SiteName,
    everything: Annotated[bool, typer.Option("--decided", help="Also what is decided.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """List what is held, latest first, with the reason."""
    place, _ = _site(home_path, site)
    record(place, Act.SITE_QUARANTINE_VIEW, site=site)
    rows = []
    for entry in _quarantine(place, site).entries():
        if everything or entry.state is Settlement.OPEN:
            study, held = entry.study_alias[-12:] or "not said", f"{entry.held_at:%Y-%m-%d %H:%M}"
            rows.append((entry.entry_id, held, entry.reason.value, entry.detail, study, entry.state.value))
    console.print(listed(("name", "held", "reason", "detail", "study", "state"), rows, whole=("name", "reason")))


@app.command()
def show(name: Name, site: SiteName, person: As, password: Password, home_path: HomePath = HOME) -> None:
    """Show one held object: why it is held, what helps, and which device made it. Its picture is on the site's page."""
    place, folder = _site(home_path, site)
    require_person(place, site, person, password, Act.SITE_QUARANTINE_INSPECT)
    quarantine = _quarantine(place, site)
    entry, reason = quarantine.entry(name), REASONS[quarantine.entry(name).reason]
    device = _device(folder, quarantine, entry)
    record(place, Act.SITE_QUARANTINE_INSPECT, site=site, subject=name, principal=f"user:{person}")
    console.print(f"[bold]{entry.reason}[/]  {reason.text} {entry.detail}", highlight=False)
    console.print(reason.remedy)
    if device:
        facts = (device.manufacturer, device.model, device.modality, f"{device.columns} x {device.rows}")
        console.print(", ".join(fact or "not said" for fact in facts), markup=False, highlight=False)
    console.print(f"{entry.size_bytes} bytes, {CAME[entry.door]}, study {entry.study_alias or 'not said'}")
    state = f"{entry.state.value} by {entry.settled_by}" if entry.settled_by else entry.state.value
    console.print(f"State: {state}")


@app.command()
def release(
    name: Name,
    site: SiteName,
    person: As,
    password: Password,
    looked_at: Annotated[
        bool,
        typer.Option(
            "--looked-at",
            help="You looked at the frames named, as they are, and their text names nobody. For TEXT_SUSPECTED; it takes two "
            "people, each with this command or on the page.",
        ),
    ] = False,
    home_path: HomePath = HOME,
) -> None:
    """Try a held object again, after a rule or the software changed. It is held again where nothing did.

    What is held as TEXT_SUSPECTED is let in, text and all, once two people of the site said --looked-at.
    Example: `aegle quarantine release 0f82a5c19d3e7b46 --site st-anna --as anna`
    """
    if looked_at:
        _vouch(home_path, site, name, person, password)
        return
    _settle(home_path, site, name, Settlement.RELEASED, person, password)
    console.print("It is tried again by the site's program.")


def _vouch(home_path: Path, site: str, name: str, person: str, password: str) -> None:
    place, _ = _site(home_path, site)
    require_person(place, site, person, password, Act.SITE_QUARANTINE_SETTLE)
    with refusals_told(place, Act.SITE_QUARANTINE_SETTLE, site=site, subject=name, principal=f"user:{person}"):
        entry = _quarantine(place, site).vouch(name, person)
    is_let_in = entry.state is Settlement.CLEARED
    state, principal = entry.state.value if is_let_in else "vouched", f"user:{person}"
    record(place, Act.SITE_QUARANTINE_SETTLE, site=site, subject=name, principal=principal, state=state)
    if is_let_in:
        console.print(f"{entry.vouched_by} and {person} stand behind it. The site's program lets it in.")
    else:
        console.print("Written down. It goes in once another administrator has looked at it and says the same:")
        console.print(f"  aegle quarantine release {name} --looked-at --site {site} --as ANOTHER", highlight=False)


@app.command()
def reject(name: Name, site: SiteName, person: As, password: Password, home_path: HomePath = HOME) -> None:
    """Leave a held object out for good. It stays sealed; its study goes on without it."""
    _settle(home_path, site, name, Settlement.REJECTED, person, password)
    console.print("It is left out, and stays sealed. Its study goes on without it.")


@app.command()
def replace(name: Name, site: SiteName, person: As, password: Password, home_path: HomePath = HOME) -> None:
    """Let an object held as CHANGED_SOURCE take the place of the one admitted before, as after a correction in the PACS.

    The bytes before stay in the archive's folder `replaced/` and are read by nobody; the study is read anew.
    """
    _settle(home_path, site, name, Settlement.REPLACING, person, password)
    console.print("It takes the place of the one admitted before. That one is kept aside.")


@app.command()
def fix(
    name: Name,
    site: SiteName,
    person: As,
    second: Second,
    password: Password,
    second_password: SecondPassword,
    keep: Annotated[Keep, typer.Option(help="What of this device's pictures may leave.")],
    boxes: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            help="LEFT,TOP,WIDTH,HEIGHT in pixels, painted over in every frame, or in those after an @: "
            "0,0,640,480@first, @last, @7, @2-9, @2-last. Repeat it.",
        ),
    ] = None,
    any_size: Annotated[bool, typer.Option("--any-size", help="For pictures of every size of this device.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """Say what the device of an object held as BURNED_IN_RISK burns in; holds for every picture of it from now on.

    Two people stand behind a rule, and are named in it: look at the device's pictures first, at many of them. What waits
    for the same rule is tried again.
    Example: `aegle quarantine fix 0f82… --site st-anna --keep unmasked --box 0,0,640,40 --as anna --with omar`
    """
    place, folder = _site(home_path, site)
    if person == second:
        raise Forbidden("a second person must stand behind the rule: --with somebody else")
    require_person(place, site, person, password, Act.SITE_RULE_ADD)
    require_person(place, site, second, second_password, Act.SITE_RULE_ADD)
    quarantine = _quarantine(place, site)
    entry = quarantine.entry(name)
    if entry.reason not in (HoldReason.BURNED_IN_RISK, HoldReason.TEXT_SUSPECTED):
        raise Conflict("only an object held as BURNED_IN_RISK or TEXT_SUSPECTED is helped by a rule for its device")
    if entry.reason is HoldReason.TEXT_SUSPECTED and keep is Keep.ALL:
        raise Conflict(
            "text was seen in this picture, so --keep all would let it out. Mask it: --keep unmasked --box LEFT,TOP,WIDTH,HEIGHT"
        )
    people = f"{person} with {second}, {datetime.now(UTC):%Y-%m-%d}"
    rule = _rule(_device(folder, quarantine, entry), keep, boxes or [], people, any_size=any_size)
    PixelBook(folder.pixel_rules).add(rule)
    for who in (person, second):
        record(place, Act.SITE_RULE_ADD, site=site, subject=name, principal=f"user:{who}", state=keep.value)
    waiting = [item for item in quarantine.entries() if item.reason is entry.reason and item.state is Settlement.OPEN]
    fitting = [item for item in waiting if (made := _device(folder, quarantine, item)) and rule.fits(made)]
    for item in fitting:
        quarantine.settle(item.entry_id, Settlement.RELEASED, person)
    console.print(f"The rule holds. {len(fitting)} object(s) are tried again by the site's program.")


def _rule(device: Device | None, keep: Keep, boxes: list[str], people: str, *, any_size: bool) -> PixelRule:
    if device is None:
        raise Conflict("the object's header cannot be read; no rule can be made for its device")
    painted = tuple(_box(text) for text in boxes)
    if bool(painted) != (keep is Keep.UNMASKED) and keep is not Keep.REGIONS:
        raise BadMessage("--box goes with --keep unmasked, and --keep unmasked needs a box")
    return PixelRule(
        manufacturer=device.manufacturer,
        model=device.model,
        modality=device.modality,
        columns=0 if any_size else device.columns,
        rows=0 if any_size else device.rows,
        keep=keep,
        boxes=painted,
        by=people,
    )


def _box(text: str) -> Box:
    edges, _, named = text.partition("@")
    numbers = edges.split(",")
    frames = frames_named(named.strip() or "1-last")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers) or frames is None:
        raise BadMessage(f"{text!r} is not a box: LEFT,TOP,WIDTH,HEIGHT in pixels, and @FRAMES where not in all")
    left, top, width, height = map(int, numbers)
    return Box(left, top, width, height, *frames)


def _settle(home_path: Path, site: str, name: str, state: Settlement, person: str, password: str) -> None:
    place, _ = _site(home_path, site)
    require_person(place, site, person, password, Act.SITE_QUARANTINE_SETTLE)
    principal, quarantine = f"user:{person}", _quarantine(place, site)
    with refusals_told(place, Act.SITE_QUARANTINE_SETTLE, site=site, subject=name, principal=principal):
        if state is Settlement.RELEASED and quarantine.entry(name).reason is HoldReason.TEXT_SUSPECTED:
            raise Conflict(
                "the detector would see the same text again. Mask it by a rule: aegle quarantine fix. Or look at it on the "
                "site's page Held, and if it names nobody, say so: --looked-at"
            )
        quarantine.settle(name, state, person)
    record(place, Act.SITE_QUARANTINE_SETTLE, site=site, subject=name, principal=principal, state=state.value)


def _site(home_path: Path, site: str) -> tuple[Home, SiteFolder]:
    place = home(home_path)
    place.require_applied().site(site)
    return place, SiteFolder(root=place.site(site))


def _quarantine(place: Home, site: str) -> Quarantine:
    with wiring.site_secrets(place, site) as secrets:
        return Quarantine(SiteFolder(root=place.site(site)).quarantine, secrets.get("quarantine-key"))


def _device(folder: SiteFolder, quarantine: Quarantine, entry: Entry) -> Device | None:
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
