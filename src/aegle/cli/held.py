"""`aegle quarantine list|show|release|reject|replace`: what is held at a site's door, decided by a named person.

A command writes the decision down; the site's program acts on it within seconds, or when it next starts.
"""

from pathlib import Path
from typing import Annotated

import typer

from aegle.access import Act
from aegle.cli import rules
from aegle.cli.acts import record, refusals_told
from aegle.cli.persons import As, Password, require_person
from aegle.cli.places import HOME, HomePath
from aegle.cli.quarantined import Name, SiteName, device_of_entry, quarantine_of, site_of
from aegle.cli.terminal import listed, terminal
from aegle.deid import REASONS, HoldReason
from aegle.errors import Conflict
from aegle.intake.quarantine import Entry, Quarantine, Settlement, entry_id_of
from aegle.intake.spool import CAME

app = typer.Typer(help="What is held at a site's door, and what becomes of it.", no_args_is_help=True)
rules.register(app)
console = terminal()


@app.command("list")
def show_all(
    site: SiteName,
    everything: Annotated[bool, typer.Option("--decided", help="Also what is decided.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """List what is held, latest first, with the reason.

    Example: `aegle quarantine list --site st-anna`
    """
    place, _ = site_of(home_path, site)
    record(place, Act.SITE_QUARANTINE_VIEW, site=site)
    rows = []
    for entry in quarantine_of(place, site).entries():
        if everything or entry.state is Settlement.OPEN:
            study, held = entry.study_alias[-12:] or "not said", f"{entry.held_at:%Y-%m-%d %H:%M}"
            rows.append((entry.entry_id, held, entry.reason.value, entry.detail, study, entry.state.value))
    console.print(listed(("name", "held", "reason", "detail", "study", "state"), rows, whole=("name", "reason")))


@app.command()
def show(name: Name, site: SiteName, person: As, password: Password, home_path: HomePath = HOME) -> None:
    """Show one held object: why it is held, what helps, and which device made it. Its picture is on the site's page.

    Example: `aegle quarantine show 0f82a5c19d3e7b46 --site st-anna --as anna`
    """
    place, folder = site_of(home_path, site)
    require_person(place, site, person, password, Act.SITE_QUARANTINE_INSPECT)
    quarantine = quarantine_of(place, site)
    entry, reason = quarantine.entry(name), REASONS[quarantine.entry(name).reason]
    device = device_of_entry(folder, quarantine, entry)
    record(place, Act.SITE_QUARANTINE_INSPECT, site=site, subject=name, principal=f"user:{person}")
    console.print(f"[bold]{entry.reason}[/]  {reason.text} {entry.detail}", highlight=False)
    console.print(reason.remedy)
    if device:
        facts = (device.manufacturer, device.model, device.modality, f"{device.columns} x {device.rows}")
        console.print(", ".join(fact or "not said" for fact in facts), markup=False, highlight=False)
    console.print(f"{entry.size_bytes} bytes, {CAME[entry.door]}, study {entry.study_alias or 'not said'}")
    people = " and ".join(filter(None, (entry.vouched_by, entry.settled_by)))
    if entry.state is Settlement.OPEN and people:
        console.print(
            f"State: open. {people} looked, and says that its text names nobody; it waits for a second person."
        )
    else:
        console.print(f"State: {entry.state.value}{f' by {people}' if people else ''}{_since(quarantine, entry)}")


def _since(quarantine: Quarantine, entry: Entry) -> str:
    """Whether an object that was tried again is held again."""
    again = entry_id_of(entry.came_as) if entry.came_as else ""
    found = next((one for one in quarantine.entries() if one.entry_id == again), None)
    return f"; held again as {again}, {found.reason}" if found else "; not held again" if again else ""


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
    place, _ = site_of(home_path, site)
    require_person(place, site, person, password, Act.SITE_QUARANTINE_SETTLE)
    with refusals_told(place, Act.SITE_QUARANTINE_SETTLE, site=site, subject=name, principal=f"user:{person}"):
        entry = quarantine_of(place, site).vouch(name, person)
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
    """Leave a held object out for good. It stays sealed; its study goes on without it.

    Example: `aegle quarantine reject 0f82a5c19d3e7b46 --site st-anna --as anna`
    """
    _settle(home_path, site, name, Settlement.REJECTED, person, password)
    console.print("It is left out, and stays sealed. Its study goes on without it.")


@app.command()
def replace(name: Name, site: SiteName, person: As, password: Password, home_path: HomePath = HOME) -> None:
    """Let an object held as CHANGED_SOURCE take the place of the one admitted before, as after a correction in the PACS.

    The bytes before stay in the archive's folder `replaced/` and are read by nobody; the study is read anew.
    Example: `aegle quarantine replace 0f82a5c19d3e7b46 --site st-anna --as anna`
    """
    _settle(home_path, site, name, Settlement.REPLACING, person, password)
    console.print("It takes the place of the one admitted before. That one is kept aside.")


def _settle(home_path: Path, site: str, name: str, state: Settlement, person: str, password: str) -> None:
    place, _ = site_of(home_path, site)
    require_person(place, site, person, password, Act.SITE_QUARANTINE_SETTLE)
    principal, quarantine = f"user:{person}", quarantine_of(place, site)
    with refusals_told(place, Act.SITE_QUARANTINE_SETTLE, site=site, subject=name, principal=principal):
        if state is Settlement.RELEASED and quarantine.entry(name).reason is HoldReason.TEXT_SUSPECTED:
            raise Conflict(
                "the detector would see the same text again. Mask it by a rule: aegle quarantine fix. Or look at it on the "
                "site's page Held, and if it names nobody, say so: --looked-at"
            )
        quarantine.settle(name, state, person)
    record(place, Act.SITE_QUARANTINE_SETTLE, site=site, subject=name, principal=principal, state=state.value)
