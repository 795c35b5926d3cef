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
from aegle.deid import Option, Profile, safe_private
from aegle.deid.agreement import Agreement, Agreements
from aegle.deid.conformance import under_option
from aegle.deid.pixel_book import PixelBook
from aegle.deid.profile import configured, with_pixel_rules
from aegle.deid.rules import Action
from aegle.deid.table import ranges, rows
from aegle.errors import BadMessage
from aegle.local.home import Home
from aegle.site.folder import SiteFolder

app = typer.Typer(help="What de-identification does, row by row, and who agreed to more.", no_args_is_help=True)
console = terminal()

_FILE_META = 2
SiteName = Annotated[str, typer.Option("--site", help="Which site.")]


@app.command()
def show(
    options: Options = None,
    file: ProfileFile = None,
    site: Annotated[str, typer.Option("--site", help="What is in force at a site, with its pixel rules.")] = "",
    home_path: HomePath = HOME,
) -> None:
    """Print the rules in force, row by row of Table E.1-1, with what each chosen option says, what is known of devices'
    pictures, and the digest of all of it.

    Example: `aegle deid profile show --option device`
    """
    if site and (options or file):
        raise BadMessage("name a site, or a profile, not both")
    rules = _of_site(home(home_path), site) if site else chosen(options, file)
    used = [option for option in Option if option in rules.options]
    columns = ("tag", "keyword", "basic", *(option.value for option in used), "done")
    lines = []
    for row in rows():
        said = [row.options.get(option, "") for option in used]
        lines.append(
            (f"{row.tag >> 16:04X},{row.tag & 0xFFFF:04X}", row.keyword, row.basic, *said, _done(rules, row.tag))
        )
    for many in ranges():
        said = [many.options.get(option, "") for option in used]
        lines.append((many.tags, many.name, many.basic, *said, under_option(many.tags) if any(said) else "remove"))
    console.print(listed(columns, lines, whole=("tag",), title=f"{rules.name}, digest {rules.digest[:16]}…"))
    beside = rules.rules.keys() - {row.tag for row in rows()}
    kept = sum(rules.rules[tag].action is Action.KEEP for tag in beside)
    console.print(
        f"Beside the table {kept} attributes of the standard are kept: numbers, and words that are known or decided. "
        "Every attribute without a rule is removed."
    )
    if rules.private:
        private = [(row.tag, row.creator, row.vr, row.action.value) for row in safe_private.rows()]
        console.print(
            listed(("tag", "private creator", "VR", "done"), private, whole=("tag",), title="Private attributes")
        )
    for rule in rules.pixel_rules:
        console.print(f"Pictures of {rule.told}", markup=False)
    console.print(f"Options: {', '.join(used) or 'none'}. Second look: {rules.looking}. Digest {rules.digest}")
    warn(rules)


def _of_site(place: Home, site: str) -> Profile:
    """What a site's program de-identifies by."""
    agreed = configured(place.require_applied().site(site).config.deid)
    book = PixelBook(SiteFolder(root=place.site(site)).pixel_rules)
    return with_pixel_rules(agreed, book.rules())


def _done(rules: Profile, tag: int) -> str:
    if tag >> 16 == _FILE_META:
        return "written anew"
    rule = rules.rules.get(tag)
    return rule.action.value if rule else "remove"


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="YAML with the name and the options of a profile.", dir_okay=False)],
) -> None:
    """Check a profile file: what it turns on, whether it lets more out than the default, its digest. Status 1 when it
    cannot be used.

    Example: `aegle deid profile check device.yaml`
    """
    rules = chosen(None, file)
    console.print(f"{rules.name}: {', '.join(sorted(rules.options)) or 'no option'}. Digest {rules.digest}")
    if rules.weaker_by:
        console.print(f"Lets more out than the default: {', '.join(rules.weaker_by)}. A site needs two people for it.")


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
    """Agree to what another person of the site proposed: `aegle deid profile proposals` says what it lets out. Then put it into
    aegle.yaml and run `aegle apply`.

    Example: `aegle deid profile agree 0f82657338d7dcbd --site st-anna --as omar`
    """
    place = home(home_path)
    require_person(place, site, person, password, Act.SITE_PROFILE_AGREE)
    with refusals_told(place, Act.SITE_PROFILE_AGREE, site=site, subject=digest[:16], principal=f"user:{person}"):
        agreed = _agreements(place, site).agree(digest, person)
    _tell(place, site, person, Act.SITE_PROFILE_AGREE, agreed)
    console.print(f"Agreed: {agreed.name}, which lets out beyond the default: {_let_out(agreed)}.", markup=False)
    console.print(
        f"Now name its file in aegle.yaml (sites: {site}: deid: profile: FILE), then: aegle apply", markup=False
    )


@app.command()
def proposals(site: SiteName, home_path: HomePath = HOME) -> None:
    """List what was proposed for a site, what each lets out, by whom, and who agreed.

    Example: `aegle deid profile proposals --site st-anna`
    """
    heads = ("digest", "name", "lets out beyond the default", "reason", "proposed by", "agreed by")
    rows = [
        (item.digest[:16], item.name, _let_out(item), item.reason, item.proposed_by, item.agreed_by or "nobody yet")
        for item in _agreements(home(home_path), site).all()
    ]  # fmt: skip
    console.print(listed(heads, rows, whole=("digest",)))


def _let_out(item: Agreement) -> str:
    return "; ".join(item.weaker_by) or ", ".join(item.options)


def _agreements(place: Home, site: str) -> Agreements:
    place.require_applied().site(site)
    return Agreements(SiteFolder(root=place.site(site)).agreements)


def _tell(place: Home, site: str, person: str, act: Act, item: Agreement) -> None:
    who = f"user:{person}"
    record(place, act, site=site, subject=item.digest[:16], principal=who, profile=item.digest, reason=item.reason)
