"""Receipts of objects that are acknowledged, on their way into the trail.

The object itself is the first witness: its file says who sent it, and its name when it came. So the trail need not be synced
before each acknowledgement: receipts are written together, at the latest before anything is done with the object, and what a
crash left unwritten is written at the next start.
"""

import threading
from collections.abc import Iterable

from aegle import access, faults
from aegle.access import Act
from aegle.dicom import arrival
from aegle.intake.spool import Door, Spooled
from aegle.ports import AuditSink
from aegle.records import AuditEvent, AuditOutcome
from aegle.site.unwritten import Unwritten

_MOST_WAITING = 1_000
_OTHER_EVENTS = 1_000


class Receipts:
    """Of one site's spool. What waits is lost with the process, and found again by `recover`."""

    def __init__(self, site: str, audit: AuditSink, unwritten: Unwritten) -> None:
        self._site, self._audit, self._unwritten = site, audit, unwritten
        self._waiting: dict[str, AuditEvent] = {}
        self._turn = threading.Lock()

    def add(self, name: str, sender: str) -> None:
        """An object is about to be in the spool under this name. Raises StorageFull when so many wait that one must be
        written first."""
        with self._turn:
            self._waiting[name] = self._receipt(name, sender)
            is_full = len(self._waiting) > _MOST_WAITING
        if is_full:
            self.write()

    def withdraw(self, name: str) -> None:
        """It did not come to that."""
        with self._turn:
            self._waiting.pop(name, None)

    def write(self) -> bool:
        """Everything that was added is in the trail, durable. Raises StorageFull: then it waits on."""
        with self._turn:
            if self._waiting:
                self._unwritten.write(self._audit, *self._waiting.values(), keep=False)
                faults.reach(faults.Point.RECEIPTS_WRITTEN)
                self._waiting.clear()
        return False

    def recover(self, waiting: Iterable[Spooled]) -> None:
        """Write the receipts that a crash kept from the trail: of what lies in the spool and is not in it."""
        found = {item.name: arrival.sender_of(item.path) for item in waiting if item.door is Door.DIMSE}
        senders = {name: sender for name, sender in found.items() if sender is not None}
        if not senders:
            return
        told = self._audit.read(4 * len(senders) + _OTHER_EVENTS)
        known = {event.subject for event in told if event.act == Act.DOOR_INSTANCE_RECEIVE}
        missing = [self._receipt(name, senders[name], state="found") for name in senders if name not in known]
        if missing:
            self._audit.append(*missing)

    def _receipt(self, name: str, sender: str, state: str = "") -> AuditEvent:
        facts = {"state": state} if state else {}
        principal, door = f"peer:{sender}", Door.DIMSE.value
        act = Act.DOOR_INSTANCE_RECEIVE
        return access.event(
            act, AuditOutcome.OK, principal=principal, site=self._site, subject=name, door=door, **facts
        )
