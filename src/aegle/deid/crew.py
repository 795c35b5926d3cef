"""Processes that treat files, several at a time."""

import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path

from aegle.deid.treat import Task, Treated, treat
from aegle.errors import Unavailable

_MOST_DEATHS = 20


def treat_all(
    sources: Sequence[Path], task: Task, jobs: int, crew: ProcessPoolExecutor | None = None
) -> Iterator[Treated]:
    """In processes, which may die: in those of `crew` while they live. Raises Unavailable when they keep dying."""
    left, deaths = dict.fromkeys(sources), 0
    while left:
        with crew or ProcessPoolExecutor(
            min(jobs, len(left)), mp_context=_processes(), initializer=_end_with_parent
        ) as pool:
            crew = None
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
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # whoever stops waits for the files in work alone


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
