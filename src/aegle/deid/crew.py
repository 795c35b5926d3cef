"""Processes that treat files, several at a time."""

import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path

from aegle.deid.treat import Task, Treated, treat
from aegle.errors import Unavailable

_MOST_DEATHS = 20
_TOGETHER, _TOGETHER_BYTES = 8, 8 << 20  #: files that a process treats before it reports, and bytes after which it does


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
            most = 1 if deaths else min(_TOGETHER, len(left) // (jobs * _TOGETHER))
            asked = [pool.submit(_treat_each, paths, task) for paths in _portions([*left], most)]
            try:
                for future in as_completed(asked):
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


def _treat_each(paths: Sequence[Path], task: Task) -> list[Treated]:
    return [treat(path, task) for path in paths]


def _portions(paths: Sequence[Path], most: int) -> Iterator[Sequence[Path]]:
    """What is asked for at a time, as to ask takes a tenth of what a slice does: so many small files, or one large one."""
    portion: list[Path] = []
    size = 0
    for path in paths:
        portion.append(path)
        size += _size(path)
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
