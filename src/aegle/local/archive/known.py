"""Instances that were found lately, within a bound: a slide is found once, not for each tile."""

import threading
from collections import OrderedDict

from aegle.records import StoredInstance

MOST = 4_096


class Known:
    """What the index said. This process alone writes to it, and says here what it changed."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, StoredInstance] = OrderedDict()
        self._turn = threading.Lock()
        self.changes = 0  #: so far; what was read before one may be out of date

    def get(self, sop_uid: str) -> StoredInstance | None:
        """None where it is not held; then the index is asked."""
        return self._held.get(sop_uid)

    def keep(self, instance: StoredInstance, changes: int) -> None:
        """Of an instance that was read when there were so many changes."""
        with self._turn:
            if changes == self.changes:
                self._held[instance.sop_uid] = instance
                while len(self._held) > MOST:
                    self._held.popitem(last=False)

    def forget(self, sop_uid: str) -> None:
        """It was replaced or removed: durable, and not told to anybody yet."""
        with self._turn:
            self.changes += 1
            self._held.pop(sop_uid, None)
