"""Refusals at a listener, written down within a bound: whoever knocks without leave cannot flood the trail."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0
ONE_BY_ONE = 10  #: refusals of an address in its minute that are told each; the others are counted
ADDRESSES_MAX = 1_000  #: with a minute of their own at once; beyond, all share one


@dataclass(kw_only=True)
class _Minute:
    began: float
    told: int = 0
    counted: Counter[str] = field(default_factory=Counter)


class Refusals:
    """What came from where in the minute of each address. A kill loses the counts of that minute, never one told singly."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minutes: dict[str, _Minute] = {}
        self._turn = threading.Lock()

    def is_told(self, address: str, reason: str) -> bool:
        """Whether this refusal is to be written down by itself; else it is counted for `due`."""
        with self._turn:
            if address not in self._minutes and len(self._minutes) >= ADDRESSES_MAX:
                address = ""
            minute = self._minutes.setdefault(address, _Minute(began=self._clock()))
            minute.told += 1
            if minute.told <= ONE_BY_ONE:
                return True
            minute.counted[reason] += 1
            return False

    def due(self, *, ending: bool = False) -> list[tuple[str, str, int]]:
        """What was counted in the minutes that are over (or in all), as address ('' for many), reason and count; once."""
        with self._turn:
            now = self._clock()
            over = [key for key, it in self._minutes.items() if ending or now - it.began >= WINDOW_SECONDS]
            minutes = [(address, self._minutes.pop(address)) for address in over]
        return [(address, reason, count) for address, it in minutes for reason, count in it.counted.items()]
