"""One instance from the spool into the archive, or into quarantine: de-identify, check, vault, archive, audit, let go.

The order is what makes a crash harmless: until the last step the instance is still in the spool and everything before is
idempotent, and no alias reaches the archive before the vault can give its patient back.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from aegle import access, durable, faults, logs
from aegle.access import Act
from aegle.deid import Deidentified, Held, HoldReason, Profile, Pseudonyms, Vault, check, deidentify, identify, standard
from aegle.deid.ledger import Ledger
from aegle.deid.report import held_back, written
from aegle.deid.second_look import SecondLook
from aegle.deid.value_book import ValueBook
from aegle.dicom.uids import is_uid
from aegle.errors import Conflict, Refused
from aegle.intake.quarantine import Entry, Quarantine, Settlement
from aegle.intake.spool import Mark, Spool, Spooled
from aegle.ports import Archive, AuditSink
from aegle.records import AuditOutcome, StoredInstance


class Settled(StrEnum):
    """What became of a spooled instance."""

    ADMITTED = "admitted"
    REPEATED = "repeated"
    HELD = "held"
    OWN_RESULT = "own-result"


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The outcome of one instance; `study_alias` is empty when the object did not say its study."""

    settled: Settled
    study_alias: str
    stored: StoredInstance | None = None
    reason: HoldReason | None = None
    name: str = ""  #: the spooled object's


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What admission needs, for one site. `settled` hears of every outcome before the spool lets go of the instance, and may
    hear of the same one twice."""

    site: str
    spool: Spool
    work: Path  #: a private folder on the archive's file system
    profile: Callable[[], Profile]  #: as it is now, with the site's pixel rules
    pseudonyms: Pseudonyms
    vault: Vault
    values: ValueBook
    archive: Archive
    quarantine: Quarantine
    ledger: Ledger  #: what was done to each instance, for the report of its study
    audit: AuditSink
    second_look: SecondLook
    settled: Callable[[Admission], None]
    compare_one_in: int = 0  #: of how many objects one is compared with its source by dciodvfy; 0 for none

    def admit(self, item: Spooled) -> Admission:
        """Settle one instance. Raises Unavailable (disk full, archive away) and what nobody foresaw: it stays spooled."""
        return self._settle(item, self._decide(item))

    def decided(self) -> list[Entry]:
        """What was held for words that are all decided now, and can be tried again."""
        waiting = [entry for entry in self.quarantine.entries() if entry.state is Settlement.OPEN and entry.waits_for]
        return [entry for entry in waiting if not self.values.is_waiting(entry.waits_for)]

    def give_up(self, item: Spooled, error: str) -> Admission:
        """Hold an instance whose admission fails, again and again, with an error nobody foresaw, named by its class."""
        study_uid = ""
        with contextlib.suppress(Exception):  # this reading may be what fails
            said = identify(item.path, durable.private_folder(self.work))
            study_uid = said.study_uid if said else ""
        alias = self.pseudonyms.uid(study_uid) if is_uid(study_uid) else ""
        held = Held(reason=HoldReason.MALFORMED, detail=f"admission failed with an error we did not foresee: {error}")
        return self._settle(item, self._hold(item, held, alias))

    def _settle(self, item: Spooled, decided: Admission) -> Admission:
        admission = replace(decided, name=item.name)
        self.settled(admission)
        faults.reach(faults.Point.INTAKE_AUDITED)
        self.spool.settle(item)
        return admission

    def _decide(self, item: Spooled) -> Admission:
        said = identify(item.path, durable.private_folder(self.work))
        sop_uid, study_uid = (said.sop_uid, said.study_uid) if said else ("", "")
        alias = self.pseudonyms.uid(study_uid) if is_uid(study_uid) else ""
        if sop_uid and self.vault.is_own_result(sop_uid):
            self._tell(Act.INTAKE_INSTANCE_DROP, item, alias)
            return Admission(settled=Settled.OWN_RESULT, study_alias=alias)
        digest = self.pseudonyms.source_digest(item.path)
        if item.mark is Mark.REPLACES:
            return self._admit_new(item, alias, digest)
        known = self.vault.admission(self.pseudonyms.uid(sop_uid)) if is_uid(sop_uid) else None
        if known is not None and known.source_digest != digest:
            changed = Held(
                reason=HoldReason.CHANGED_SOURCE, detail="other bytes under a SOP Instance UID admitted before"
            )
            return self._hold(item, changed, alias)
        stored = self.archive.find(known.alias.sop_uid) if known is not None else None
        if stored is not None:
            self._tell(Act.INTAKE_INSTANCE_REPEAT, item, stored.sop_uid)
            return Admission(settled=Settled.REPEATED, study_alias=stored.study_uid, stored=stored)
        return self._admit_new(item, alias, digest)

    def _admit_new(self, item: Spooled, alias: str, digest: str) -> Admission:
        target, profile = durable.private_folder(self.work) / f"{item.name}.dcm", self.profile()
        try:
            with durable.storage():
                done = deidentify(item.path, target, profile, self.pseudonyms, self.values.current())
            if isinstance(done, Held):
                return self._hold(item, done, alias)
            faults.reach(faults.Point.INTAKE_DEIDENTIFIED)
            doubt = check(item.path, target, done, profile) or self._second_opinion(item, target, done)
            if doubt is not None:
                return self._hold(item, doubt, alias)
            self._compare(item, target, digest)
            return self._keep(item, target, done, digest)
        except Conflict as conflict:  # the vault or the archive knows this instance or study otherwise
            return self._hold(item, Held(reason=HoldReason.CHANGED_SOURCE, detail=str(conflict)), alias)
        except Refused as error:  # the archive reads our own output and does not take it
            return self._hold(item, Held(reason=HoldReason.CHECK_FAILED, detail=str(error)), alias)
        finally:
            target.unlink(missing_ok=True)

    def _compare(self, item: Spooled, target: Path, digest: str) -> None:
        """Have dciodvfy judge a sample; new errors are no leak, so they are told and nothing is held for them."""
        if standard.in_sample(digest, self.compare_one_in) and standard.installed():
            errors = standard.new_errors(item.path, target)
            if errors:
                logs.warning("an output has dciodvfy errors that its source has not", site=self.site, count=len(errors))

    def _second_opinion(self, item: Spooled, target: Path, done: Deidentified) -> Held | None:
        """What the text detector doubts, unless a person has looked at that."""
        return None if item.mark is Mark.LOOKED_AT else self.second_look.doubt(target, done)

    def _keep(self, item: Spooled, target: Path, done: Deidentified, digest: str) -> Admission:
        self.vault.record(done, digest, None, replace=item.mark is Mark.REPLACES)
        faults.reach(faults.Point.INTAKE_VAULTED)
        replaces = item.mark is Mark.REPLACES
        stored = self.archive.replace(target) if replaces else self.archive.put(target)
        self.ledger.settle([written(done, digest)])
        act = Act.INTAKE_INSTANCE_REPLACE if replaces else Act.INTAKE_INSTANCE_ADMIT
        self._tell(act, item, stored.sop_uid, digest=stored.digest, sop_class=stored.sop_class)
        return Admission(settled=Settled.ADMITTED, study_alias=stored.study_uid, stored=stored)

    def _hold(self, item: Spooled, held: Held, alias: str) -> Admission:
        self.ledger.settle([held_back(held, self.pseudonyms.source_digest(item.path), self.pseudonyms)])
        entry = self.quarantine.hold(item, held, alias, self.values.add(held.first_seen) if held.first_seen else ())
        self._tell(Act.INTAKE_INSTANCE_HOLD, item, entry.entry_id, AuditOutcome.REFUSED, reason=held.reason)
        faults.reach(faults.Point.INTAKE_HELD)
        return Admission(settled=Settled.HELD, study_alias=alias, reason=held.reason)

    def _tell(
        self, act: Act, item: Spooled, subject: str, outcome: AuditOutcome = AuditOutcome.OK, **facts: str
    ) -> None:
        self.audit.append(access.event(act, outcome, site=self.site, subject=subject, door=item.door, **facts))
