"""`aegle deid values list|approve|deny`: the words that were seen for the first time, decided once per site.

At a site that has accounts a decision is a person's, as on its page; a file's decisions are its owner's.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.persons import has_accounts, require_person
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.deid import Decision, value_file
from aegle.deid.value_book import ValueBook
from aegle.deid.value_file import Line
from aegle.errors import BadMessage, NotFound
from aegle.local.home import Home
from aegle.site.folder import SiteFolder

app = typer.Typer(
    help="Decide about words in kept attributes that nobody has seen before. The list may hold patients' data.",
    no_args_is_help=True,
)
console = terminal()

Site = Annotated[str, typer.Option("--site", help="A site's list.")]
File = Annotated[Path | None, typer.Option("--values", help="The CSV of a run over a folder.")]
Names = Annotated[list[str] | None, typer.Argument(help="Which values, by the names that `list` shows.")]
Keyword = Annotated[str, typer.Option(help="Every value that waits in this attribute.")]
Every = Annotated[bool, typer.Option("--all", help="Every value that waits.")]
Who = Annotated[str, typer.Option("--as", help="Your account at the site; asked for where it is not given.")]
Password = Annotated[str, typer.Option(help="Your password at the site; asked for where it is not given.")]


@dataclass(frozen=True, kw_only=True)
class _Word:
    name: str
    keyword: str
    value: str
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class _Words:
    """A site's list or a file's, while a command has it open."""

    words: Sequence[_Word]
    decide: Callable[[_Word, Decision], None]


@app.command("list")
def show(
    site: Site = "",
    values: File = None,
    everything: Annotated[bool, typer.Option("--decided", help="Also what is decided.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """List the values that wait. They may be patients' data: look at them where you may look at the images.

    Example: `aegle deid values list --site st-anna`
    """
    with _opened(_List(site, values, home_path), Act.SITE_VALUES_VIEW) as found:
        words = [word for word in found.words if everything or word.decision is Decision.PENDING]
    rows = [(word.name, word.keyword, word.value, word.decision.value) for word in words]
    table = listed(("name", "attribute", "value", "decision"), rows, whole=("name",))
    console.print(table if words else "Nothing waits for a decision.")
    if any(word.decision is Decision.PENDING for word in words):
        where = f"--site {site}" if site else f"--values {values}"
        console.print(
            f"Decide: aegle deid values approve NAME ... {where}   (or deny; or --keyword ATTRIBUTE, or --all)"
        )


@app.command()
def approve(
    names: Names = None,
    keyword: Keyword = "",
    every: Every = False,
    site: Site = "",
    values: File = None,
    person: Who = "",
    password: Password = "",
    home_path: HomePath = HOME,
) -> None:
    """Let values stay: they say nothing about a person. What waited for them goes on.

    Example: `aegle deid values approve 3f0c9a1e --site st-anna --as anna`
    """
    _decide(Decision.APPROVE, _chosen(names, keyword, every=every), _List(site, values, home_path, person, password))


@app.command()
def deny(
    names: Names = None,
    keyword: Keyword = "",
    every: Every = False,
    site: Site = "",
    values: File = None,
    person: Who = "",
    password: Password = "",
    home_path: HomePath = HOME,
) -> None:
    """Have values emptied wherever they stand. What waited for them goes on without them.

    Example: `aegle deid values deny --keyword SoftwareVersions --site st-anna --as anna`
    """
    _decide(Decision.DENY, _chosen(names, keyword, every=every), _List(site, values, home_path, person, password))


def _chosen(names: list[str] | None, keyword: str, *, every: bool) -> Callable[[_Word], bool]:
    if sum((bool(names), bool(keyword), every)) != 1:
        raise BadMessage("say which values: their names, --keyword ATTRIBUTE, or --all")
    if names:
        return lambda word: word.name in names
    return lambda word: word.decision is Decision.PENDING and (every or word.keyword == keyword)


@dataclass(frozen=True)
class _List:
    """Which list a command is about, and who decides."""

    site: str
    values: Path | None
    home_path: Path
    person: str = ""
    password: str = ""


def _decide(decision: Decision, chosen: Callable[[_Word], bool], which: _List) -> None:
    with _opened(which, Act.SITE_VALUE_DECIDE) as found:
        words = [word for word in found.words if chosen(word)]
        if not words:
            raise NotFound("no such value waits here; `aegle deid values list` shows what does")
        for word in words:
            found.decide(word, decision)
    said = "approved" if decision is Decision.APPROVE else "denied"
    then = (
        f"{which.site} tries again what waited for them." if which.site else "Run `aegle deid run` again; it goes on."
    )
    console.print(f"{len(words)} value(s) {said}. {then}")
    left = [word for word in words if word.decision is Decision.APPROVE] if decision is Decision.DENY else []
    if left:
        console.print(f"{len(left)} of them had been approved, and what went out meanwhile still holds them.")
        console.print(_called_back(which, {word.name for word in left}), highlight=False)


def _called_back(which: _List, names: set[str]) -> str:
    """What to do about an approval that is taken back."""
    if not which.site:
        return "Remove the output folder and run again with the same key: all else comes out as before."
    from aegle.cli.quarantined import quarantine_of  # here, for a file needs none of it

    place = home(which.home_path)
    entries = quarantine_of(place, which.site).entries()
    studies = sorted(
        {entry.study_alias for entry in entries if entry.study_alias and not names.isdisjoint(entry.waits_for)}
    )
    known = "".join(f"\n  {study}" for study in studies) or " none is known any more."
    url = f"http://127.0.0.1:{place.require_applied().site(which.site).archive_port}/studies"
    return (
        f"Studies that had waited for them:{known}\nWhat came after the approval may hold them, too; the page Studies says "
        "when each came in. Delete each, then send it again from the PACS:\n"
        f"  token=$(aegle archive grant --delete --hours 1 --site {which.site} --as NAME)\n"
        f'  curl -X DELETE -H "Authorization: Bearer $token" {url}/STUDY'
    )


@contextmanager
def _opened(which: _List, act: Act) -> Iterator[_Words]:
    if bool(which.site) == bool(which.values):
        raise BadMessage("say which list: --site NAME, or --values FILE")
    with _of_site(which, act) if which.values is None else _of_file(which.values) as found:
        yield found


@contextmanager
def _of_site(which: _List, act: Act) -> Iterator[_Words]:
    place, site = home(which.home_path), which.site
    place.require_applied().site(site)
    person = _person(place, which) if act is Act.SITE_VALUE_DECIDE else ""
    with closing(ValueBook(SiteFolder(root=place.site(site)).values)) as book:
        words = [
            _Word(name=word.digest, keyword=word.keyword, value=word.value, decision=word.decision)
            for word in book.words()
        ]
        if act is Act.SITE_VALUES_VIEW:
            record(place, act, site=site, count=len(words))

        def decide(word: _Word, decision: Decision) -> None:
            facts = {"keyword": word.keyword, "state": decision.value}
            principal = f"user:{person or 'operator'}"
            record(place, act, site=site, subject=word.name, principal=principal, **facts)  # type: ignore[arg-type]
            book.decide(word.name, decision, by=person or "operator")

        yield _Words(words=words, decide=decide)


def _person(place: Home, which: _List) -> str:
    """Who decides; empty at a site that has no account yet."""
    if not which.person and not has_accounts(place, which.site):
        return ""
    person = which.person or typer.prompt("Your account at the site")
    password = which.password or typer.prompt("Your password at the site", hide_input=True)
    require_person(place, which.site, person, password, Act.SITE_VALUE_DECIDE)
    return person


@contextmanager
def _of_file(path: Path) -> Iterator[_Words]:
    lines = {_name(line): line for line in value_file.read(path)}

    def decide(word: _Word, decision: Decision) -> None:
        lines[word.name] = replace(lines[word.name], decision=decision)

    words = [
        _Word(name=name, keyword=line.keyword, value=line.value, decision=line.decision) for name, line in lines.items()
    ]
    yield _Words(words=words, decide=decide)
    if any(lines[word.name].decision is not word.decision for word in words):
        value_file.write(path, lines.values())


def _name(line: Line) -> str:
    return hashlib.sha256("\0".join(line.key).encode("utf-8", "surrogateescape")).hexdigest()[:8]
