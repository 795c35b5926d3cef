"""Processes that treat files, several at a time."""

import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path

from aegle.deid.treat import Task, Treated, treat
from aegle.errors import Unavailable

_MOST_DEATHS = 20
_TOGETHER = 8  #: files that a process treats before it reports
_TOGETHER_BYTES = 8 << 20  #: after which it reports earlier
_AHEAD = 3  #: portions a process that are asked for, the one in work with them


def treat_all(
    sources: Sequence[Path], task: Task, jobs: int, crew: ProcessPoolExecutor | None = None
) -> Generator[Treated, None, None]:
    """In processes, which may die: in those of `crew` while they live. Raises Unavailable when they keep dying."""
    left, deaths = dict.fromkeys(sources), 0
    while left:
        with crew or ProcessPoolExecutor(
            min(jobs, len(left)), mp_context=_processes(), initializer=_end_with_parent
        ) as pool:
            crew = None
            try:
                for future in _done(pool, _portions(left, 1 if deaths else _most(len(left), jobs)), task, jobs):
                    for treated in future.result():
                        del left[treated.source]
                        yield treated
            except BrokenProcessPool:
                deaths += 1
                if deaths > _MOST_DEATHS:
                    raise Unavailable(
                        "processes keep dying; give the machine more memory or use fewer --jobs"
                    ) from None
            finally:
                pool.shutdown(cancel_futures=True)  # whoever stops waits for the files in work, and for no other


def _done(
    pool: ProcessPoolExecutor, portions: Iterable[Sequence[Path]], task: Task, jobs: int
) -> Iterator[Future[list[Treated]]]:
    """Each portion when it is done. A few are asked for ahead, so that nobody waits for the sizes of a million files, and
    whoever stops does not wait for them either."""
    asked: set[Future[list[Treated]]] = set()
    for portion in portions:
        asked.add(pool.submit(_treat_each, portion, task))
        if len(asked) >= jobs * _AHEAD:
            done, asked = wait(asked, return_when=FIRST_COMPLETED)
            yield from done
    yield from as_completed(asked)


def _treat_each(paths: Sequence[Path], task: Task) -> list[Treated]:
    return [treat(path, task) for path in paths]


def _most(files: int, jobs: int) -> int:
    """How many files are asked for at a time: so few that each process is asked eight times, and none is last for long."""
    return max(1, min(_TOGETHER, files // (jobs * 8)))


def _portions(paths: Iterable[Path], most: int) -> Iterator[Sequence[Path]]:
    """What is asked for at a time, as to ask takes a tenth of what a slice does: so many small files, or one large one."""
    portion: list[Path] = []
    size = 0
    for path in [*paths]:
        portion.append(path)
        size += _size(path) if most > 1 else 0
        if len(portion) >= most or size >= _TOGETHER_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _size(path: Path) -> int:
    """In bytes; 0 for what cannot be looked at, which `treat` tells of."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def start_crew(jobs: int) -> ProcessPoolExecutor | None:
    """Processes that work from their first moment, as copies of this one; None where copies are not safe.

    Ask for them before a file is opened that must not be in them, a database above all, and before any thread runs."""
    if platform.system() != "Linux" or threading.active_count() > 1:
        return None
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork"), initializer=_end_with_parent)
    pool.submit(os.getpid).result()
    return pool


def _end_with_parent() -> None:
    """A process that waits for work would never learn that nobody is left to give it any: the secret is in its memory.

    Ctrl-C reaches every process of a terminal; it is the parent that stops, and says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _processes() -> BaseContext:
    """Processes that are made from scratch; on Linux from one that has imported what they need, and nothing else."""
    linux = platform.system() == "Linux"
    context: BaseContext = multiprocessing.get_context("forkserver" if linux else "spawn")
    if linux:
        context.set_forkserver_preload([__name__])
    return context
