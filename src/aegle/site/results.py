"""From the hub's answer to objects in the PACS: collect, build, archive, restore, deliver. Each step is safe to repeat."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom

from aegle import access, durable, faults, logs
from aegle.access import Act
from aegle.deid import Pseudonyms, Vault, restore
from aegle.dicom.results import ResultObject
from aegle.errors import AegleError, NotFound
from aegle.ports import Archive, AuditSink, Hub
from aegle.protocols import dimse
from aegle.records import AuditOutcome, Failure, Outcome, Prediction
from aegle.site.loops import each
from aegle.site.state import Delivery, RequestPhase, SiteState, Wish

Build = Callable[[Prediction], Sequence[ResultObject]]
"""Makes the result objects of a prediction, in alias form, the same bytes every time."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Brings answers home."""

    site: str
    state: SiteState
    hub: Hub
    audit: AuditSink

    def collect(self) -> bool:
        """Keep every finished request's outcome, then tell the hub so; whether there was any."""
        found = self.hub.outcomes()
        for outcome in found:
            self._keep(outcome)
        return bool(found)

    def _keep(self, outcome: Outcome) -> None:
        kept = self.state.keep_outcome(outcome)  # also one that comes before the site knows its request's id
        if not kept and (waiting := self.state.open_wish(outcome.request_id)) is not None:
            # An answer about another study or other images must never become a result: it is kept as a failure.
            logs.error("the hub answered for other images", request=outcome.request_id)
            self.state.keep_outcome(_misplaced(waiting, outcome))
        faults.reach(faults.Point.OUTCOME_KEPT)
        self.hub.collected(outcome.request_id)
        kind = type(outcome).__name__.lower()
        self.audit.append(access.event(Act.SITE_OUTCOME_COLLECT, site=self.site, subject=outcome.request_id, kind=kind))
        faults.reach(faults.Point.OUTCOME_COLLECTED)


def _misplaced(waiting: Wish, outcome: Outcome) -> Failure:
    return Failure(
        request_id=outcome.request_id,
        site=outcome.site,
        study_uid=waiting.study_uid,
        input_digest=waiting.input_digest,
        code="CONFLICT",
        detail="the hub answered for another study or other images",
        decided_at=outcome.decided_at,
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    """Builds result objects and puts them under the real patient."""

    site: str
    state: SiteState
    archive: Archive
    vault: Vault
    pseudonyms: Pseudonyms
    audit: AuditSink
    build: Build
    work: Path
    outbox: Path

    def settle(self) -> bool:
        """Build what has been answered; whether anything was."""
        return each(self.state.wishes(RequestPhase.ANSWERED), self._settle)

    def _settle(self, wish: Wish) -> None:
        objects = self.build(wish.outcome) if isinstance(wish.outcome, Prediction) else ()
        faults.reach(faults.Point.RESULT_BUILT)
        self.state.built(wish.key, [self._keep(wish, item) for item in objects])

    def rebuild(self, sop_uid: str) -> bytes:
        """A result under its real patient, from the alias form in the archive. Raises NotFound."""
        stored = self.archive.find(sop_uid)
        if stored is None:
            raise NotFound("the archive does not hold that result")
        return restore(self.archive.open(stored).read_bytes(), self.vault, self.pseudonyms)

    def _keep(self, wish: Wish, item: ResultObject) -> Delivery:
        """Remember the object's names before it exists anywhere else, so that it is recognised when it comes back."""
        restored = restore(item.content, self.vault, self.pseudonyms)
        restored_uid = str(pydicom.dcmread(io.BytesIO(restored), specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        self.vault.remember_result(item.sop_uid)
        self.vault.remember_result(restored_uid, item.sop_uid)
        alias_form = durable.private_folder(self.work) / f"{item.sop_uid}.dcm"
        durable.write(alias_form, item.content)
        self.archive.put(alias_form)
        faults.reach(faults.Point.RESULT_ARCHIVED)
        file = f"{item.sop_uid}.dcm"
        durable.write(durable.private_folder(self.outbox) / file, restored)
        self.audit.append(
            access.event(Act.SITE_RESULT_BUILD, site=self.site, subject=item.sop_uid, kind=item.kind),
            access.event(Act.SITE_IDENTITY_RESTORE, site=self.site, subject=item.sop_uid, kind=item.kind),
        )
        faults.reach(faults.Point.RESULT_RESTORED)
        return Delivery(
            sop_uid=item.sop_uid,
            key=wish.key,
            study_uid=wish.study_uid,
            kind=item.kind,
            file=file,
            sent_at=None,
            tries=0,
            problem="",
        )


@dataclass(frozen=True, kw_only=True)
class Deliveries:
    """Sends results to the hospital's PACS until it has accepted each."""

    site: str
    state: SiteState
    audit: AuditSink
    outbox: Path
    pacs: dimse.Target
    rebuild: Callable[[str], bytes]  #: the form under the real patient, from the archive's alias form

    def deliver(self) -> bool:
        """One association for what is due; whether the PACS took anything."""
        due = self.state.due()
        if not due:
            return False
        by_path = {self._present(item): item for item in due}
        try:
            answers = dimse.send(self.pacs, list(by_path))
        except AegleError as error:
            for item in due:
                self._postpone(item, error.meaning.code)
            return False
        taken = [answer for answer in answers if self._note(by_path[answer.path], answer)]
        return bool(taken)

    def _present(self, item: Delivery) -> Path:
        """The file to send; made again where the outbox lost it (a restored backup, a careful hand)."""
        path = durable.private_folder(self.outbox) / item.file
        if not path.exists():
            durable.write(path, self.rebuild(item.sop_uid))
            self.audit.append(
                access.event(Act.SITE_IDENTITY_RESTORE, site=self.site, subject=item.sop_uid, kind=item.kind)
            )
        return path

    def _note(self, item: Delivery, answer: dimse.Sent) -> bool:
        if not answer.accepted:
            status = "PACS_LOST" if answer.status is None else f"PACS_{answer.status:04X}"
            self._postpone(item, status)
            return False
        faults.reach(faults.Point.RESULT_SENT)
        self.audit.append(access.event(Act.SITE_RESULT_DELIVER, site=self.site, subject=item.sop_uid, kind=item.kind))
        self.state.sent(item)
        answer.path.unlink(missing_ok=True)  # identified; it can be built again at any time
        return True

    def _postpone(self, item: Delivery, problem: str) -> None:
        seconds = min(2.0**item.tries, 600.0)
        self.audit.append(
            access.event(
                Act.SITE_RESULT_DELIVER, AuditOutcome.FAILED, site=self.site, subject=item.sop_uid, reason=problem
            )
        )
        logs.warning("delivery postponed", code=problem, attempt=item.tries + 1)
        self.state.postponed(item, problem, seconds)
