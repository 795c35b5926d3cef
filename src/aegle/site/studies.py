"""When a study is complete, and what is then asked of the hub."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aegle import access, api, faults
from aegle.access import Act
from aegle.intake.quarantine import Quarantine
from aegle.intake.spool import Spool
from aegle.ports import Archive, AuditSink, Hub, Lender
from aegle.records import InstanceRef, SiteKind, StoredInstance
from aegle.site.loops import each
from aegle.site.state import RequestPhase, SiteState, Study, Wish


@dataclass(frozen=True, kw_only=True)
class Studies:
    """Finds complete studies and, at a hospital, submits them. A laboratory's studies are never sent to the model."""

    site: str
    kind: SiteKind
    quiet_seconds: float
    spool: Spool
    quarantine: Quarantine
    archive: Archive
    state: SiteState
    is_own_result: Callable[
        [str], bool
    ]  #: known before a result object exists anywhere, so none is ever taken for input

    def close_complete(self) -> bool:
        """Declare complete what has been quiet long enough and has nothing held; whether any was."""
        return sum(self._close(study) for study in self.state.studies(fresh=True) if self._is_complete(study)) > 0

    def _close(self, study: Study) -> bool:
        """With the images it had when it was found quiet; if one came since, later."""
        images = self.images(study.study_uid)
        digest = input_digest(images)
        wanted = self.kind is SiteKind.HOSPITAL and bool(images)
        key = self._key(study.study_uid, digest) if wanted else ""
        return self.state.complete(study.study_uid, digest, key, as_of=study.last_at)

    def _key(self, study_uid: str, digest: str) -> str:
        """The same images ask for the same request. Only a study that failed and was sent again asks anew."""
        failures = self.state.failures(study_uid, digest)
        return hashlib.sha256(f"{self.site}|{study_uid}|{digest}|{failures}".encode()).hexdigest()

    def images(self, study_uid: str) -> list[StoredInstance]:
        """What came in of a study: our own results are not part of it."""
        return [item for item in self.archive.instances(study_uid) if not self.is_own_result(item.sop_uid)]

    def _is_complete(self, study: Study) -> bool:
        quiet_since = study.last_at.timestamp() + self.quiet_seconds
        if time.time() < quiet_since or self.quarantine.blocks(study.study_uid):
            return False
        # Intake is first in, first out: what came in while the study was quiet must be settled before we know it was.
        waiting = self.spool.waiting()
        return not waiting or int(waiting[0].name.split("-")[0]) / 1e9 > quiet_since


def input_digest(images: Sequence[StoredInstance]) -> str:
    """SHA-256 over the sorted digests of a study's images: the same images, the same digest."""
    return hashlib.sha256("\n".join(sorted(image.digest for image in images)).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Submits what is wanted and renews the grants of what waits."""

    site: str
    studies: Studies
    state: SiteState
    hub: Hub
    audit: AuditSink
    lender: Lender

    def submit(self) -> bool:
        """Send every wanted request and renew every grant that has less than half its life left; whether any was sent."""
        renewal = datetime.now(UTC) + self.lender.life / 2
        wished = self.state.wishes(RequestPhase.WANTED, RequestPhase.SUBMITTED)
        due = [wish for wish in wished if wish.phase is RequestPhase.WANTED or wish.grant_until < renewal]
        return each(due, self._submit)

    def _submit(self, wish: Wish) -> None:
        images = self.studies.images(wish.study_uid)
        if input_digest(images) != wish.input_digest:
            return  # more came in since: the study is fresh again and its next request supersedes this one
        loan = self.lender.lend(wish.study_uid)
        receipt = self.hub.submit(
            api.Submission(
                key=wish.key,
                study_uid=wish.study_uid,
                input_digest=wish.input_digest,
                instances=tuple(_reference(image) for image in images),
                archive_url=loan.archive_url,
                grant=loan.grant,
                grant_expires_at=loan.until,
            )
        )
        faults.reach(faults.Point.REQUEST_SENT)
        self.audit.append(access.event(Act.SITE_REQUEST_SUBMIT, site=self.site, subject=receipt.request_id))
        self.state.submitted(wish.key, receipt.request_id, loan.until)


def _reference(image: StoredInstance) -> InstanceRef:
    return InstanceRef(
        study_uid=image.study_uid, series_uid=image.series_uid, sop_uid=image.sop_uid, sop_class=image.sop_class
    )
