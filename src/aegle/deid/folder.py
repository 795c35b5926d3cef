"""De-identifies a folder with no site running: in parallel, resumable, each file written clean or held with its reason.

Processes do the work and report to the one that moves files into place and writes the ledger. Killing any of them, or all,
loses nothing: the next run goes on. Output names are aliases; nothing of an input's name or folder is carried over.
"""

import hashlib
import json
import multiprocessing
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing.context import BaseContext
from pathlib import Path

from aegle import durable
from aegle.deid import standard, value_file
from aegle.deid.check import check
from aegle.deid.engine import deidentify
from aegle.deid.ledger import Ledger
from aegle.deid.masks import PixelRule
from aegle.deid.outcome import Deidentified
from aegle.deid.profile import Profile, profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import FirstSeen, Held, HoldReason
from aegle.deid.report import Settled, held_back, report, written
from aegle.deid.second_look import Looking, SecondLook
from aegle.deid.table import Option
from aegle.deid.values import Values
from aegle.errors import BadConfig, Conflict, Unavailable

LEDGER, REPORT, REASONS_FILE = ".aegle-deid.db", "report.json", "reasons.json"
_WORK = ".aegle-work"
_VALUES = "values.csv"  #: in the work folder: the decisions as they were when the run began
_MOST_DEATHS = 20
_BATCH, _BATCH_SECONDS = 64, 1.0  #: files that are settled together, and how long the first may wait for the last
_SYNCS = 8  #: of files at a time


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every process of a run needs to know."""

    output: Path
    key: bytes  #: the 32-byte secret of the pseudonyms
    profile_name: str
    options: frozenset[Option]
    pixel_rules: tuple[PixelRule, ...] = ()
    compare_one_in: int = 0  #: of how many files one is compared by dciodvfy; 0 for none
    looking: Looking = Looking.NONE  #: which pictures a text detector looks at before they are written
    values: Path | None = None  #: CSV of the decisions about words, added to; None for the list we ship alone

    @property
    def profile(self) -> Profile:
        """The rules in force."""
        return profile(self.profile_name, self.options, self.pixel_rules)

    @property
    def values_in_force(self) -> Values:
        """The decisions as they were when the run began."""
        path = self.output / _WORK / _VALUES
        return _values(path, path.stat().st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class Treated:
    """One process's report of one file. `settled` is None for a file that an earlier run settled."""

    source: Path
    settled: Settled | None
    written: Path | None = None  #: in the work folder, clean and checked
    first_seen: frozenset[FirstSeen] = field(default=frozenset(), repr=False)  #: what must be decided before it is
    new_errors: frozenset[str] | None = None  #: of dciodvfy, where the file was in the sample


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did."""

    written: int
    held: int
    before: int  #: settled by an earlier run
    held_in_all: int  #: held by this run and those before
    first_seen: int  #: values that this run was the first to meet, now pending in the file of decisions
    opinion: standard.Opinion  #: dciodvfy's, of what this run wrote


def run_folder(
    sources: Sequence[Path],
    task: Task,
    quarantine: Path | None,
    jobs: int,
    told: Callable[[Treated], None] = lambda _: None,
) -> Summary:
    """Treat files, `jobs` at a time. Held ones are copied to `quarantine` with a table of reasons, where one is named.

    A file held for its words alone is treated again by the next run, which finds them decided.
    Raises BadConfig when the output folder belongs to a run with another key or profile, or the decisions cannot be read,
    Unavailable when processes keep dying.
    """
    decisions = value_file.read(task.values) if task.values else []
    work = durable.private_folder(task.output / _WORK)
    shutil.rmtree(work)
    value_file.write(durable.private_folder(work) / _VALUES, decisions)
    ledger = Ledger(task.output / LEDGER)
    first_seen: set[FirstSeen] = set()
    try:
        _require_same_run(ledger, task)
        found, new, opinion = [0, 0, 0], 0, standard.Opinion()
        for batch in _batches(_treat_all(sources, task, jobs)):
            seen = frozenset().union(*(treated.first_seen for treated in batch))
            new += _remember(task.values, seen - first_seen)
            first_seen |= seen
            for treated, outcome in _settle_all(batch, task, ledger, quarantine):
                opinion.add(treated.new_errors)
                found[0 if outcome is None else 1 if outcome.reason else 2] += 1
                told(Treated(source=treated.source, settled=outcome))
        told_of = report(ledger.all(), task.profile, task.values_in_force) | {"dciodvfy": opinion.told()}
        durable.write(task.output / REPORT, json.dumps(told_of, indent=1).encode(), mode=0o644)
        in_all = sum(bool(item.reason) for item in ledger.all())
        return Summary(
            before=found[0], held=found[1], written=found[2], held_in_all=in_all, first_seen=new, opinion=opinion
        )
    finally:
        ledger.close()
        _ledger(task.output / LEDGER).close()
        _ledger.cache_clear()
        shutil.rmtree(work, ignore_errors=True)


def _remember(values: Path | None, first_seen: Collection[FirstSeen]) -> int:
    return value_file.add(values, first_seen) if values and first_seen else 0


@lru_cache(maxsize=1)
def _values(path: Path, written_ns: int) -> Values:
    return value_file.values_of(value_file.read(path))


def _treat_all(sources: Sequence[Path], task: Task, jobs: int) -> Iterator[Treated]:
    """In this process when one is enough; else in others, which may die."""
    if jobs == 1:
        yield from (treat(path, task) for path in sources)
        return
    left, deaths = dict.fromkeys(sources), 0
    while left:
        with ProcessPoolExecutor(min(jobs, len(left)), mp_context=_processes()) as pool:
            asked: dict[Future[Treated], Path] = {pool.submit(treat, path, task): path for path in left}
            try:
                for future in as_completed(asked):
                    treated = future.result()
                    del left[treated.source]
                    yield treated
            except BrokenProcessPool:
                deaths += 1
                if deaths > _MOST_DEATHS:
                    raise Unavailable(
                        "processes keep dying; give the machine more memory or use fewer --jobs"
                    ) from None


def _processes() -> BaseContext:
    """Processes that are made from scratch; on Linux from one that has imported what they need, and nothing else."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _batches(found: Iterator[Treated]) -> Iterator[list[Treated]]:
    """A few at a time, so that one wait for the disk settles them all."""
    batch: list[Treated] = []
    began = time.monotonic()
    for treated in found:
        batch.append(treated)
        if len(batch) >= _BATCH or time.monotonic() - began > _BATCH_SECONDS:
            yield batch
            batch, began = [], time.monotonic()
    yield batch


def treat(source: Path, task: Task) -> Treated:
    """De-identify and check one file into the work folder; what an earlier run settled is left alone."""
    pseudonyms = _pseudonyms(task.key)
    digest = pseudonyms.source_digest(source)
    if _ledger(task.output / LEDGER).is_settled(digest):
        return Treated(source=source, settled=None)
    target = task.output / _WORK / f"{secrets.token_hex(8)}.dcm"
    done = deidentify(source, target, task.profile, pseudonyms, task.values_in_force)
    if isinstance(done, Deidentified):
        doubt = check(source, target, done, task.profile) or _second_look(task.looking).doubt(target, done)
        if doubt is None:
            sampled = standard.in_sample(digest, task.compare_one_in) and standard.installed()
            errors = standard.new_errors(source, target) if sampled else None
            return Treated(source=source, settled=written(done, digest), written=target, new_errors=errors)
        target.unlink()
        done = doubt
    settled = held_back(done, digest, task.profile.naming(pseudonyms))
    return Treated(source=source, settled=settled, first_seen=done.first_seen)


@lru_cache(maxsize=1)
def _second_look(looking: Looking) -> SecondLook:
    return SecondLook(looking)


@lru_cache(maxsize=1)
def _ledger(path: Path) -> Ledger:
    """One reader a process, closed with it or with the run."""
    return Ledger(path, read_only=True)


@lru_cache(maxsize=1)
def _pseudonyms(key: bytes) -> Pseudonyms:
    return Pseudonyms.from_secret(key)


def _settle_all(
    batch: Sequence[Treated], task: Task, ledger: Ledger, quarantine: Path | None
) -> list[tuple[Treated, Settled | None]]:
    """Everything of the batch moved into place and written down, durable on return."""
    files = [treated.written for treated in batch if treated.written is not None]
    with ThreadPoolExecutor(_SYNCS) as pool:  # waits that the system can join into one
        list(pool.map(durable.sync_file, files))
    outcomes = [(treated, _settle(treated, task, quarantine)) for treated in batch]
    settled = [outcome for _, outcome in outcomes if outcome is not None]
    places = [(task.output / item.name).parents for item in settled if item.name]
    for folder in {folder for parents in places for folder in parents[:3]}:
        durable.sync_folder(folder)
    ledger.settle(settled)
    return outcomes


def _settle(treated: Treated, task: Task, quarantine: Path | None) -> Settled | None:
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
    if quarantine is not None:
        _hold(treated.source, settled, durable.private_folder(quarantine))
    return settled


def _hold(source: Path, settled: Settled, folder: Path) -> None:
    """Copy what is held, as it came, and name it in the table: the folder is as identified as the input.

    What was held for its words and is written now leaves the folder and the table; its source stays where it is."""
    name, table = f"{settled.source_digest[:32]}.dcm", folder / REASONS_FILE
    if not settled.reason and not (folder / name).exists():
        return
    known = json.loads(table.read_text(encoding="utf-8")) if table.exists() else {}
    known.pop(name, None)
    if settled.reason:
        shutil.copyfile(source, folder / name)
        known[name] = {"source": str(source), "reason": settled.reason, "detail": settled.detail}
    durable.write(table, json.dumps(known, indent=1).encode())
    if not settled.reason:
        (folder / name).unlink()


def _require_same_run(ledger: Ledger, task: Task) -> None:
    """Aliases of two keys, or objects of two profiles, must not mix in one folder."""
    keyed = hashlib.sha256(b"aegle deid run|" + task.key).hexdigest()
    for name, value in (("key", keyed), ("profile", task.profile.digest)):
        if ledger.require(name, value) != value:
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
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise BadConfig(f"{path} does not hold a key: 64 hexadecimal digits")
    return key


def require_apart(source: Path, *others: Path | None) -> None:
    """Refuse an output below the input: a second run would read what the first wrote. Raises Conflict."""
    for other in others:
        if other is not None and (other.resolve() == source.resolve() or source.resolve() in other.resolve().parents):
            raise Conflict(f"{other} lies in the input folder; choose one beside it")
