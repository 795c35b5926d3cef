"""Answers of the warehouse that are given again for a while: BigQuery bills each question, and an open console asks every 3 s."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aegle.ports import Table

SECONDS: Final = 60.0  #: that an answer may be old: rows of another hub machine are seen that much later
_ENTRIES_MAX: Final = 32
_ROWS_MAX: Final = 1_000  #: larger answers are not kept in memory


class Remembered:
    """The latest answers by their statement. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float], seconds: float = SECONDS) -> None:
        self._clock, self._seconds = clock, seconds
        self._kept: OrderedDict[str, tuple[float, Table]] = OrderedDict()
        self._written, self._turn = 0, threading.Lock()

    def get(self, statement: str) -> Table | None:
        """The answer, unless it is too old or rows were written since."""
        with self._turn:
            at, table = self._kept.get(statement, (0.0, None))
            return table if table is not None and self._clock() - at <= self._seconds else None

    def mark(self) -> int:
        """What `put` is told, taken before the question is asked: an answer that a write overtook is not kept."""
        with self._turn:
            return self._written

    def put(self, statement: str, table: Table, mark: int) -> None:
        """Keep an answer, and no more than the latest few."""
        with self._turn:
            if mark != self._written or len(table.rows) > _ROWS_MAX:
                return
            self._kept[statement] = (self._clock(), table)
            self._kept.move_to_end(statement)
            while len(self._kept) > _ENTRIES_MAX:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Rows were written: whoever wrote them sees them."""
        with self._turn:
            self._kept.clear()
            self._written += 1
