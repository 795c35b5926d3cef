"""`aegle status`: sites, their health and requests, and what a person should look at."""

from typing import Annotated

import typer
from rich.table import Table

from aegle.cli.operator import operator, overview
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.hub.overview import Overview, SiteLine, age, by_state
from aegle.records import RequestState

console = terminal()


def register(root: typer.Typer) -> None:
    """Add `status` to the root command."""
    root.command()(status)


def status(
    site: Annotated[str, typer.Option(help="Only this site.")] = "",
    home_path: HomePath = HOME,
) -> None:
    """Show sites, their health, requests by state, and what needs a person. Ends with status 1 when something grave does.

    Example: `aegle status --site st-anna`
    """
    seen = overview(operator(home(home_path)))
    lines = (seen.site(site),) if site else seen.sites
    console.print(_health(seen, lines))
    console.print(_requests(seen, lines))
    alerts = [alert for alert in seen.alerts if site in ("", alert.site)]
    for alert in alerts:
        colour = "bold red" if alert.grave else "yellow"
        console.print(f"[{colour}]{alert.what}[/] {alert.remedy}", highlight=False, soft_wrap=True)
    if not alerts:
        console.print("[green]All is well.[/]")
    if any(alert.grave for alert in alerts):
        raise typer.Exit(1)


def _health(seen: Overview, lines: tuple[SiteLine, ...]) -> Table:
    rows = []
    for line in lines:
        status, hello = line.status, line.status.hello
        told = age(seen.taken_at - status.hello_at) + " ago" if status.hello_at else "never"
        told = "frozen" if status.frozen else told
        point = f" at {line.operating_point.threshold:.3f}" if line.operating_point else ""
        model = f"{line.bundle.name} {line.bundle.version}{point}" if line.bundle else "-"
        health = (
            (str(hello.held), str(hello.spooled), str(hello.undelivered), f"{hello.disk_free_bytes / 1e9:.0f} GB")
            if hello
            else ("-",) * 4
        )
        rows.append((status.name, status.kind.value, told, *health, hello.software if hello else "-", model))
    heads = ("site", "kind", "last hello", "held", "coming in", "to deliver", "disk free", "software", "model")
    return listed(heads, rows, whole=("site", "kind"))


def _requests(seen: Overview, lines: tuple[SiteLine, ...]) -> Table:
    rows = []
    for state, (total, oldest) in by_state(lines).items():
        counts = [str(_of(line, state)) for line in lines]
        rows.append((state.value, *counts, str(total), age(seen.taken_at - oldest) if oldest else "-"))
    return listed(("requests", *(line.status.name for line in lines), "all", "oldest"), rows)


def _of(line: SiteLine, state: RequestState) -> int:
    return sum(count.requests for count in line.requests if count.state is state)
