"""A received object in a slot, made by hand."""

import zlib
from pathlib import Path

from aegle.dicom import arrival
from aegle.intake.spool import Spool

MARKED = arrival.mark(5, zlib.crc32(b"hello"), "PACS") + b"hello"


def received(spool: Spool, content: bytes, sender: str = "PACS") -> Path:
    """Whole and marked, not yet taken."""
    path = spool.slots.take()
    path.write_bytes(arrival.mark(len(content), zlib.crc32(content), sender) + content)
    return path
