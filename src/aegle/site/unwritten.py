"""Audit events that a full disk did not take yet."""

import threading
from collections import deque

from aegle.errors import StorageFull
from aegle.ports import AuditSink
from aegle.records import AuditEvent

_MOST_UNWRITTEN = 10_000


class Unwritten:
    """Audit events in the order they happened, kept in memory for as long as the disk takes none: a full disk must not
    hide who called meanwhile. Beyond 10,000 the oldest go; a kill loses them all, and nothing was acknowledged for them."""

    def __init__(self) -> None:
        self._events: deque[AuditEvent] = deque(maxlen=_MOST_UNWRITTEN)
        self._turn = threading.Lock()

    def write(
        self, audit: AuditSink, *events: AuditEvent, otherwise: AuditEvent | None = None, keep: bool = True
    ) -> None:
        """Write what waits and the events, durable on return. Raises StorageFull, keeping them unless the caller does;
        `otherwise` is then kept in their place."""
        with self._turn:
            try:
                audit.append(*self._events, *events)
            except StorageFull:
                if keep:
                    self._events.extend([otherwise] if otherwise else events)
                raise
            self._events.clear()
