"""What a crash left in an archive's slots: files that objects were being received into (decision 0016)."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

from aegle import durable
from aegle.dicom.describe import describe
from aegle.errors import BadDicom
from aegle.local.archive.index import Index


def settle(folder: Path, index: Index, place: Callable[[str], Path]) -> None:
    """What the index knows was whole before it was indexed: its file goes to its place. Anything else was never acknowledged
    and goes."""
    for left in folder.iterdir():
        if not (left.stat().st_size and _settled(left, index, place)):
            left.unlink()


def _settled(left: Path, index: Index, place: Callable[[str], Path]) -> bool:
    with contextlib.suppress(BadDicom):
        sop_uid = describe(left).instance.sop_uid
        known, target = index.find(sop_uid), place(sop_uid)
        if known is not None and not target.exists() and _digest(left) == known.digest:
            durable.settle(left, target)
            return True
    return False


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
