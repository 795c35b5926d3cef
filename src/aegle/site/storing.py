"""STOW-RS at the archive's endpoint: objects that are de-identified already, from whoever holds a grant to store.

An object that does not say so itself is refused here; identified objects enter at the door, and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegle import access
from aegle.access import Act
from aegle.errors import AegleError, Refused
from aegle.ports import Archive, AuditSink, TakesInPlace
from aegle.protocols import stow
from aegle.protocols.stow import Fate, Receiver
from aegle.records import AuditOutcome, InstanceRef

_IDENTITY_REMOVED = "00120062"


@dataclass(frozen=True, kw_only=True)
class Storing:
    """Takes objects into the archive and audits each one that is refused."""

    site: str
    archive: Archive
    audit: AuditSink

    def receiver(self, folder: Path, part_max_bytes: int) -> Receiver:
        """For the endpoint. `folder` lies on the archive's file system and holds nothing of value."""
        new_file = self.archive.new_file if isinstance(self.archive, TakesInPlace) else None
        return Receiver(folder=folder, part_max_bytes=part_max_bytes, take=self.take, new_file=new_file)

    def take(self, path: Path, digest: str, study_uid: str) -> Fate:
        """Keep one object. Raises BadDicom for what is none."""
        judge = _Judge(study_uid)
        try:
            self.archive.put(path, digest, judge)
        except AegleError as error:
            if judge.instance is None:
                raise
            reason = judge.reason or stow.reason(error)
            self._tell(judge.instance, reason)
            return Fate(instance=judge.instance, reason=reason)
        return Fate(instance=judge.instance)

    def _tell(self, instance: InstanceRef, reason: int) -> None:
        refused = access.event(
            Act.ARCHIVE_INSTANCE_STORE,
            AuditOutcome.REFUSED,
            principal="grant",
            site=self.site,
            subject=instance.sop_uid,
            reason=f"{reason:04X}",
        )
        self.audit.append(refused)


class _Judge:
    """Accepts what says itself that it is de-identified, and is of the study that the request names."""

    def __init__(self, study_uid: str) -> None:
        self._study_uid = study_uid
        self.instance: InstanceRef | None = None  #: that was judged
        self.reason = 0  #: why it was not accepted

    def __call__(self, instance: InstanceRef, header: Mapping[str, Any]) -> None:
        self.instance = instance
        if self._study_uid not in ("", instance.study_uid):
            self.reason = stow.OTHER_STUDY
            raise Refused("the object is of another study than the request names")
        if header.get(_IDENTITY_REMOVED, {}).get("Value") != ["YES"]:
            self.reason = stow.NOT_ALLOWED
            raise Refused("the object does not say that its identity was removed; identified objects enter at the door")
