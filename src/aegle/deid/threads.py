"""Work beside other work, for what is large enough to be worth a thread."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_WORTH_A_THREAD = 8 << 20  #: bytes


def is_large(size_bytes: int) -> bool:
    """Whether work on so many bytes is worth threads."""
    return size_bytes >= _WORTH_A_THREAD


def beside(size_bytes: int, threads: int) -> Executor:
    """Threads for the work on so many bytes; for few, one that does at once what it is asked."""
    return ThreadPoolExecutor(threads) if is_large(size_bytes) else _Here()


class _Here(Executor):
    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The work's outcome, done already."""
        done: Future[T] = Future()
        done.set_result(work(*args, **kwargs))
        return done
