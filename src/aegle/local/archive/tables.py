"""Frame tables in memory, the latest used ones within a bound: a slide's is read once, not for each tile."""

import threading
from collections import OrderedDict

from aegle.dicom.frames import FrameTable
from aegle.local.archive.index import Index
from aegle.records import StoredInstance

MAX_BYTES = 24 << 20  #: of all tables together; a slide of 5 GB needs six


class Tables:
    """The tables of an index. A table belongs to an object's bytes, so a replaced object has another one."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._held: OrderedDict[tuple[str, str], FrameTable] = OrderedDict()
        self._bytes = 0
        self._turn = threading.Lock()

    def of(self, instance: StoredInstance) -> FrameTable:
        """Where the frames lie. Raises NotFound, also for an object without addressable frames."""
        key = (instance.sop_uid, instance.digest)
        with self._turn:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        table = self._index.frame_table(instance.sop_uid)
        with self._turn:
            self._keep(key, table)
        return table

    def _keep(self, key: tuple[str, str], table: FrameTable) -> None:
        if key in self._held or not key[1]:  # without a digest nobody can say whose table it is
            return
        self._held[key] = table
        self._bytes += table.size_bytes
        while self._bytes > MAX_BYTES:
            _, oldest = self._held.popitem(last=False)
            self._bytes -= oldest.size_bytes
