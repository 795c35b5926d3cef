"""De-identifies a folder with no site running: in parallel, resumable, each file written clean or held with its reason.

Processes do the work and report to the one that moves files into place and writes the ledger. Killing any of them, or all,
loses nothing: the next run goes on. Output names are aliases; nothing of an input's name or folder is carried over.
"""

import hashlib
import json
import os
import shutil
import sqlite3
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
from aegle.deid.places import shown
from aegle.deid.reasons import FirstSeen, Held, HoldReason
from aegle.deid.report import Settled, report
from aegle.deid.treat import LEDGER, WORK, Task, Treated, close_reader, treat
from aegle.deid.values import load_list
from aegle.errors import BadConfig, Overloaded

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

REPORT, REASONS_FILE, CLAIM = "report.json", "reasons.json", ".aegle-deid.lock"
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
    Overloaded while another run writes to it, Unavailable when processes keep dying, StorageFull.
    """
    with closing(_claimed(task.output)):
        return _run_alone(sources, task, quarantine, jobs, told, crew)


def _claimed(output: Path) -> sqlite3.Connection:
    """What keeps every other run from the folder until it is closed. Raises Overloaded while there is one."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        return durable.claim(output / CLAIM, "this folder", wait_seconds=0.5)
    except Overloaded:
        raise Overloaded(f"another run writes to {output}; let it end, or stop it, then run this again") from None


def _run_alone(
    sources: Sequence[Path],
    task: Task,
    quarantine: Path | None,
    jobs: int,
    told: Callable[[Treated], None],
    crew: "ProcessPoolExecutor | None",
) -> Summary:
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
        told_of = report(ledger.all()) | {"dciodvfy": opinion.told()}
        told_of |= {"recipient": task.recipient} if task.recipient else {}
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


def _require_same_run(ledger: Ledger, task: Task) -> None:
    """Aliases of two keys or recipients, or objects of two profiles, must not mix in one folder."""
    keyed = hashlib.sha256(b"aegle deid run|" + task.key).hexdigest()
    facts = {"key": keyed, "profile": task.profile.digest, "recipient": task.recipient}
    for name, known in ledger.require(**facts).items():
        if known != facts[name]:
            raise BadConfig(
                f"this output folder was begun with another {name}; choose another folder, or use the same {name}"
            )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
