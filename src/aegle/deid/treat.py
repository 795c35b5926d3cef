"""One file of a folder de-identified and checked, in this process or another."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Event

from aegle import durable
from aegle.deid import standard, value_file
from aegle.deid.check import check
from aegle.deid.engine import deidentify
from aegle.deid.ledger import Ledger
from aegle.deid.masks import PixelRule
from aegle.deid.outcome import Deidentified
from aegle.deid.profile import Profile, profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import FirstSeen, Held
from aegle.deid.report import Settled, held_back, study_of, written
from aegle.deid.second_look import Looking, SecondLook
from aegle.deid.table import Option
from aegle.deid.terms import terms_of
from aegle.deid.threads import beside, is_large
from aegle.deid.values import Values

LEDGER = ".aegle-deid.db"
WORK = ".aegle-work"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every process of a run needs to know."""

    output: Path
    key: bytes  #: the 32-byte secret of the pseudonyms
    recipient: str = ""  #: whom the copy is for; each has aliases of its own from the same key
    profile_name: str
    options: frozenset[Option]
    pixel_rules: tuple[PixelRule, ...] = ()
    compare_one_in: int = 0  #: of how many files one is compared by dciodvfy; 0 for none
    looking: Looking = Looking.UNVOUCHED  #: which pictures a text detector looks at before they are written
    values: Path | None = None  #: CSV of the decisions about words, added to; None for the list we ship alone
    resumed: bool = False  #: an earlier run settled some files: each is looked up before it is treated

    @property
    def profile(self) -> Profile:
        """The rules in force."""
        return profile(self.profile_name, self.options, self.pixel_rules, self.looking)

    @property
    def values_in_force(self) -> Values:
        """The decisions as they were when the run began."""
        path = self.snapshot
        return _values(path, path.stat().st_mtime_ns) if path else _SHIPPED

    @property
    def snapshot(self) -> Path | None:
        """The decisions as they were when the run began: beside the list, as what nobody has decided may be a patient's, and
        what a killed run leaves in the output folder may leave the hospital."""
        return _snapshot(self.values, self.output) if self.values else None


@dataclass(frozen=True, kw_only=True)
class Treated:
    """One process's report of one file. `settled` is None for a file that an earlier run settled."""

    source: Path
    settled: Settled | None
    written: Path | None = None  #: in the work folder, clean and checked
    first_seen: frozenset[FirstSeen] = field(default=frozenset(), repr=False)  #: what must be decided before it is
    new_errors: frozenset[str] | None = None  #: of dciodvfy, where the file was in the sample
    unreadable: str = ""  #: why the system does not let it be read; it is tried again by the next run


def treat(source: Path, task: Task) -> Treated:
    """De-identify and check one file into the work folder; what an earlier run settled is left alone."""
    try:
        size = _size(source)
    except OSError as error:
        return Treated(source=source, settled=None, unreadable=os.strerror(error.errno or 0))
    large, rules = is_large(size), task.profile
    with beside(size, threads=2) as others:
        digest = others.submit(_pseudonyms(task.key, task.recipient).source_digest, source)
        if task.resumed and _ledger(task.output / LEDGER).is_settled(digest.result()):
            return Treated(source=source, settled=None)
        target = task.output / WORK / f"{secrets.token_hex(8)}.dcm"
        with _synced(target, others) if large else nullcontext(Event()) as whole:
            done = deidentify(source, target, rules, _pseudonyms(task.key, task.recipient), task.values_in_force)
            whole.set()
            doubt = _doubt(source, target, done, rules, task) if isinstance(done, Deidentified) else None
        if isinstance(done, Deidentified):
            if doubt is None:
                return _clean(source, target, done, digest.result(), task)
            target.unlink()
            study, done = done.alias.study_uid, doubt
        else:
            study = study_of(done, rules.naming(_pseudonyms(task.key, task.recipient)))
        settled = held_back(done, digest.result(), study, terms_of(rules, task.values_in_force))
        return Treated(source=source, settled=settled, first_seen=done.first_seen)


@contextmanager
def _synced(target: Path, others: Executor) -> Iterator[Event]:
    """Sends the target to the disk while it is written and checked: the disk is the slowest of all. Whoever has written all
    of it sets the event."""
    whole = Event()
    synced = others.submit(durable.sync_growing, target, whole)
    try:
        yield whole
    finally:
        whole.set()
    synced.result()  # an error is told once: whoever keeps the target syncs it again, and would not see it


def _doubt(source: Path, target: Path, done: Deidentified, rules: Profile, task: Task) -> Held | None:
    """Why what was written must not leave, if anything."""
    return check(source, target, done, rules) or _second_look(task.looking).doubt(target, done)


def _size(source: Path) -> int:
    """Of a file that can be read, in bytes. Raises OSError for another."""
    with source.open("rb", buffering=0) as file:
        file.read(1)
        return os.fstat(file.fileno()).st_size


def _clean(source: Path, target: Path, done: Deidentified, digest: str, task: Task) -> Treated:
    sampled = standard.in_sample(digest, task.compare_one_in) and standard.installed()
    errors = standard.new_errors(source, target) if sampled else None
    return Treated(
        source=source,
        settled=written(done, digest, terms_of(task.profile, task.values_in_force)),
        written=target,
        new_errors=errors,
    )


_SHIPPED = Values()


@lru_cache(maxsize=16)
def _snapshot(values: Path, output: Path) -> Path:
    place = hashlib.sha256(os.fsencode(output.resolve())).hexdigest()
    return values.with_name(f".{values.name}.{place[:16]}")


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
def _pseudonyms(key: bytes, recipient: str) -> Pseudonyms:
    return Pseudonyms.from_secret(key, recipient)


@lru_cache(maxsize=1)
def _values(path: Path, written_ns: int) -> Values:
    return value_file.values_of(value_file.read(path))
