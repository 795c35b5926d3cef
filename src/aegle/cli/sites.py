"""`aegle site add|list`, `aegle plan`, `aegle apply`: the block of configuration that is a site."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from aegle import config as configuration
from aegle import durable
from aegle.access import Act
from aegle.cli import cloud, keeping, updating
from aegle.cli.acts import record
from aegle.cli.operator import operator
from aegle.cli.places import CONFIG, HOME, ConfigPath, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.config import Config
from aegle.errors import BadConfig
from aegle.estate import Google, next_cidr
from aegle.local.enrolment import rotate
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner
from aegle.local.secrets import FileSecrets
from aegle.ports import Change
from aegle.provision import site_file
from aegle.records import SiteKind

app = typer.Typer(help="Add and list sites.", no_args_is_help=True)
console = terminal()


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and hyphens, for example st-anna")],
    kind: Annotated[
        SiteKind, typer.Option(help="hospital: sends studies, gets predictions; lab: uploads, views, labels.")
    ],
    cidr: Annotated[str, typer.Option(help="Google Cloud: its network; auto takes the next free one.")] = "auto",
    operators: Annotated[
        str, typer.Option(help="Google Cloud: user:NAME@DOMAIN or group:NAME@DOMAIN, with commas between.")
    ] = "",
    config: ConfigPath = CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change to the file, write nothing.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """Add a site to aegle.yaml, keeping its comments.

    Example: `aegle site add st-anna --kind hospital`, then `aegle plan` and `aegle apply`.
    """
    before = config.read_text(encoding="utf-8") if config.exists() else "target: local\nsites: {}\n"
    google = configuration.load(config).google if config.exists() else None
    block: dict[str, Any] = {"kind": kind.value}
    if google is None and (operators or cidr != "auto"):
        raise BadConfig(
            f"--operators and --cidr are for Google Cloud, and {config} has no block google; see docs/how-to/google-cloud.md"
        )
    if google is not None:
        block["google"] = _place(configuration.load(config), google, cidr, operators)
    if _changed(config, before, site_file.add_site(before, name, block), home_path, dry_run=dry_run, kind=kind.value):
        console.print(f"Added [bold]{name}[/]. Next: [bold]aegle plan[/], then [bold]aegle apply[/].")


def _place(config: Config, google: Google, cidr: str, operators: str) -> dict[str, Any]:
    taken = tuple(site.google.cidr for site in config.sites.values() if site.google is not None)
    given = next_cidr(google, taken) if cidr == "auto" else cidr
    if given is None:
        raise BadConfig(f"google.sites_range {google.sites_range} is full; widen it")
    people = [part.strip() for part in operators.split(",") if part.strip()]
    return {"cidr": given} | ({"operators": people} if people else {})


@app.command()
def retire(
    name: Annotated[str, typer.Argument(help="Which site.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take a frozen site's block out of the file.")] = False,
    config: ConfigPath = CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change to the file, write nothing.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """Retire a site in two steps: freeze it, then take its block out. Its data stays where it is until you say otherwise.

    Frozen: its programs stop and its identity is disabled; archive, vault and keys are kept. To bring it back, take the
    line `frozen: true` out of the file and run `aegle apply`. With --remove the block goes; on this machine its folder
    stays, on Google Cloud `aegle apply` asks for --allow-delete NAME.
    """
    configuration.load(config)
    before = config.read_text(encoding="utf-8")
    after = site_file.remove_site(before, name) if remove else site_file.freeze_site(before, name)
    if _changed(config, before, after, home_path, dry_run=dry_run):
        done = "Removed" if remove else "Frozen in the file:"
        console.print(f"{done} [bold]{name}[/]. Next: [bold]aegle plan[/], then [bold]aegle apply[/].")


def _changed(path: Path, before: str, after: str, home_path: Path, *, dry_run: bool, kind: str = "") -> bool:
    """Show the difference and write it; whether it was written. What does not load is not written."""
    _show_difference(path, before if path.exists() else "", after)
    configuration.parse(after, path)
    if dry_run:
        console.print("Nothing written (dry run).")
        return False
    durable.write(path, after.encode(), mode=0o644)
    if home(home_path).hub.exists():  # before the first `aegle apply` there is no trail yet
        record(home(home_path), Act.CLI_CONFIG_CHANGE, kind=kind)
    return True


@app.command("list")
def list_sites(config: ConfigPath = CONFIG, home_path: HomePath = HOME) -> None:
    """List the sites of aegle.yaml and what was applied of them."""
    wanted, applied = configuration.load(config), home(home_path).applied()
    if not wanted.sites:
        console.print(
            f"No site in {config} yet. Add one: [bold]aegle site add NAME --kind hospital[/], or [bold]lab[/]"
        )
        return
    if wanted.target == "gcp":
        console.print(_on_google(wanted))
        return
    rows = []
    for name, site in wanted.sites.items():
        known = applied.sites.get(name) if applied else None
        state = (
            "frozen"
            if site.frozen
            else "not applied"
            if known is None
            else "applied"
            if known.config == site
            else "changed"
        )
        title = site.door.ae_title or name.upper()[:16]
        door = f"{title} @ 127.0.0.1:{known.door_port}" if known else "-"
        pages = f"http://{name}.localhost:{known.pages_port}" if known else "-"
        rows.append((name, site.kind.value, state, door, pages))
    console.print(listed(("site", "kind", "state", "DICOM door", "pages"), rows, whole=("site", "pages")))


def _on_google(config: Config) -> Table:
    heads = ("site", "kind", "state", "gateway", "network", "operators")
    rows = [
        (name, site.kind.value, "frozen" if site.frozen else "live", site.google.gateway, site.google.cidr,
         ", ".join(site.google.operators))
        for name, site in config.sites.items() if site.google is not None
    ]  # fmt: skip
    return listed(heads, rows, whole=("site", "network"))


@app.command("rotate-credential")
def rotate_credential(name: Annotated[str, typer.Argument(help="Which site.")], home_path: HomePath = HOME) -> None:
    """Give a site a new credential for the hub; its program picks it up by itself.

    The one before holds for seven days more. Rotate twice to end a stolen one at once.
    """
    place = home(home_path)
    place.require_applied().site(name)
    rotate(operator(place), FileSecrets(place.site(name) / "secrets"), name)
    console.print(f"{name} has a new credential. The one before holds for seven days, or until the next rotation.")


keeping.register(app)
updating.register(app)


def register(root: typer.Typer) -> None:
    """Add `plan` and `apply` to the root command."""
    root.command()(plan)
    root.command()(apply)


FoundationFlag = Annotated[
    bool,
    typer.Option("--foundation", help="Google Cloud: folders, projects and organisation policies instead of sites."),
]
AllowDelete = Annotated[
    list[str] | None,
    typer.Option("--allow-delete", help="Google Cloud: a frozen site, gone from the file, whose data may go."),
]


def plan(
    foundation: FoundationFlag = False,
    allow_delete: AllowDelete = None,
    config: ConfigPath = CONFIG,
    home_path: HomePath = HOME,
) -> None:
    """Show what `aegle apply` would do: what comes, changes and goes, what it costs roughly, what is risky."""
    wanted = configuration.load(config)
    if wanted.target == "gcp":
        run = cloud.rollout(wanted, config, home_path, tuple(allow_delete or ()))
        cloud.plan_google(run, foundation=foundation)
        return
    _refuse_on_one_machine(home(home_path), foundation=foundation, allow_delete=allow_delete)
    changes = LocalProvisioner(wanted, home(home_path)).plan()
    _tell(changes)
    if changes:
        console.print("Run [bold]aegle apply[/] to do this. No archive, key or vault is ever deleted by it.")


def apply(
    foundation: FoundationFlag = False,
    allow_delete: AllowDelete = None,
    yes: Annotated[bool, typer.Option("--yes", help="Google Cloud: do not ask.")] = False,
    config: ConfigPath = CONFIG,
    home_path: HomePath = HOME,
) -> None:
    """Make aegle.yaml real. A running `aegle up` picks the change up by itself.

    On Google Cloud the plan is shown, judged by policy, and refused when it would destroy data. After a failure, the same
    command goes on where it stopped."""
    wanted = configuration.load(config)
    if wanted.target == "gcp":
        run = cloud.rollout(wanted, config, home_path, tuple(allow_delete or ()))
        cloud.apply_google(run, home_path, foundation=foundation, yes=yes)
        return
    place = home(home_path)
    _refuse_on_one_machine(place, foundation=foundation, allow_delete=allow_delete)
    changes = LocalProvisioner(wanted, place).apply()
    _tell(changes)
    if changes:
        record(place, Act.CLI_CONFIG_APPLY, count=len(changes))
        console.print("Done. [bold]aegle up[/] starts what is not running; a running one has picked this up.")


def _refuse_on_one_machine(place: Home, *, foundation: bool, allow_delete: list[str] | None) -> None:
    if foundation:
        raise BadConfig("--foundation is for Google Cloud; with `target: local` there is none")
    if allow_delete:
        folders = ", ".join(str(place.site(name)) for name in allow_delete)
        raise BadConfig(
            f"nothing on this machine is deleted for you. Back up what must stay, then remove by hand: {folders}"
        )


def _tell(changes: Sequence[Change]) -> None:
    if not changes:
        console.print("Nothing to do: everything is as aegle.yaml says.")
    for change in changes:
        console.print(f"  [bold]{change.what:8}[/] {change.site or 'hub'}: {change.why}")


def _show_difference(path: Path, before: str, after: str) -> None:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), str(path), lineterm="", n=2)
    for line in lines:
        colour = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
        console.print(line, style=colour, highlight=False, markup=False, soft_wrap=True)
