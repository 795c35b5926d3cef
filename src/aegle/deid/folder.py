"""De-identifies a folder with no site running: in parallel, resumable, each file written clean or held with its reason.

Processes do the work and report to the one that moves files into place and writes the ledger. Killing any of them, or all,
loses nothing: the next run goes on. Output names are aliases; nothing of an input's name or folder is carried over.
"""

import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aegle import durable
from aegle.deid import standard, value_file
from aegle.deid.ledger import Ledger
from aegle.deid.reasons import FirstSeen, Held, HoldReason
from aegle.deid.report import Settled, report
from aegle.deid.treat import LEDGER, WORK, Task, Treated, close_reader, treat
from aegle.deid.values import load_list
from aegle.errors import BadConfig, Conflict, NotFound

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

REPORT, REASONS_FILE = "report.json", "reasons.json"
_BATCH, _BATCH_SECONDS = 16, 0.2  #: files that are settled together at least, if they come within so long
_SYNCS = 8  #: of files at a time


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did."""

    written: int
    held: int
    before: int  #: settled by an earlier run, or the same as another file of this one
    held_in_all: int  #: held by this run and those before
    first_seen: int  #: values that this run was the first to meet, now pending in the file of decisions
    opinion: standard.Opinion  #: dciodvfy's, of what this run wrote
    unreadable: Mapping[Path, str]  #: what the system did not let us read, and why; the next run tries it again


def run_folder(
    sources: Sequence[Path],
    task: Task,
    quarantine: Path | None,
    jobs: int,
    told: Callable[[Treated], None] = lambda _: None,
    crew: "ProcessPoolExecutor | None" = None,
) -> Summary:
    """Treat files, `jobs` at a time, by the processes of `crew` where it was started. Held ones are copied to
    `quarantine` with a table of reasons, where one is named.

    A file held for its words alone is treated again by the next run, which finds them decided.
    Raises BadConfig when the output folder belongs to a run with another key or profile, or the decisions cannot be read,
    Unavailable when processes keep dying.
    """
    if task.values and task.snapshot:
        durable.write(task.snapshot, value_file.encoded(value_file.read(task.values)))
    work = durable.private_folder(task.output / WORK)
    shutil.rmtree(work)
    durable.private_folder(work)
    ledger = Ledger(task.output / LEDGER)
    try:
        _require_same_run(ledger, task)
        task = replace(task, resumed=ledger.holds_any())
        found, opinion, unreadable = [0, 0, 0], standard.Opinion(), dict[Path, str]()
        with (
            ThreadPoolExecutor(1) as beside,
            ThreadPoolExecutor(_SYNCS) as disk,
            closing(_treated(sources, task, jobs, crew)) as work_done,
        ):
            desk = _Desk(task=task, ledger=ledger, quarantine=quarantine, disk=disk)
            for treated, outcome in _settled_beside(work_done, desk, beside):
                opinion.add(treated.new_errors)
                if treated.unreadable:
                    unreadable[treated.source] = treated.unreadable
                else:
                    found[0 if outcome is None else 1 if outcome.reason else 2] += 1
                told(Treated(source=treated.source, settled=outcome))
        told_of = report(ledger.all(), task.profile, task.values_in_force) | {"dciodvfy": opinion.told()}
        durable.write(task.output / REPORT, json.dumps(told_of, indent=1).encode(), mode=0o644)
        in_all = sum(bool(item.reason) for item in ledger.all())
        before, held, written = found
        return Summary(
            before=before,
            held=held,
            written=written,
            held_in_all=in_all,
            first_seen=desk.new,
            opinion=opinion,
            unreadable=unreadable,
        )
    finally:
        if crew is not None:
            crew.shutdown(cancel_futures=True)  # before the work folder goes: files in work still lie in it
        ledger.close()
        close_reader(task)
        shutil.rmtree(work, ignore_errors=True)
        if task.snapshot:
            task.snapshot.unlink(missing_ok=True)


def start_crew(jobs: int) -> "ProcessPoolExecutor | None":
    """Processes that work from their first moment, as `crew.start_crew` says; None where one is enough."""
    if jobs == 1:
        return None
    from aegle.deid import crew  # what makes processes is not loaded for a single one

    load_list()
    return crew.start_crew(jobs)


def _treated(
    sources: Sequence[Path], task: Task, jobs: int, started: "ProcessPoolExecutor | None"
) -> Generator[Treated, None, None]:
    """In this process when one is enough; else in others."""
    if jobs == 1:
        return (treat(path, task) for path in sources)
    from aegle.deid import crew

    return crew.treat_all(sources, task, jobs, started)


def _settled_beside(
    found: Iterator[Treated], desk: "_Desk", beside: Executor
) -> Iterator[tuple[Treated, Settled | None]]:
    """Each file after it is settled: what has gathered is settled together while the next are treated."""
    batch: list[Treated] = []
    settling: Future[list[tuple[Treated, Settled | None]]] | None = None
    began = time.monotonic()
    for treated in found:
        batch.append(treated)
        due = len(batch) >= _BATCH or time.monotonic() - began > _BATCH_SECONDS
        if due and (settling is None or settling.done()):
            yield from settling.result() if settling else ()
            settling, batch, began = beside.submit(desk.settle, batch), [], time.monotonic()
    yield from settling.result() if settling else ()
    yield from desk.settle(batch)


@dataclass(kw_only=True)
class _Desk:
    """Where treated files are settled, by one thread at a time."""

    task: Task
    ledger: Ledger
    quarantine: Path | None
    disk: Executor  #: waits for it; the system can join them into one
    first_seen: set[FirstSeen] = field(default_factory=set)
    new: int = 0  #: values that were added to the file of decisions

    def settle(self, batch: Sequence[Treated]) -> list[tuple[Treated, Settled | None]]:
        """Everything of the batch moved into place and written down, durable on return."""
        self._remember(frozenset().union(*(treated.first_seen for treated in batch)))
        list(self.disk.map(durable.sync_file, [treated.written for treated in batch if treated.written is not None]))
        batch = self._without_copies(batch)
        outcomes = [(treated, _settle(treated, self.task)) for treated in batch]
        if self.quarantine is not None:
            _keep_held(outcomes, durable.private_folder(self.quarantine))
        settled = [outcome for _, outcome in outcomes if outcome is not None]
        places = [(self.task.output / item.name).parents for item in settled if item.name]
        list(self.disk.map(durable.sync_folder, {folder for parents in places for folder in parents[:3]}))
        self.ledger.settle(settled)
        return outcomes

    def _without_copies(self, batch: Sequence[Treated]) -> list[Treated]:
        """The batch; a file that is the same as one settled since it was looked up, or in this batch, is settled before."""
        met: set[str] = set()
        kept: list[Treated] = []
        for treated in batch:
            digest = treated.settled.source_digest if treated.settled else ""
            is_copy = bool(digest) and (digest in met or self.ledger.is_settled(digest))
            met.add(digest)
            kept.append(Treated(source=treated.source, settled=None) if is_copy else treated)
        return kept

    def _remember(self, seen: frozenset[FirstSeen]) -> None:
        if self.task.values and seen - self.first_seen:
            self.new += value_file.add(self.task.values, seen - self.first_seen)
        self.first_seen |= seen


def _settle(treated: Treated, task: Task) -> Settled | None:
    settled = treated.settled
    if settled is None:
        return None
    if treated.written is not None:
        target = task.output / settled.name
        if target.exists() and _digest(target) != _digest(treated.written):
            changed = Held(
                reason=HoldReason.CHANGED_SOURCE, detail="other bytes under a SOP Instance UID written before"
            )
            settled = replace(settled, name="", reason=changed.reason, detail=changed.detail, counts={})
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            treated.written.replace(target)
    return settled


def _keep_held(outcomes: Sequence[tuple[Treated, Settled | None]], folder: Path) -> None:
    """Copy what is held, as it came, and name it in the table: the folder is as identified as the input.

    What was held for its words and is written now leaves the table and the folder; its source stays where it is."""
    table, gone = folder / REASONS_FILE, []
    known = json.loads(table.read_text(encoding="utf-8")) if table.exists() else {}
    before = dict(known)
    for treated, settled in outcomes:
        name = f"{settled.source_digest[:32]}.dcm" if settled else ""
        no_copy = f"{hashlib.sha256(os.fsencode(treated.source)).hexdigest()[:32]} (no copy)"
        known.pop(no_copy, None)
        if treated.unreadable:
            told = {"reason": HoldReason.UNREADABLE, "detail": treated.unreadable}
            known[no_copy] = {"source": shown(treated.source)} | told
        elif settled and settled.reason:
            shutil.copyfile(treated.source, folder / name)
            known[name] = {"source": shown(treated.source), "reason": settled.reason, "detail": settled.detail}
        elif known.pop(name, None) is not None:
            gone.append(folder / name)
    if known != before:
        durable.write(table, json.dumps(known, indent=1).encode())
    for path in gone:
        path.unlink(missing_ok=True)


def shown(path: Path) -> str:
    """A path as JSON may hold it: a name that is no text with its bytes escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def find(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """The files of a folder to any depth, in a stable order, and the folders that could not be entered, with the reason.

    Links to files count as files, links to folders are not followed. Pipes, sockets and devices are passed by."""
    files: list[Path] = []
    closed: dict[Path, str] = {}

    def note(error: OSError) -> None:
        closed[Path(error.filename)] = os.strerror(error.errno or 0)

    for at, _, names in os.walk(folder, onerror=note):
        files += [path for path in (Path(at, name) for name in names) if not _is_no_file(path)]
    return sorted(files), closed


def _is_no_file(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device, which nobody means to have read."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # to be told as unreadable


def _require_same_run(ledger: Ledger, task: Task) -> None:
    """Aliases of two keys, or objects of two profiles, must not mix in one folder."""
    keyed = hashlib.sha256(b"aegle deid run|" + task.key).hexdigest()
    facts = {"key": keyed, "profile": task.profile.digest}
    for name, known in ledger.require(**facts).items():
        if known != facts[name]:
            raise BadConfig(
                f"this output folder was begun with another {name}; choose another folder, or use the same {name}"
            )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_key(path: Path, *, make: bool) -> bytes:
    """The pseudonyms' secret from a file of 64 hexadecimal digits; made at random where there is none and `make` allows.

    Raises BadConfig for anything else in the file."""
    if not path.exists():
        if not make:
            raise BadConfig(f"{path} is not there; `aegle deid run` makes a key the first time")
        durable.write(path, secrets.token_hex(32).encode() + b"\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="utf-8-sig").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise BadConfig(f"{path} does not hold a key: 64 hexadecimal digits, as plain text; name the file that does")
    return key


def require_apart(source: Path, output: Path, private: Mapping[str, Path | None]) -> None:
    """Refuse what mixes: anything below the input, which a second run would read, and below the output, which is meant to
    leave, the input or what is as identified as it (`private`, by the option that names it). Raises Conflict."""
    if _lies_in(output, source):
        raise Conflict(f"{output} lies in the input folder; choose an output folder beside it")
    if _lies_in(source, output):
        raise Conflict(
            f"{source} lies in the output folder, and must not leave with it; choose an output folder beside it"
        )
    for option, place in private.items():
        if place is not None and _lies_in(place, source):
            raise Conflict(f"{place} lies in the input folder; name a place outside of it with {option}")
        if place is not None and _lies_in(place, output):
            raise Conflict(
                f"{place} lies in the output folder, and must not leave with it; name a place outside of it with {option}"
            )


def _lies_in(place: Path, folder: Path) -> bool:
    return folder.resolve() in (place.resolve(), *place.resolve().parents)


def require_folder_of(*files: Path) -> None:
    """Raises NotFound where a file is to be made in a folder that is not there: a slip in its name would make another key."""
    for file in files:
        if not file.parent.is_dir():
            raise NotFound(f"the folder of {file} is not there; make it, or name another place")
