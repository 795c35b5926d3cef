"""Another archive as the site's: Orthanc, dcm4chee, Google's, or another Aegle, through DICOMweb.

The archive keeps the objects; a book here keeps what the port promises and DICOMweb does not tell: the digest of each object
that was put. A put asks first whether the UID is known over there, and compares bytes: archives differ in whether they refuse,
replace or silently ignore a second object under a UID. One site writes to it; nobody else does.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aegle import durable
from aegle.dicom.describe import Description, describe
from aegle.errors import Conflict, Refused
from aegle.local.archive.index import Entry, Index
from aegle.local.archive.store import stored_as
from aegle.ports import Accept
from aegle.protocols.dicomweb_store import DicomWebStore
from aegle.records import Found, InstanceRef, Query, StoredInstance

FETCHED_MAX_BYTES = 4 << 30  #: of objects retrieved to be opened; the oldest go


class RemoteArchive:
    """The Archive port on a DICOMweb service."""

    def __init__(self, folder: Path, client: DicomWebStore) -> None:
        self._client = client
        self._fetched = durable.private_folder(folder / "fetched")
        self._replaced = folder / "replaced"
        self._lock = durable.claim(folder / "in-use.lock", "this archive")
        for left in self._fetched.iterdir():
            left.unlink()
        self._book = Index(folder / "index.db")

    def put(self, source: Path, digest: str = "", accept: Accept | None = None) -> StoredInstance:
        """Keep the file over there; see `ports.Archive.put`."""
        description, digest = describe(source), digest or _digest(source)
        if accept is not None:
            accept(description.instance, description.header)
        known = self._known(description, digest, source)
        if known is not None and known.digest != digest:
            raise Conflict("the archive already holds other bytes under this SOP Instance UID")
        if known is None:
            self._client.store(source)
        stored = stored_as(description, source, digest)
        self._book.add(Entry(stored, description))
        source.unlink()
        return stored

    def replace(self, source: Path) -> StoredInstance:
        """Keep the file in place of another; see `ports.Archive.replace`. Raises Conflict for an archive that neither
        deletes nor replaces."""
        description, digest = describe(source), _digest(source)
        known = self._known(description, digest, source)
        if known is not None and known.digest != digest:
            self._set_aside(known)
            self._client.delete(known)
        if known is None or known.digest != digest:
            self._client.store(source)
        self._require_there(description.instance, digest)
        stored = stored_as(description, source, digest)
        self._book.add(Entry(stored, description, instead=True))
        source.unlink()
        return stored

    def delete(self, instance: StoredInstance) -> None:
        """Remove an instance over there and from the book; see `ports.Archive.delete`."""
        if not self._client.delete(instance):
            raise Refused("the archive does not delete")
        (self._fetched / f"{instance.sop_uid}.dcm").unlink(missing_ok=True)
        self._book.remove(instance.sop_uid)

    def find(self, sop_uid: str) -> StoredInstance | None:
        """One instance by its SOP Instance UID, as it was put."""
        return self._book.find(sop_uid)

    def instances(self, study_uid: str) -> Sequence[StoredInstance]:
        """Every instance of the study, ordered by series and SOP Instance UID."""
        return self._book.of_study(study_uid)

    def studies(self, limit: int, after: str = "") -> Sequence[str]:
        """Study UIDs in ascending order, greater than `after`."""
        return self._book.studies(limit, after)

    def search(self, query: Query) -> Sequence[Found]:
        """What matches a query; see `ports.Archive.search`."""
        return self._book.search(query)

    def metadata(self, instance: StoredInstance) -> Mapping[str, Any]:
        """DICOM JSON of the instance without pixels, as it was put."""
        found: dict[str, Any] = json.loads(self._book.metadata(instance.sop_uid))
        return found

    def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
        """Frames as stored, in the order asked."""
        return self._client.frames(instance, numbers)

    def open(self, instance: StoredInstance) -> Path:
        """The Part 10 file, retrieved where it was not lately. Raises NotFound, and Conflict for other bytes than were put."""
        path = self._fetched / f"{instance.sop_uid}.dcm"
        if not path.exists():
            self._make_room(instance.size_bytes)
            self._retrieve(instance, path)
            if instance.digest and _digest(path) != instance.digest:
                path.unlink()
                raise Conflict("the archive gives back other bytes than were put; somebody else writes to it")
        return path

    def close(self) -> None:
        """Close the book and let another process use the archive."""
        self._book.close()
        self._lock.close()

    def _known(self, description: Description, digest: str, source: Path) -> StoredInstance | None:
        """What is over there under this UID, with its digest; None when nothing is."""
        known = self._book.find(description.instance.sop_uid)
        if known is not None:
            return known
        there = self._client.exists(description.instance.sop_uid)
        if there is None:
            return None
        copy = self._fetched / f"{secrets.token_hex(8)}.dcm"
        try:
            self._client.retrieve(there, copy)
            return stored_as(describe(copy), copy, _digest(copy))
        finally:
            copy.unlink(missing_ok=True)

    def _retrieve(self, instance: InstanceRef, path: Path) -> None:
        partial = path.with_suffix(".partial")
        self._client.retrieve(instance, partial)
        partial.replace(path)

    def _set_aside(self, known: StoredInstance) -> None:
        aside = durable.private_folder(self._replaced) / f"{known.sop_uid}.{known.digest[:16]}.dcm"
        if not aside.exists():
            copy = self._fetched / f"{secrets.token_hex(8)}.dcm"
            self._client.retrieve(known, copy)
            durable.sync_file(copy)
            durable.settle(copy, aside)
        (self._fetched / f"{known.sop_uid}.dcm").unlink(missing_ok=True)

    def _require_there(self, instance: InstanceRef, digest: str) -> None:
        copy = self._fetched / f"{secrets.token_hex(8)}.dcm"
        try:
            self._client.retrieve(instance, copy)
            if _digest(copy) != digest:
                raise Conflict("the archive kept the old bytes; let it overwrite instances, or delete this one there")
        finally:
            copy.unlink(missing_ok=True)

    def _make_room(self, size_bytes: int) -> None:
        files = sorted(self._fetched.glob("*.dcm"), key=lambda path: path.stat().st_mtime)
        held = sum(path.stat().st_size for path in files)
        for path in files:
            if held + size_bytes <= FETCHED_MAX_BYTES:
                return
            held -= path.stat().st_size
            path.unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
