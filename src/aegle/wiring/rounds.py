"""Things that are done again and again beside a program: each on its own, none stopping another."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from aegle import logs
from aegle.errors import AegleError


@contextmanager
def rounds(every_s: float, acts: Mapping[str, Callable[[], object]]) -> Iterator[None]:
    """While the block runs, do each act once a round, the first at once. One that fails is said in the log and done again
    in the next round."""
    ended = threading.Event()

    def turn() -> None:
        while True:
            for name, act in acts.items():
                _do(name, act)
            if ended.wait(every_s):
                return

    thread = threading.Thread(target=turn, name="rounds", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _do(name: str, act: Callable[[], object]) -> None:
    try:
        act()
    except AegleError as error:
        logs.warning("not done, tried again", process=name, code=error.meaning.code)
    except Exception as failure:  # noqa: BLE001 - the edge of a round: the next one comes whatever this one met
        logs.crash("a round failed", failure, process=name)
