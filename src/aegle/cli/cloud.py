"""`aegle plan` and `apply` on Google Cloud, and `aegle infra ...`: doctor, mirror, policy."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from aegle import config as configuration
from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.places import CONFIG, HOME, ConfigPath, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.config import Config
from aegle.errors import BadConfig, Conflict
from aegle.provision import cost, doctor, mirror, policy, telling
from aegle.provision.gateway import hand_over
from aegle.provision.rollout import Plan, Rollout, progress
from aegle.provision.terraform import Terraform

app = typer.Typer(
    help="Google Cloud: what is missing, what to install, whether it is as it must be.", no_args_is_help=True
)
console = terminal()


def rollout(config: Config, path: Path, place: Path, allowed: tuple[str, ...] = ()) -> Rollout:
    """What drives terraform for this aegle.yaml."""
    return Rollout(
        config=config, folder=path.resolve().parent, work=place.resolve() / "google", allowed=frozenset(allowed)
    )


def plan_google(run: Rollout, *, foundation: bool) -> None:
    """Tell what `aegle apply` would do."""
    _, plan = run.plan_foundation() if foundation else run.plan_platform()
    show(plan)
    if plan.steps and not (plan.findings or plan.refused):
        console.print("Run [bold]aegle apply[/] to do this.")


def apply_google(run: Rollout, place: Path, *, foundation: bool, yes: bool) -> None:
    """Show the plan, judge it, ask, carry it out."""
    if not foundation:
        _leave_keys(run, yes=yes)
    terraform, plan = run.plan_foundation() if foundation else run.plan_platform()
    show(plan)
    if plan.findings or plan.refused:
        raise Conflict("nothing was changed: the plan above breaks a rule")
    if not plan.steps:
        return
    if not yes and not typer.confirm("Do this?"):
        raise typer.Exit(1)
    _carry_out(terraform, plan)
    record(home(place), Act.CLI_CONFIG_APPLY, count=len(plan.steps))
    if findings := run.judge():
        _show_findings(findings)
        raise Conflict("applied, and what stands now breaks a rule; see above")
    touched = {step.owner for step in plan.steps}
    _show_outputs(terraform.outputs(), touched, run.folder)
    if foundation:
        console.print("Done. Next: [bold]aegle infra mirror FOLDER[/], then [bold]aegle apply[/].")
    else:
        waits = " A new machine says hello within 45 minutes, or an alert goes out." if _makes_a_machine(plan) else ""
        console.print(f"Done.{waits}")


def _leave_keys(run: Rollout, *, yes: bool) -> None:
    """Terraform would destroy the keys of a site that goes: they leave its hands first, which a person agrees to."""
    keys = run.keys_to_leave()
    for address in keys:
        console.print(f"  stays in Cloud KMS, no longer looked after: {address}", highlight=False)
    if keys and not yes and not typer.confirm("Leave these there, and see what else would go?"):
        raise typer.Exit(1)
    run.leave(keys)


def _makes_a_machine(plan: Plan) -> bool:
    made = (step for step in plan.steps if step.deed in {telling.Deed.CREATE, telling.Deed.REPLACE})
    return any(step.owner != "hub" and step.resource.kind == "google_compute_instance" for step in made)


def _carry_out(terraform: Terraform, plan: Plan) -> None:
    for line in progress(terraform.apply(), len(plan.steps)):
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def _show_outputs(outputs: dict[str, Any], touched: set[str], folder: Path) -> None:
    """What a person must do or pass on by hand."""
    for record_ in outputs.get("certificate_record") or () if "hub" in touched else ():
        line = f"{record_.get('name')} {record_.get('type')} {record_.get('data')}"
        console.print(f"  set this DNS record once: {line}", highlight=False, soft_wrap=True)
    for name in sorted(touched & (outputs.get("sites") or {}).keys()):
        site = outputs["sites"][name]
        if site["vpn"]:
            console.print(f"  {name}: our VPN addresses are {', '.join(site['vpn'])}", highlight=False)
        if site["audience"]:
            console.print(f"  {name}: give the hospital the files in {hand_over(folder, name, site)}", highlight=False)


def show(plan: Plan) -> None:
    """A plan as a page of words."""
    if not plan.steps:
        console.print("Nothing to do: everything is as aegle.yaml says.")
    for told in telling.tell(plan.steps):
        console.print(f"[bold]{told.owner}[/]")
        for line in told.lines:
            console.print(f"  {line}", highlight=False, soft_wrap=True)
        if told.monthly:
            console.print(
                f"  costs roughly {told.monthly:+,.0f} USD a month (list prices of {cost.AS_OF}, without use)"
            )
        for risk in told.risks:
            console.print(f"  [yellow]risky:[/] {risk}", highlight=False, soft_wrap=True)
    _show_findings(plan.findings)
    for line in plan.refused:
        console.print(f"[bold red]refused[/] {line}", highlight=False, soft_wrap=True)


def _show_findings(findings: Any) -> None:
    for name, items in findings.items():
        for item in items:
            console.print(f"[bold red]policy[/] {name}: {item.address} {item.why}", highlight=False, soft_wrap=True)


@app.command("doctor")
def examine(config: ConfigPath = CONFIG) -> None:
    """Look at what `aegle apply` on Google Cloud needs: terraform, credentials, billing, rights, state, APIs, quota.

    Each thing that is missing comes with the remedy. Changes nothing. Exit status 1 when something is missing."""
    wanted = configuration.load(config)
    if wanted.google is None:
        raise BadConfig("aegle.yaml has no block google; see docs/how-to/google-cloud.md")
    checks = tuple(doctor.examine(wanted.google, len(wanted.sites)))
    rows = []
    for check in checks:
        mark = Text("ok", "green") if check.good else Text("missing", "red")
        rows.append((mark, check.name, check.told, "" if check.good else check.remedy))
    console.print(listed(("", "what", "found", "remedy"), rows, whole=("",)))
    if not all(check.good for check in checks):
        raise typer.Exit(1)


@app.command("mirror")
def check_installers(
    folder: Annotated[
        Path, typer.Argument(help="Where you saved the files, each beside FILE.sha256 from its publisher.")
    ],
    config: ConfigPath = CONFIG,
) -> None:
    """Check the files that machines install, and write down what was found beside aegle.yaml.

    `aegle apply` uploads them. Machines have no way to the internet: what is not here, they cannot install."""
    found = mirror.check(folder)
    for item in found:
        console.print(f"  {item.name} {item.version}  {item.sha256}", highlight=False)
    console.print(f"Written to {mirror.write_down(found, config.resolve().parent)}. Next: [bold]aegle apply[/].")


@app.command("policy")
def judge(
    documents: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of `terraform show -json`, of states or plans; `-` reads one from input."),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Only list what is asserted.")] = False,
    config: ConfigPath = CONFIG,
    home_path: HomePath = HOME,
) -> None:
    """Judge an estate on Google Cloud by what `terraform show -json` says of it. Exit status 1 when a rule is broken.

    Without a file: what was applied of aegle.yaml. With files it works for any blueprint, ours or yours.
    Example: `terraform show -json | aegle infra policy -`
    """
    if rules:
        for assertion in policy.ASSERTIONS:
            summary = (assertion.__doc__ or "").strip()
            console.print(f"  [bold]{assertion.__name__}[/]  {summary}", highlight=False, soft_wrap=True)
        return
    if documents:
        findings = {name: items for name, items in policy.examine(*map(_document, documents)).items() if items}
    else:
        findings = rollout(configuration.load(config), config, home_path).judge()
    _show_findings(findings)
    console.print(f"{len(policy.ASSERTIONS) - len(findings)} of {len(policy.ASSERTIONS)} assertions hold.")
    if findings:
        raise typer.Exit(1)


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BadConfig(f"{path} cannot be read as JSON") from None
    if not isinstance(found, dict):
        raise BadConfig(f"{path} is not a document of `terraform show -json`")
    return found
