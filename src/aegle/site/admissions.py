"""Takes what waits in the spool through intake, in the order it came; one that cannot be settled keeps no other waiting."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aegle import logs
from aegle.errors import Unavailable
from aegle.intake.abreast import Abreast
from aegle.intake.admit import Intake
from aegle.intake.spool import Spool, Spooled

_AT_ONCE = 100
TRIES = 3  #: an instance that fails so often in a way nobody foresaw is held


@dataclass(frozen=True, kw_only=True)
class Admissions:
    """The intake's step. What it remembers of failures may be lost: a restart begins to count again."""

    spool: Spool
    intake: Intake
    abreast: Abreast
    receipts: Callable[[], object] = lambda: None  #: writes down what came, before anything is done with it
    pause_seconds: float = 1.0  #: before another try of an instance that failed
    _failed: dict[str, tuple[int, float]] = field(default_factory=dict)  #: name to tries and when to try again

    def admit_waiting(self) -> bool:
        """Settle what waits; whether anything was settled. Raises Unavailable (disk full, archive away): all of it waits."""
        now = time.monotonic()
        waiting = self.spool.waiting()
        self.receipts()
        due = [item for item in waiting if self._failed.get(item.name, (0, now))[1] <= now]
        told = self.abreast.admit(due[:_AT_ONCE])
        settled = [self._heard(item, failure) for item, failure in told]
        for _, failure in told:
            if isinstance(failure, Unavailable):
                raise failure
        return any(settled)

    def _heard(self, item: Spooled, failure: BaseException | None) -> bool:
        if isinstance(failure, Unavailable):
            return False
        if failure is not None:
            return self._note(item, failure)
        self._failed.pop(item.name, None)
        return True

    def _note(self, item: Spooled, failure: BaseException) -> bool:
        tries = self._failed.pop(item.name, (0, 0.0))[0] + 1
        logs.crash("instance not settled", failure, attempt=tries)
        if tries >= TRIES:
            self.intake.give_up(item, type(failure).__name__)
            return True
        self._failed[item.name] = (tries, time.monotonic() + self.pause_seconds)
        return False
