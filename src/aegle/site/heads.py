"""The hub's audit heads as they were lodged with this site: kept for ever, so that the hub cannot rewrite its trail unseen."""

import os
from collections.abc import Sequence
from pathlib import Path

from aegle import api, durable
from aegle.errors import AegleError
from aegle.records import AuditHead

_LATEST_BYTES = 64_000  #: of the file's end; a head is about 130 bytes, a hub has few chains


def keep_heads(path: Path, heads: Sequence[AuditHead]) -> None:
    """Append the heads that are not the latest of their chain already; durable on return."""
    known = {head.chain: head for head in _read(path, _LATEST_BYTES)}
    lines = b"".join(api.encode(head) + b"\n" for head in heads if head.count and known.get(head.chain) != head)
    if not lines:
        return
    with durable.storage(), path.open("ab") as stream:
        stream.write(lines)
        stream.flush()
        os.fsync(stream.fileno())


def kept_heads(path: Path) -> Sequence[AuditHead]:
    """Every head that was ever lodged here, oldest first."""
    return _read(path, None)


def _read(path: Path, last_bytes: int | None) -> Sequence[AuditHead]:
    if not path.exists():
        return ()
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - last_bytes) if last_bytes else 0)
        lines = stream.read().splitlines()
    return [head for line in lines if (head := _head(line))]


def _head(line: bytes) -> AuditHead | None:
    """A head, None for a line cut short by a crash or by where we began to read."""
    try:
        return api.decode(AuditHead, line)
    except AegleError:
        return None
