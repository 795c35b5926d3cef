"""Looks an archive over and mends its index: the files are the truth, the index can be made again from them."""

import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aegle import durable
from aegle.dicom.describe import describe
from aegle.errors import AegleError, NotFound
from aegle.local.archive.index import Entry, Index
from aegle.local.archive.slots import settle
from aegle.local.archive.store import folder_number, stored_as
from aegle.records import StoredInstance


class Trouble(StrEnum):
    """What can be wrong with one instance."""

    MISSING_FILE = "missing-file"  #: indexed, the file is gone: restore it from a backup
    NOT_INDEXED = "not-indexed"  #: a whole file the index does not know: `rebuild` adds it
    CHANGED_FILE = "changed-file"  #: not the bytes that were acknowledged: restore it from a backup
    UNREADABLE_FILE = "unreadable-file"  #: no DICOM any more, or in the wrong place


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One instance that is not as it should be; `name` is its SOP Instance UID or a file's name."""

    trouble: Trouble
    name: str


def check(folder: Path, told: Callable[[], None] = lambda: None) -> Iterator[Finding]:
    """Compare every file with the index, byte by byte. `told` is called once a file. Changes nothing."""
    index = Index(folder / "index.db")
    try:
        known = {item.sop_uid: item for item in index.all()}
        for path in _files(folder):
            item = known.pop(path.stem, None)
            trouble = _compare(path, item)
            told()
            if trouble is not None:
                yield Finding(trouble=trouble, name=path.stem)
        for sop_uid in known:
            yield Finding(trouble=Trouble.MISSING_FILE, name=sop_uid)
    finally:
        index.close()


def rebuild(folder: Path, told: Callable[[], None] = lambda: None) -> int:
    """Make the index anew from the files and answer how many it holds; the old one is kept as `index.db.before`.

    No program may use the archive meanwhile. An unreadable file is left out, and `check` names it. What lies in the slots
    is settled by the old index; where that one is gone, nothing says what was acknowledged, and all of it goes to `unproved/`."""
    _empty_slots(folder)
    fresh = folder / "index.new"
    for left in folder.glob("index.new*"):
        left.unlink()
    index, count = Index(fresh), 0
    for path in _files(folder):
        try:
            description = describe(path)
        except AegleError:
            continue
        finally:
            told()
        index.add(Entry(stored_as(description, path, _digest(path)), description))
        count += 1
    index.close()
    for suffix in ("-wal", "-shm"):
        (folder / f"index.db{suffix}").unlink(missing_ok=True)
    if (folder / "index.db").exists():
        (folder / "index.db").replace(folder / "index.db.before")
    fresh.replace(folder / "index.db")
    return count


def _empty_slots(folder: Path) -> None:
    waiting = [path for path in (folder / "slots").glob("*") if path.stat().st_size]
    if not waiting:
        return
    if (folder / "index.db").exists():
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(Index(folder / "index.db")) as index:
            settle(folder / "slots", index, lambda uid: folder / "files" / f"{folder_number(uid):02x}" / f"{uid}.dcm")
            return
    kept = durable.private_folder(folder / "unproved")
    for path in waiting:
        durable.settle(path, kept / f"{path.name}.dcm")


def export(folder: Path, study_uid: str, target: Path) -> int:
    """Copy a study's files to `target/SERIES/INSTANCE.dcm`, aliases and all; answers how many. Raises NotFound."""
    index = Index(folder / "index.db")
    items = index.of_study(study_uid)
    index.close()
    if not items:
        raise NotFound("the archive holds no study of that alias")
    places = {path.stem: path for path in _files(folder)}
    for item in items:
        (target / item.series_uid).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(places[item.sop_uid], target / item.series_uid / f"{item.sop_uid}.dcm")
    return len(items)


def count(folder: Path) -> int:
    """How many files there are to look at."""
    return sum(1 for _ in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (folder / "files").glob("*/*.dcm")


def _compare(path: Path, item: StoredInstance | None) -> Trouble | None:
    try:
        description = describe(path)
    except AegleError:
        return Trouble.UNREADABLE_FILE
    if description.instance.sop_uid != path.stem:
        return Trouble.UNREADABLE_FILE
    if item is None:
        return Trouble.NOT_INDEXED
    return None if _digest(path) == item.digest else Trouble.CHANGED_FILE


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
