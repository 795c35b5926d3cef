"""`aegle account add|list`: people who may sign in at a site."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from aegle import access, wiring
from aegle.access import Act, Role
from aegle.cli.places import HOME, HomePath, home
from aegle.local.accounts import SqliteAccounts
from aegle.local.audit import ChainedLines
from aegle.pages.accounts import new_account

app = typer.Typer(help="People who may sign in at a site.", no_args_is_help=True)
console = Console()


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="How the person signs in.")],
    site: Annotated[str, typer.Option(help="At which site.")],
    role: Annotated[Role, typer.Option(help="What the person may do; `aegle account roles` explains.")],
    home_path: HomePath = HOME,
) -> None:
    """Add a person, or give a known one a new role and password. The password is shown once.

    Example: `aegle account add anna --site st-anna --role clinician`
    """
    place = home(home_path)
    kind = place.require_applied().site(site).config.kind
    account, password = new_account(name, role, kind)
    folder = wiring.site_folder(place, site)
    accounts, audit = SqliteAccounts(folder.accounts), ChainedLines(folder.audit, site, "cli")
    accounts.put(account)
    audit.append(access.event(Act.PAGE_ACCOUNT_CHANGE, principal="operator", site=site, role=role.value))
    accounts.close()
    audit.close()
    console.print(f"{name} may sign in at {site} as {role.value}.", highlight=False)
    console.print(f"Password, shown this once: [bold]{password}[/]", highlight=False)


@app.command("list")
def list_accounts(site: Annotated[str, typer.Option(help="Which site.")], home_path: HomePath = HOME) -> None:
    """List the people of a site."""
    place = home(home_path)
    place.require_applied().site(site)
    accounts = SqliteAccounts(wiring.site_folder(place, site).accounts)
    table = Table("name", "role")
    for account in accounts.all():
        table.add_row(account.name, account.role.value)
    accounts.close()
    console.print(table)


@app.command()
def roles() -> None:
    """Explain the roles and what each may do."""
    table = Table("at", "role", "may")
    for (kind, role), acts in access.ALLOWED.items():
        table.add_row(kind.value if kind else "hub", role.value, ", ".join(sorted(act.value for act in acts)))
    console.print(table)
