"""The mark of a door in the preamble of what it received: length and checksum of the rest, and the AE title that sent it.

The preamble is free for such use (PS3.10 §7.1). By its mark a file is known to be whole, and whose, after a crash that forgot its
name; it stays at the site, since de-identification makes a new preamble.
"""

import struct
import zlib
from pathlib import Path

PREAMBLE = 128
_MARK = b"AEGLE\0\0\1"
_FORM = struct.Struct(">8sQI16s")
_BLOCK = 1 << 20


def mark(size_bytes: int, checksum: int, sender: str) -> bytes:
    """A preamble that says: `size_bytes` follow, of this CRC-32, from `sender` (an AE title, at most 16 characters)."""
    return _FORM.pack(_MARK, size_bytes, checksum, sender.encode("ascii", "replace")[:16].ljust(16)).ljust(
        PREAMBLE, b"\0"
    )


def sender_of(path: Path) -> str | None:
    """Who sent a received file, as its mark says; None where it has none. The rest is not looked at."""
    with path.open("rb") as stream:
        found = _read(stream.read(PREAMBLE))
    return found[2] if found else None


def is_whole(path: Path) -> bool:
    """Whether a file has a mark and is what the mark says, byte for byte. Memory: a megabyte."""
    with path.open("rb") as stream:
        found = _read(stream.read(PREAMBLE))
        if found is None:
            return False
        size, checksum = 0, 0
        while block := stream.read(_BLOCK):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return (size, checksum) == found[:2]


def unmarked(start: bytes) -> bytes:
    """The start of a file as it was sent: what a door put into its preamble is not the sender's."""
    return bytes(PREAMBLE) + start[PREAMBLE:] if _read(start[:PREAMBLE]) else start


def _read(preamble: bytes) -> tuple[int, int, str] | None:
    if len(preamble) < PREAMBLE or not preamble.startswith(_MARK):
        return None
    _, size, checksum, sender = _FORM.unpack_from(preamble)
    return size, checksum, sender.decode("ascii", "replace").strip()
