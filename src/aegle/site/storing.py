"""STOW-RS at the archive's endpoint: objects that are de-identified already, from whoever holds a grant to store.

An object that does not say so itself is refused here; identified objects enter at the door, and nowhere else.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from aegle import access
from aegle.access import Act
from aegle.dicom.describe import Description, describe
from aegle.errors import AegleError
from aegle.ports import Archive, AuditSink
from aegle.protocols import stow
from aegle.protocols.stow import Fate, Receiver
from aegle.records import AuditOutcome

_IDENTITY_REMOVED = "00120062"


@dataclass(frozen=True, kw_only=True)
class Storing:
    """Takes objects into the archive and audits each one that is refused."""

    site: str
    archive: Archive
    audit: AuditSink

    def receiver(self, folder: Path, part_max_bytes: int) -> Receiver:
        """For the endpoint. `folder` lies on the archive's file system and holds nothing of value."""
        return Receiver(folder=folder, part_max_bytes=part_max_bytes, take=self.take)

    def take(self, path: Path, digest: str, study_uid: str) -> Fate:
        """Keep one object. Raises BadDicom for what is none."""
        description = describe(path)
        instance = description.instance
        reason = _refused(description, study_uid)
        if not reason:
            try:
                self.archive.put(path, digest)
            except AegleError as error:
                reason = stow.reason(error)
        if reason:
            self.audit.append(
                access.event(
                    Act.ARCHIVE_INSTANCE_STORE,
                    AuditOutcome.REFUSED,
                    principal="grant",
                    site=self.site,
                    subject=instance.sop_uid,
                    reason=f"{reason:04X}",
                )
            )
        return Fate(instance=instance, reason=reason)


def _refused(description: Description, study_uid: str) -> int:
    if study_uid and description.instance.study_uid != study_uid:
        return stow.OTHER_STUDY
    removed = json.loads(description.metadata).get(_IDENTITY_REMOVED, {}).get("Value")
    return 0 if removed == ["YES"] else stow.NOT_ALLOWED
