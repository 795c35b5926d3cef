"""`aegle deid run|preview|profile`: de-identification on its own, with no site running."""

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from aegle.cli.chosen import Options, ProfileFile, chosen, warn
from aegle.cli.terminal import listed, terminal
from aegle.deid import (
    REASONS,
    Decision,
    HoldReason,
    Pseudonyms,
    standard,
    value_file,
)
from aegle.deid.folder import Summary, find, load_key, require_apart, run_folder, shown
from aegle.deid.preview import preview as run_dry
from aegle.deid.second_look import Looking, require_detector
from aegle.deid.treat import Task, Treated, start_crew
from aegle.errors import NotFound

app = typer.Typer(help="De-identify DICOM by PS3.15 Annex E.", no_args_is_help=True)
console = terminal()

_SOME_HELD = 3
_UNREAD_SHOWN = 20


Values = Annotated[
    Path,
    typer.Option(
        help="CSV of decisions about words: keyword,value,decision (approve, deny or pending). What nobody has seen "
        "is added as pending, and its file held. Keep it beside the key."
    ),
]
SecondLook = Annotated[
    Looking,
    typer.Option(
        help="Have a text detector look at pictures before they are written, and hold what it doubts: captures, "
        "photographs, ultrasound and what was painted over (risky), or all. About a second a picture; needs "
        "`pip install 'aegle[text]'`."
    ),
]
Compare = Annotated[
    int,
    typer.Option(min=0, help="Compare one file in so many with its source by dciodvfy, and tell new errors. 0: none."),
]


@app.command()
def run(
    source: Annotated[Path, typer.Argument(help="Folder to read, to any depth.", exists=True, file_okay=False)],
    output: Annotated[
        Path, typer.Argument(help="Folder to write: STUDY/SERIES/INSTANCE.dcm by alias, and report.json.")
    ],
    key: Annotated[Path, typer.Option(help="The secret that makes the aliases; made the first time. Keep it.")] = Path(
        "aegle-deid.key"
    ),
    quarantine: Annotated[Path | None, typer.Option(help="Where held files are copied, with reasons.json.")] = None,
    values: Values = Path("aegle-deid-values.csv"),
    options: Options = None,
    profile_file: ProfileFile = None,
    second_look: SecondLook = Looking.NONE,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    compare: Compare = 0,
) -> None:
    """De-identify a folder. Stop it at any time; the same command goes on, also after words were decided.

    Exit status: 0 when every file was written, 3 when some are held (also by an earlier run) or could not be read, 1 for an
    error.
    Without a vault nothing here can be given back its patient: use a site for that.

    Example: `aegle deid run exports/ clean/ --quarantine held/`
    """
    require_apart(source, output, quarantine, values)
    files, closed = find(source)
    if not files and not closed:
        raise NotFound(f"no file below {source}")
    require_detector(second_look)
    rules = chosen(options, profile_file)
    warn(rules)
    secret = load_key(key, make=True)
    task = Task(
        output=output,
        key=secret,
        profile_name=rules.name,
        options=rules.options,
        pixel_rules=rules.pixel_rules,
        compare_one_in=compare,
        looking=second_look,
        values=values,
    )
    summary, reasons = _treated(files, task, quarantine, jobs)
    console.print(f"{summary.written} written, {summary.held} held, {summary.before} settled before.")
    _tell_reasons(reasons, quarantine)
    unread = closed | dict(summary.unreadable)
    _tell_unread(unread)
    if reasons[HoldReason.FIRST_SEEN_VALUE]:
        _tell_values(values)
    if compare:
        _tell_opinion(summary.opinion)
    if summary.held_in_all or unread:
        raise typer.Exit(_SOME_HELD)


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(help="One DICOM file.", exists=True, dir_okay=False)],
    key: Annotated[Path | None, typer.Option(help="Show the aliases of this key; default: of a random one.")] = None,
    options: Options = None,
    profile_file: ProfileFile = None,
    values: Annotated[Path | None, typer.Option(help="CSV of decisions about words, as in `run`.")] = None,
) -> None:
    """Show what would become of a file, attribute by attribute, from the same engine run dry.

    The output holds the file's identifiers: look at it where you may look at the file.
    """
    pseudonyms = Pseudonyms.from_secret(load_key(key, make=False) if key else os.urandom(32))
    decided = value_file.values_of(value_file.read(values) if values else [])
    with tempfile.TemporaryDirectory() as folder:
        found = run_dry(file, chosen(options, profile_file), pseudonyms, decided, Path(folder))
    rows = []
    for change in found.changes:
        style = "" if change.before != change.after else "dim"
        rows.append([Text(word, style) for word in (change.tag, change.name, change.before, change.after)])
    if found.changes:
        console.print(listed(("tag", "name", "before", "after"), rows, whole=("tag",)))
    if found.held is not None:
        reason = REASONS[found.held.reason]
        console.print(f"[bold red]{found.held.reason}[/]  {reason.text} {escape(found.held.detail)}")
        console.print(reason.remedy, markup=False)
        raise typer.Exit(_SOME_HELD)


def _treated(files: Sequence[Path], task: Task, quarantine: Path | None, jobs: int) -> tuple[Summary, Counter[str]]:
    """Run, and show how far it is; answers with how often each reason held a file."""
    reasons: Counter[str] = Counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    jobs = min(jobs, len(files))
    crew = start_crew(jobs)  # before the bar's thread and the ledger: its processes are copies of this one
    with Progress(*columns, console=console) as progress:
        shown = progress.add_task("de-identifying", total=len(files))

        def told(treated: Treated) -> None:
            if treated.settled is not None and treated.settled.reason:
                reasons[treated.settled.reason] += 1
            progress.advance(shown)

        return run_folder(files, task, quarantine, jobs, told, crew), reasons


def _tell_reasons(reasons: Counter[str], quarantine: Path | None) -> None:
    for reason, count in reasons.most_common():
        console.print(f"  {count:6}  {reason}: {REASONS[HoldReason(reason)].text}")
    if reasons and quarantine is None:
        console.print("Held files stayed where they are; --quarantine DIR copies them with a table of reasons.")


def _tell_unread(unread: Mapping[Path, str]) -> None:
    """What is missing from the output because the system does not let it be read."""
    if not unread:
        return
    reason = REASONS[HoldReason.UNREADABLE]
    console.print(f"  {len(unread):6}  {HoldReason.UNREADABLE}: {reason.text} {reason.remedy}")
    for path, why in islice(sorted(unread.items()), _UNREAD_SHOWN):
        console.print(f"          {shown(path)}: {why}", markup=False, highlight=False, soft_wrap=True)
    if len(unread) > _UNREAD_SHOWN:
        console.print(f"          and {len(unread) - _UNREAD_SHOWN} more")


def _tell_opinion(opinion: standard.Opinion) -> None:
    """What dciodvfy found, or that it is not there to ask."""
    if not standard.installed():
        console.print(f"{standard.PROGRAM} is not installed (Debian: dicom3tools): no output was compared by it.")
        return
    console.print(
        f"{opinion.compared} output(s) compared by {standard.PROGRAM}: {opinion.errors.total()} new error(s)."
    )
    for message, count in opinion.errors.most_common():
        console.print(f"  {count:6}  {message}", markup=False, highlight=False)


def _tell_values(path: Path) -> None:
    """What to type next."""
    waiting = sum(line.decision is Decision.PENDING for line in value_file.read(path))
    if waiting:
        console.print(
            f"{waiting} value(s) wait for a decision in {path}. See them, decide, run the same command again:"
        )
        console.print(f"  aegle deid values list --values {path}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"  aegle deid values approve NAME ... --values {path}     (or deny; or write it into the file)")
    else:
        console.print(f"Everything in {path} is decided: run the same command again.")
