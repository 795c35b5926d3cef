"""The archive on files: write, fsync, rename, fsync the folder, index, and only then answer."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aegle import durable, faults
from aegle.dicom.describe import Description, describe
from aegle.errors import BadDicom, Conflict, NotFound
from aegle.intake.slots import Slots
from aegle.local.archive import slots
from aegle.local.archive.index import Entry, Index
from aegle.local.archive.tables import Tables
from aegle.ports import Accept
from aegle.records import Found, Query, StoredInstance

_BLOCK = 1 << 20
_SYNCS = 16  #: at once; a file system shares the work of those that wait together
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_TURNS = 64  #: objects of one UID are put one after the other, others beside each other


class FileArchive:
    """The Archive port on a folder. Peak memory of a put: one block of 1 MB, the header, 16 bytes a fragment."""

    def __init__(self, folder: Path) -> None:
        files = durable.private_folder(folder / "files")
        self._folders = [durable.private_folder(files / f"{number:02x}") for number in range(256)]
        durable.sync_folder(files)
        self._replaced = folder / "replaced"
        self._incoming = durable.private_folder(folder / "incoming")
        self._slots = durable.private_folder(folder / "slots")
        self._lock = durable.claim(folder / "in-use.lock", "this archive")
        self._index = Index(folder / "index.db")
        self._turns = [threading.Lock() for _ in range(_TURNS)]
        self._tables = Tables(self._index)
        self._on_their_way: dict[str, Path] = {}  #: indexed, and not yet in their places
        for left in self._incoming.iterdir():
            self._forget(left)
        slots.settle(self._slots, self._index, self._place)
        self._ready = Slots(self._slots)
        self._syncing = ThreadPoolExecutor(_SYNCS, "archive-sync")

    def new_file(self) -> Path:
        """An empty file to write an object into, which `put` takes where it is; see `ports.TakesInPlace`."""
        return self._ready.take()

    def put(self, source: Path, digest: str = "", accept: Accept | None = None) -> StoredInstance:
        """Keep the file; see `ports.Archive.put`."""
        if source.parent == self._slots:
            with durable.storage():
                return self._keep_in_place(source, digest, accept)
        return self._take_over(source, lambda taken: self._keep(taken, digest, accept))

    def replace(self, source: Path) -> StoredInstance:
        """Keep the file in place of another; see `ports.Archive.replace`. The bytes before lie in `replaced/` as
        SOP-INSTANCE-UID.DIGEST.dcm."""
        return self._take_over(source, self._keep_instead)

    def _take_over(self, source: Path, keep: Callable[[Path], StoredInstance]) -> StoredInstance:
        with durable.storage():
            taken = self._incoming / f"{secrets.token_hex(8)}.dcm"
            try:
                _take(source, taken)
                kept = keep(taken)
            except BaseException:
                _give_back(taken, source)
                raise
            source.unlink(missing_ok=True)
            return kept

    def _keep_instead(self, taken: Path) -> StoredInstance:
        description, digest = describe(taken), _digest(taken)
        known = self._index.find(description.instance.sop_uid)
        if known is None or known.digest == digest:
            return self._keep(taken)
        aside = durable.private_folder(self._replaced) / f"{known.sop_uid}.{known.digest[:16]}.dcm"
        if not aside.exists():  # else a crash came between the file and the index: what lies there now is the new one
            copy = self._incoming / f"{secrets.token_hex(8)}.dcm"
            shutil.copyfile(self.open(known), copy)
            durable.sync_file(copy)
            durable.settle(copy, aside)
        stored = stored_as(description, taken, digest)
        durable.settle(taken, self._place(stored.sop_uid))
        self._index.add(Entry(stored, description, instead=True))
        return stored

    def _keep(self, taken: Path, digest: str = "", accept: Accept | None = None) -> StoredInstance:
        description = describe(taken)
        if accept is not None:
            accept(description.instance, description.header)
        stored = stored_as(description, taken, digest or _digest(taken))
        with self._turns[hash(stored.sop_uid) % _TURNS]:
            known = self._index.find(stored.sop_uid)
            if known is None:
                self._admit(taken, stored, description)
            else:
                _require_same(known, stored)
        taken.unlink()
        return known or stored

    def _keep_in_place(self, slot: Path, digest: str, accept: Accept | None) -> StoredInstance:
        """Two waits for the disk, the file's and the index's: the slot's name is on the disk since before it was filled, and
        finds the file again should the power take its new name (decision 0016)."""
        synced = self._syncing.submit(durable.sync_file, slot)
        try:  # beside it, and taking as long: what is to be known of the object
            description = describe(slot)
            if accept is not None:
                accept(description.instance, description.header)
            stored = stored_as(description, slot, digest or _digest(slot))
            is_known = self._index.knows_series(stored.study_uid, stored.series_uid)
            entry = Entry(stored, description, is_series_known=is_known)
        finally:
            synced.exception()  # the slot is nobody else's before it is over
        with self._turns[hash(stored.sop_uid) % _TURNS]:
            known = self._index.find(stored.sop_uid)
            if known is not None:
                _require_same(known, stored)
                slot.unlink()
                return known
            synced.result()
            faults.reach(faults.Point.ARCHIVE_WRITTEN)
            self._index_in_place(slot, stored.sop_uid, entry)
        return stored

    def _index_in_place(self, slot: Path, sop_uid: str, entry: Entry) -> None:
        self._on_their_way[sop_uid] = slot
        try:
            self._index.add(entry)
        except BaseException:
            del self._on_their_way[sop_uid]
            raise
        faults.reach(faults.Point.ARCHIVE_INDEXED)
        with contextlib.suppress(OSError):  # it stays in its slot then: found there, and settled at the next start
            slot.replace(self._place(sop_uid))
            del self._on_their_way[sop_uid]
        faults.reach(faults.Point.ARCHIVE_RENAMED)

    def _admit(self, taken: Path, stored: StoredInstance, description: Description) -> None:
        """Give the file its place by a second name and index it; the first name goes last, so that a crash leaves it to tell."""
        faults.reach(faults.Point.ARCHIVE_WRITTEN)
        place = self._place(stored.sop_uid)
        place.unlink(missing_ok=True)  # of an object that was never indexed
        place.hardlink_to(taken)
        try:
            faults.reach(faults.Point.ARCHIVE_RENAMED)
            self._index.add(Entry(stored, description, folder=place.parent))
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        faults.reach(faults.Point.ARCHIVE_INDEXED)

    def _forget(self, left: Path) -> None:
        """Of what was on its way when a crash came: never acknowledged, so nothing of it stays unless it is indexed."""
        with contextlib.suppress(BadDicom):
            sop_uid = describe(left).instance.sop_uid
            place = self._place(sop_uid)
            if self._index.find(sop_uid) is None and place.exists() and place.samefile(left):
                place.unlink()
        left.unlink()

    def delete(self, instance: StoredInstance) -> None:
        """Remove an instance; see `ports.Archive.delete`. The file goes first: what was deleted never comes back."""
        place = self._place(instance.sop_uid)
        with durable.storage():
            place.unlink(missing_ok=True)
            durable.sync_folder(place.parent)
            slot = self._on_their_way.pop(instance.sop_uid, None)
            if slot is not None:
                slot.unlink(missing_ok=True)
            self._index.remove(instance.sop_uid)

    def find(self, sop_uid: str) -> StoredInstance | None:
        """One instance by its SOP Instance UID."""
        return self._index.find(sop_uid)

    def instances(self, study_uid: str) -> Sequence[StoredInstance]:
        """Every instance of the study, ordered by series and SOP Instance UID."""
        return self._index.of_study(study_uid)

    def studies(self, limit: int, after: str = "") -> Sequence[str]:
        """Study UIDs in ascending order, greater than `after`."""
        return self._index.studies(limit, after)

    def search(self, query: Query) -> Sequence[Found]:
        """What matches a query; see `ports.Archive.search`."""
        return self._index.search(query)

    def metadata(self, instance: StoredInstance) -> Mapping[str, Any]:
        """DICOM JSON of the instance without pixels."""
        found: dict[str, Any] = json.loads(self._index.metadata(instance.sop_uid))
        return found

    def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
        """Frames as stored, in the order asked."""
        table = self._tables.of(instance)
        spans = [table.of(number) for number in numbers]
        descriptor = self._descriptor(instance)
        try:
            return [b"".join(_read(descriptor, *span) for span in several) for several in spans]
        finally:
            os.close(descriptor)

    def open(self, instance: StoredInstance) -> Path:
        """The Part 10 file. Raises NotFound."""
        path = self._place(instance.sop_uid)
        for place in (path, self._on_their_way.get(instance.sop_uid), path):  # it may get there between the looks
            if place is not None and place.exists():
                return place
        raise NotFound("the archive has no file for that instance; run `aegle archive check`")

    def _descriptor(self, instance: StoredInstance) -> int:
        try:
            return os.open(self._place(instance.sop_uid), _READ)
        except FileNotFoundError:
            return os.open(self.open(instance), _READ)

    def close(self) -> None:
        """Close the index and let another process use the archive."""
        self._ready.close()
        self._syncing.shutdown()
        self._index.close()
        self._lock.close()

    def _place(self, sop_uid: str) -> Path:
        # The UID was checked when it was described; its hash spreads files over 256 folders and keeps names short.
        return self._folders[folder_number(sop_uid)] / f"{sop_uid}.dcm"


def folder_number(sop_uid: str) -> int:
    """Which of the 256 folders an instance's file lies in."""
    return hashlib.sha256(sop_uid.encode()).digest()[0]


def stored_as(description: Description, path: Path, digest: str) -> StoredInstance:
    """The record of a file that was described."""
    return StoredInstance(
        **vars(description.instance),
        transfer_syntax=description.transfer_syntax,
        size_bytes=path.stat().st_size,
        digest=digest,
        modality=description.modality,
        frames=description.frames,
        rows=description.rows,
        columns=description.columns,
    )


def _require_same(known: StoredInstance, stored: StoredInstance) -> None:
    if known.digest != stored.digest:
        raise Conflict("the archive already holds other bytes under this SOP Instance UID")


def _take(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError:  # another file system
        with source.open("rb") as reader, target.open("xb") as writer:
            shutil.copyfileobj(reader, writer, _BLOCK)
    durable.sync_file(target)


def _give_back(taken: Path, source: Path) -> None:
    if not source.exists() and taken.exists():
        taken.replace(source)
    taken.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(descriptor: int, offset: int, length: int) -> bytes:
    if sys.platform != "win32":
        return os.pread(descriptor, length, offset)
    else:  # Windows has no pread; the descriptor is this call's own
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, length)
