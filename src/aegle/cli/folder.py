"""What `aegle deid run` does, once its words are read: a folder de-identified, and told about."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from aegle.cli.profile import chosen, warn
from aegle.cli.telling import is_watched, tell
from aegle.deid import standard, value_file
from aegle.deid.folder import Summary, run_folder, start_crew
from aegle.deid.places import find, load_key, require_apart, require_folder_of, shown
from aegle.deid.reasons import REASONS, HoldReason
from aegle.deid.second_look import Looking
from aegle.deid.table import Option
from aegle.deid.treat import Task, Treated
from aegle.deid.values import Decision
from aegle.errors import NotFound

SOME_HELD = 3  #: exit status
KEY, VALUES, JOBS = Path("aegle-deid.key"), Path("aegle-deid-values.csv"), os.cpu_count() or 1
_UNREAD_SHOWN = 20


def deidentify_folder(
    *,
    source: Path,
    output: Path,
    key: Path = KEY,
    quarantine: Path | None = None,
    values: Path = VALUES,
    options: list[Option] | None = None,
    profile_file: Path | None = None,
    second_look: Looking | None = None,
    jobs: int = JOBS,
    compare: int = 0,
    recipient: str = "",
) -> int:
    """The exit status of `aegle deid run`: 0, or 3 where something is held or could not be read. Raises AegleError."""
    require_apart(source, output, {"--quarantine": quarantine, "--values": values, "--key": key})
    require_folder_of(values, key)
    files, closed = find(source)
    if not files and not closed:
        raise NotFound(f"no file below {source}")
    rules = chosen(options, profile_file, second_look)
    warn(rules)
    if not key.exists():
        tell(
            f"A new key is made: {key}. Keep it beside the originals: with another, the same patient gets another alias."
        )
    task = Task(
        output=output,
        key=load_key(key, make=True),
        recipient=recipient,
        profile_name=rules.name,
        options=rules.options,
        pixel_rules=rules.pixel_rules,
        compare_one_in=compare,
        looking=rules.looking,
        values=values,
    )
    summary, reasons = _treated(files, task, quarantine, jobs)
    tell(f"{summary.written} written, {summary.held} held, {summary.before} settled before.")
    _tell_reasons(reasons, quarantine)
    unread = closed | dict(summary.unreadable)
    _tell_unread(unread)
    if reasons[HoldReason.FIRST_SEEN_VALUE]:
        _tell_values(values)
    if compare:
        _tell_opinion(summary.opinion)
    return SOME_HELD if summary.held_in_all or unread else 0


def _treated(files: Sequence[Path], task: Task, quarantine: Path | None, jobs: int) -> tuple[Summary, Counter[str]]:
    """Run, and show how far it is; answers with how often each reason held a file."""
    reasons: Counter[str] = Counter()
    jobs = min(jobs, len(files))
    crew = start_crew(jobs)  # before the bar's thread and the ledger: its processes are copies of this one
    with _progress(len(files)) as advance:

        def told(treated: Treated) -> None:
            if treated.settled is not None and treated.settled.reason:
                reasons[treated.settled.reason] += 1
            advance()

        try:
            return run_folder(files, task, quarantine, jobs, told, crew), reasons
        finally:
            if crew is not None:
                crew.shutdown()  # also where no file was begun: left to the end, it ends with a traceback now and then


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar while the block runs, for whoever watches; what is called for each file that is done."""
    if not is_watched():
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("de-identifying", total=total)
        yield lambda: progress.advance(bar)


#: What helps where no site is: it has no quarantine and no pages.
_REMEDIES = {
    HoldReason.BURNED_IN_RISK: "Look at the device's pictures, then say in a profile file what it burns in (`pixels`), or have "
    "the object state Burned In Annotation = NO.",
    HoldReason.TEXT_SUSPECTED: "Look at the picture. Mask the place by a rule of a profile file (`pixels`); or, where it names "
    "nobody, de-identify this file alone into another folder with `--second-look none`.",
    HoldReason.CHANGED_SOURCE: "Two files say that they are one object, and differ: take the wrong one out of the input.",
    HoldReason.IDENTIFIER_LEFT: "The place named in the detail holds an identity that nothing here may change: leave the file "
    "out, or have it exported without.",
    HoldReason.FIRST_SEEN_VALUE: "Approve or deny each value once, then run this again.",
}


def _tell_reasons(reasons: Counter[str], quarantine: Path | None) -> None:
    for reason, count in reasons.most_common():
        told = REASONS[HoldReason(reason)]
        tell(f"  {count:6}  {reason}: {told.text} {_REMEDIES.get(HoldReason(reason), told.remedy)}")
    if reasons and quarantine is None:
        tell("Held files stayed where they are; --quarantine DIR copies them with a table of reasons.")


def _tell_unread(unread: Mapping[Path, str]) -> None:
    """What is missing from the output because the system does not let it be read."""
    if not unread:
        return
    reason = REASONS[HoldReason.UNREADABLE]
    tell(f"  {len(unread):6}  {HoldReason.UNREADABLE}: {reason.text} {reason.remedy}")
    for path, why in islice(sorted(unread.items()), _UNREAD_SHOWN):
        tell(f"          {shown(path)}: {why}", plain=True)
    if len(unread) > _UNREAD_SHOWN:
        tell(f"          and {len(unread) - _UNREAD_SHOWN} more")


def _tell_opinion(opinion: standard.Opinion) -> None:
    """What dciodvfy found, or that it is not there to ask."""
    if not standard.installed():
        tell(f"{standard.PROGRAM} is not installed (Debian: dicom3tools): no output was compared by it.")
        return
    tell(f"{opinion.compared} output(s) compared by {standard.PROGRAM}: {opinion.errors.total()} new error(s).")
    for message, count in opinion.errors.most_common():
        tell(f"  {count:6}  {message}", plain=True)


def _tell_values(path: Path) -> None:
    """What to type next."""
    waiting = sum(line.decision is Decision.PENDING for line in value_file.read(path))
    if waiting:
        tell(f"{waiting} value(s) wait for a decision in {path}. See them, decide, run the same command again:")
        tell(f"  aegle deid values list --values {path}", plain=True)
        tell(f"  aegle deid values approve NAME ... --values {path}     (or deny; or write it into the file)")
    else:
        tell(f"Everything in {path} is decided: run the same command again.")
