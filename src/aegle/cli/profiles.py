"""`aegle deid profile show|check|propose|agree|proposals`: what de-identification does, and who agreed to a weaker form."""

from pathlib import Path
from typing import Annotated

import typer

from aegle.access import Act
from aegle.cli.acts import record, refusals_told
from aegle.cli.chosen import Options, ProfileFile
from aegle.cli.persons import As, Password, require_person
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.profile import chosen, warn
from aegle.cli.terminal import listed, terminal
from aegle.deid import Option, Profile
from aegle.deid.agreement import Agreement, Agreements
from aegle.deid.table import REFUSED, rows
from aegle.local.home import Home
from aegle.site.folder import SiteFolder

app = typer.Typer(help="What de-identification does, row by row, and who agreed to more.", no_args_is_help=True)
console = terminal()

SiteName = Annotated[str, typer.Option("--site", help="Which site.")]


@app.command()
def show(options: Options = None, file: ProfileFile = None) -> None:
    """Print the rules in force, row by row of Table E.1-1, with what each chosen option says, and their digest."""
    rules = chosen(options, file)
    used = [option for option in Option if option in rules.options]
    columns = ("tag", "keyword", "basic", *(option.value for option in used), "done")
    lines = []
    for row in rows():
        said = [row.options.get(option, "") for option in used]
        lines.append(
            (f"{row.tag >> 16:04X},{row.tag & 0xFFFF:04X}", row.keyword, row.basic, *said, _done(rules, row.tag))
        )
    console.print(listed(columns, lines, whole=("tag",), title=f"{rules.name}, digest {rules.digest[:16]}…"))
    console.print(f"Options: {', '.join(used) or 'none'}. Every tag without a rule is removed. Digest {rules.digest}")
    warn(rules)


def _done(rules: Profile, tag: int) -> str:
    rule = rules.rules.get(tag)
    return rule.action.value if rule else "remove"


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="YAML with the name and the options of a profile.", dir_okay=False)],
) -> None:
    """Check a profile file: what it turns on, whether it lets more out than the default, its digest. Status 1 when it
    cannot be used."""
    rules = chosen(None, file)
    console.print(f"{rules.name}: {', '.join(sorted(rules.options)) or 'no option'}. Digest {rules.digest}")
    if rules.weaker_by:
        console.print(f"Lets more out than the default: {', '.join(rules.weaker_by)}. A site needs two people for it.")
    for option, why in REFUSED.items():
        console.print(f"[dim]Nobody can turn on {option}: {why}.[/]")


@app.command()
def propose(
    site: SiteName,
    person: As,
    reason: Annotated[str, typer.Option(help="Why the site needs it; no patient's data.")],
    password: Password,
    options: Options = None,
    file: ProfileFile = None,
    home_path: HomePath = HOME,
) -> None:
    """Propose a profile that lets more out than the default; another administrator of the site must agree.

    Example: `aegle deid profile propose --site st-anna --profile device.yaml --as anna --reason "scanner study"`
    """
    rules, place = chosen(options, file), home(home_path)
    require_person(place, site, person, password, Act.SITE_PROFILE_PROPOSE)
    with refusals_told(
        place, Act.SITE_PROFILE_PROPOSE, site=site, subject=rules.digest[:16], principal=f"user:{person}"
    ):
        made = _agreements(place, site).propose(rules, person, reason)
    _tell(place, site, person, Act.SITE_PROFILE_PROPOSE, made)
    console.print(f"Proposed: {', '.join(rules.weaker_by)}. Another administrator of {site} now runs:")
    console.print(f"  aegle deid profile agree {rules.digest[:16]} --site {site} --as NAME", highlight=False)


@app.command()
def agree(
    digest: Annotated[str, typer.Argument(help="Of the proposal, or its first digits.")],
    site: SiteName,
    person: As,
    password: Password,
    home_path: HomePath = HOME,
) -> None:
    """Agree to what another person of the site proposed. Then put it into aegle.yaml and run `aegle apply`."""
    place = home(home_path)
    require_person(place, site, person, password, Act.SITE_PROFILE_AGREE)
    with refusals_told(place, Act.SITE_PROFILE_AGREE, site=site, subject=digest[:16], principal=f"user:{person}"):
        agreed = _agreements(place, site).agree(digest, person)
    _tell(place, site, person, Act.SITE_PROFILE_AGREE, agreed)
    console.print(f"Agreed: {agreed.name}, {', '.join(agreed.options)}. Put it into aegle.yaml, then: aegle apply")
    console.print(f"  sites: {{{site}: {{deid: {{name: {agreed.name}, options: [{', '.join(agreed.options)}]}}}}}}")


@app.command()
def proposals(site: SiteName, home_path: HomePath = HOME) -> None:
    """List what was proposed for a site, by whom, and who agreed."""
    heads = ("digest", "name", "options", "reason", "proposed by", "agreed by")
    rows = [
        (item.digest[:16], item.name, ", ".join(item.options), item.reason, item.proposed_by,
         item.agreed_by or "nobody yet")
        for item in _agreements(home(home_path), site).all()
    ]  # fmt: skip
    console.print(listed(heads, rows, whole=("digest",)))


def _agreements(place: Home, site: str) -> Agreements:
    place.require_applied().site(site)
    return Agreements(SiteFolder(root=place.site(site)).agreements)


def _tell(place: Home, site: str, person: str, act: Act, item: Agreement) -> None:
    who = f"user:{person}"
    record(place, act, site=site, subject=item.digest[:16], principal=who, profile=item.digest, reason=item.reason)
