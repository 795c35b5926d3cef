"""`aegle account add|list|roles`: people who may sign in at a site or at the hub."""

from typing import Annotated
from urllib.parse import quote

import typer

from aegle import access, wiring
from aegle.access import Act, Role
from aegle.cli.acts import record
from aegle.cli.operator import ask, operator
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.errors import BadMessage
from aegle.hub.people import NewPerson, Person
from aegle.local.accounts import SqliteAccounts
from aegle.local.home import Home
from aegle.pages.accounts import new_account
from aegle.pages.people import DOES

app = typer.Typer(help="People who may sign in at a site or at the hub.", no_args_is_help=True)
console = terminal()


Site = Annotated[str, typer.Option(help="At which site.")]
AtHub = Annotated[bool, typer.Option("--hub", help="At the hub, for the operator's console; the hub must run.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="How the person signs in.")],
    role: Annotated[Role, typer.Option(help="What the person may do; `aegle account roles` explains.")],
    site: Site = "",
    at_hub: AtHub = False,
    home_path: HomePath = HOME,
) -> None:
    """Add a person, or give a known one a new role and password. The password is shown once.

    Examples: `aegle account add anna --site st-anna --role clinician`, `aegle account add omar --hub --role operator`
    """
    place = home(home_path)
    _check_place(site, at_hub)
    password = _add_at_hub(place, name, role) if at_hub else _add_at_site(place, site, name, role)
    console.print(f"{name} may sign in at {site or 'the hub'} as {role.value}.", highlight=False)
    console.print(f"Password, shown this once: [bold]{password}[/]", highlight=False)


@app.command("list")
def list_accounts(site: Site = "", at_hub: AtHub = False, home_path: HomePath = HOME) -> None:
    """List the people of a site or of the hub."""
    place = home(home_path)
    _check_place(site, at_hub)
    people = _at_hub(place) if at_hub else _at_site(place, site)
    console.print(listed(("name", "role"), [(name, role.value) for name, role in people]))


@app.command()
def roles() -> None:
    """Explain the roles and what each may do."""
    rows = [
        (kind.value if kind else "hub", role.value, DOES[role], ", ".join(sorted(act.value for act in acts)))
        for (kind, role), acts in access.ALLOWED.items()
    ]
    console.print(listed(("at", "role", "in short", "may, by act"), rows, whole=("at", "role")))


def _check_place(site: str, at_hub: bool) -> None:
    if bool(site) == at_hub:
        raise BadMessage("say where: --site NAME, or --hub")


def _add_at_hub(place: Home, name: str, role: Role) -> str:
    path = f"/people/{quote(name, safe='')}"
    return ask(operator(place), NewPerson, "PUT", path, {"role": role.value}).password


def _add_at_site(place: Home, site: str, name: str, role: Role) -> str:
    account, password = new_account(name, role, place.require_applied().site(site).config.kind)
    accounts = SqliteAccounts(wiring.site_folder(place, site).accounts)
    accounts.put(account)
    accounts.close()
    record(place, Act.PAGE_ACCOUNT_CHANGE, site=site, role=role.value)
    return password


def _at_hub(place: Home) -> list[tuple[str, Role]]:
    found = ask(operator(place), tuple[Person, ...], "GET", "/people")
    return [(person.name, person.role) for person in found]


def _at_site(place: Home, site: str) -> list[tuple[str, Role]]:
    place.require_applied().site(site)
    record(place, Act.HUB_CONSOLE_VIEW, site=site, kind="people")
    accounts = SqliteAccounts(wiring.site_folder(place, site).accounts)
    found = [(account.name, account.role) for account in accounts.all()]
    accounts.close()
    return found
