"""`aegle audit verify|show`: the audit chains of hub, workers, sites and commands."""

from typing import Annotated

import typer

from aegle import wiring
from aegle.access import Act, Wanted
from aegle.cli.acts import record
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.local.audit import Fault
from aegle.local.trails import Proof, newest, prove, trails
from aegle.records import AuditOutcome

app = typer.Typer(help="Prove and read the audit trails.", no_args_is_help=True)
console = terminal()


@app.command("verify")
def verify_all(home_path: HomePath = HOME) -> None:
    """Prove that no line of any trail was changed, removed or cut, whether Aegle runs or not.

    Each chain is walked line by line, then compared with the heads that the other party holds: the hub those of the sites,
    the sites those of the hub. Ends with status 1 and names the chain and the line of each fault.
    """
    place = home(home_path)
    heads = wiring.lodged_heads(place)
    found = [prove(trail, heads) for trail in trails(place, heads)]
    faults = [item for item in found if isinstance(item, Fault)]
    proofs = [item for item in found if isinstance(item, Proof)]
    _show_proofs(proofs)
    outcome = AuditOutcome.FAILED if faults else AuditOutcome.OK
    record(place, Act.CLI_AUDIT_VERIFY, outcome, count=len(found), chain=faults[0].chain if faults else "")
    for fault in faults:
        console.print(
            f"[bold red]FAULT[/]  {fault.chain}, line {fault.line}: {fault.what}", highlight=False, soft_wrap=True
        )
    if faults:
        raise typer.Exit(1)
    lines, newer = sum(proof.lines for proof in proofs), sum(proof.newer for proof in proofs)
    console.print(f"{len(proofs)} chains, {lines} lines proved; {newer} of them newer than what the other party holds.")


@app.command("show")
def show(
    site: Annotated[str, typer.Option(help="A site's name, or `hub`; default: all.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="How many acts.")] = 40,
    act: Annotated[str, typer.Option(help="Only acts whose name holds this: `quarantine`, `identity:reveal`.")] = "",
    who: Annotated[str, typer.Option(help="Only what this account did, or one whose name holds this.")] = "",
    subject: Annotated[
        str, typer.Option("--of", help="Only what was done to this: a held object, a study, an alias.")
    ] = "",
    home_path: HomePath = HOME,
) -> None:
    """Show the latest acts, latest first, with their facts: the reason of a reveal, what was decided.

    Example: `aegle audit show --site st-anna --act quarantine --who anna`
    """
    place = home(home_path)
    if site not in ("", "hub") or not place.hub.exists():  # beside a `target: gcp` there is the commands' trail alone
        place.require_applied().site(site)
    record(place, Act.CLI_AUDIT_SHOW, site=site if site != "hub" else "", count=count)
    rows = [
        (f"{event.happened_at.astimezone():%Y-%m-%d %H:%M:%S}", chain, event.act, event.outcome.value, event.principal,
         event.subject[-24:], ", ".join(f"{key} {value}" for key, value in event.facts.items()))
        for chain, event in newest(trails(place, (), site), count, Wanted(act=act, who=who, subject=subject))
    ]  # fmt: skip
    console.print(listed(("when", "chain", "act", "outcome", "who", "of what", "facts"), rows, whole=("act",)))


def _show_proofs(proofs: list[Proof]) -> None:
    rows = [
        (
            proof.chain,
            str(proof.lines),
            f"line {proof.witnessed}" if proof.witnessed else "nothing yet",
            str(proof.newer),
        )
        for proof in proofs
    ]
    console.print(listed(("chain", "lines proved", "other party holds", "newer"), rows, whole=("chain",)))
