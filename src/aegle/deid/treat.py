"""One file of a folder de-identified and checked, in this process or in others, which may die."""

import multiprocessing
import platform
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.context import BaseContext
from pathlib import Path

from aegle.deid import standard, value_file
from aegle.deid.check import check
from aegle.deid.engine import deidentify
from aegle.deid.ledger import Ledger
from aegle.deid.masks import PixelRule
from aegle.deid.outcome import Deidentified
from aegle.deid.profile import Profile, profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import FirstSeen
from aegle.deid.report import Settled, held_back, written
from aegle.deid.second_look import Looking, SecondLook
from aegle.deid.table import Option
from aegle.deid.values import Values
from aegle.errors import Unavailable

LEDGER = ".aegle-deid.db"
WORK = ".aegle-work"
VALUES = "values.csv"  #: in the work folder: the decisions as they were when the run began
_MOST_DEATHS = 20


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
        path = self.output / WORK / VALUES
        return _values(path, path.stat().st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class Treated:
    """One process's report of one file. `settled` is None for a file that an earlier run settled."""

    source: Path
    settled: Settled | None
    written: Path | None = None  #: in the work folder, clean and checked
    first_seen: frozenset[FirstSeen] = field(default=frozenset(), repr=False)  #: what must be decided before it is
    new_errors: frozenset[str] | None = None  #: of dciodvfy, where the file was in the sample


def treat_all(sources: Sequence[Path], task: Task, jobs: int) -> Iterator[Treated]:
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
    linux = platform.system() == "Linux"
    context: BaseContext = multiprocessing.get_context("forkserver" if linux else "spawn")
    if linux:
        context.set_forkserver_preload([__name__])
    return context


def treat(source: Path, task: Task) -> Treated:
    """De-identify and check one file into the work folder; what an earlier run settled is left alone."""
    pseudonyms = _pseudonyms(task.key)
    digest = pseudonyms.source_digest(source)
    if _ledger(task.output / LEDGER).is_settled(digest):
        return Treated(source=source, settled=None)
    target = task.output / WORK / f"{secrets.token_hex(8)}.dcm"
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


def close_reader(task: Task) -> None:
    """Close what this process reads the run's ledger by."""
    _ledger(task.output / LEDGER).close()
    _ledger.cache_clear()


@lru_cache(maxsize=1)
def _pseudonyms(key: bytes) -> Pseudonyms:
    return Pseudonyms.from_secret(key)


@lru_cache(maxsize=1)
def _values(path: Path, written_ns: int) -> Values:
    return value_file.values_of(value_file.read(path))
