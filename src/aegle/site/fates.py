"""What became of the latest instances, by the name the spool gave them, so that a page can tell who sent them."""

import threading
from collections import OrderedDict

from aegle.intake.admit import Admission

_MOST = 5_000


class Fates:
    """The latest outcomes of intake, in memory: a convenience of the upload page, lost with the process. The lasting record
    is the audit trail."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: OrderedDict[str, Admission] = OrderedDict()

    def note(self, admission: Admission) -> None:
        """Remember one outcome; the oldest is forgotten."""
        with self._turn:
            self._known[admission.name] = admission
            while len(self._known) > _MOST:
                self._known.popitem(last=False)

    def get(self, name: str) -> Admission | None:
        """The outcome of a spooled instance, None where it is not known."""
        with self._turn:
            return self._known.get(name)
