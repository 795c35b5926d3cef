"""One instance from the spool into the archive, or into quarantine: de-identify, check, vault, archive, audit, let go.

The order is what makes a crash harmless: until the last step the instance is still in the spool and everything before is
idempotent, and no alias reaches the archive before the vault can give its patient back.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Literal

from aegle import access, durable, faults, logs
from aegle.access import Act
from aegle.deid import Deidentified, Held, HoldReason, Profile, Pseudonyms, Vault, check, deidentify, identify, standard
from aegle.deid.ledger import Ledger
from aegle.deid.report import held_back, written
from aegle.deid.second_look import SecondLook
from aegle.deid.terms import Terms, terms_of
from aegle.deid.value_book import ValueBook
from aegle.deid.values import Values
from aegle.dicom.uids import is_uid
from aegle.errors import Conflict, Refused
from aegle.intake.differences import differences
from aegle.intake.quarantine import Entry, Quarantine, Settlement
from aegle.intake.spool import Spool, Spooled
from aegle.ports import Archive, AuditSink
from aegle.records import AuditOutcome, InstanceRef, StoredInstance


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
class Judged:
    """What is to become of an instance: admitted (de-identified, and in the work folder), held, or nothing new."""

    item: Spooled
    said: InstanceRef  #: its original UIDs, empty where it does not say
    study_alias: str
    digest: str  #: keyed, of the source's bytes
    size_bytes: int  #: as it came
    verdict: Deidentified | Held | StoredInstance | Literal[Settled.OWN_RESULT]  #: StoredInstance: a repeat of it
    terms: Terms | None = None  #: by which it was treated; None where nothing was


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
        return self.settle(self.judge(item, self.identify(item)))

    def identify(self, item: Spooled) -> InstanceRef:
        """What the object says it is, by its original UIDs; empty where it does not say."""
        said = identify(item.path, durable.private_folder(self.work))
        return said or InstanceRef(study_uid="", series_uid="", sop_uid="", sop_class="")

    def judge(self, item: Spooled, said: InstanceRef) -> Judged:
        """Decide what is to become of an instance: de-identified, checked and waiting in the work folder, or why not. One at
        a time. What came before it under the same SOP Instance UID must be settled. Raises as `admit` does."""
        target = self._target(item)
        try:
            judged = self._judge(item, said, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        if not isinstance(judged.verdict, Deidentified):
            target.unlink(missing_ok=True)
        return judged

    def settle(self, judged: Judged) -> Admission:
        """Carry out what was decided; everything is durable when the spool lets go. Many may be settled at once, by threads.
        Raises as `admit` does."""
        return self._let_go(judged.item, self._carry_out(judged))

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
        terms = terms_of(self.profile(), self.values.current())
        return self._let_go(item, self._hold(item, held, alias, self.pseudonyms.source_digest(item.path), terms))

    def _let_go(self, item: Spooled, decided: Admission) -> Admission:
        admission = replace(decided, name=item.name)
        self.settled(admission)
        faults.reach(faults.Point.INTAKE_AUDITED)
        self.spool.settle(item)
        return admission

    def _target(self, item: Spooled) -> Path:
        return durable.private_folder(self.work) / f"{item.name}.dcm"

    def _judge(self, item: Spooled, said: InstanceRef, target: Path) -> Judged:
        alias, size = self.pseudonyms.uid(said.study_uid) if is_uid(said.study_uid) else "", item.path.stat().st_size
        judged = partial(Judged, item=item, said=said, study_alias=alias, size_bytes=size)
        if said.sop_uid and self.vault.is_own_result(said.sop_uid):
            return judged(digest="", verdict=Settled.OWN_RESULT)
        digest, profile, values = self.pseudonyms.source_digest(item.path), self.profile(), self.values.current()
        verdict = self._known(item, said, digest, target) or self._cleaned(item, target, digest, profile, values)
        return judged(digest=digest, verdict=verdict, terms=terms_of(profile, values))

    def _known(self, item: Spooled, said: InstanceRef, digest: str, target: Path) -> Held | StoredInstance | None:
        """What is in the archive already, or what contradicts it; None for what is new, or is to replace what is there."""
        if item.replaces or not is_uid(said.sop_uid):
            return None
        known = self.vault.admission(self.pseudonyms.uid(said.sop_uid))
        if known is not None and known.source_digest != digest:
            return self._changed(item, known.alias.sop_uid, target)
        return self.archive.find(known.alias.sop_uid) if known is not None else None

    def _changed(self, item: Spooled, alias: str, target: Path) -> Held:
        """Why it is held, and for the person who decides what is new in it; that costs a second treatment."""
        detail, before = "other bytes under a SOP Instance UID admitted before", self.archive.find(alias)
        if before is not None:
            with durable.storage():
                done = deidentify(item.path, target, self.profile(), self.pseudonyms, self.values.current())
            with contextlib.suppress(Exception):  # a help to whoever decides; the decision does not hang on it
                new = f"this one would be held, {done.reason}" if isinstance(done, Held) else ""
                detail = f"{detail}; {new or differences(self.archive.open(before), target)}"
        return Held(reason=HoldReason.CHANGED_SOURCE, detail=detail)

    def _cleaned(
        self, item: Spooled, target: Path, digest: str, profile: Profile, values: Values
    ) -> Held | Deidentified:
        with durable.storage():
            done = deidentify(item.path, target, profile, self.pseudonyms, values)
        if isinstance(done, Held):
            return done
        faults.reach(faults.Point.INTAKE_DEIDENTIFIED)
        doubt = check(item.path, target, done, profile) or self._second_opinion(item, target, done)
        if doubt is None:
            self._compare(item, target, digest)
        return doubt or done

    def _carry_out(self, judged: Judged) -> Admission:
        item, alias, verdict = judged.item, judged.study_alias, judged.verdict
        match verdict:
            case Held():
                return self._hold(item, verdict, alias, judged.digest, judged.terms)
            case StoredInstance():
                self._tell(Act.INTAKE_INSTANCE_REPEAT, item, verdict.sop_uid)
                return Admission(settled=Settled.REPEATED, study_alias=verdict.study_uid, stored=verdict)
            case Deidentified():
                return self._keep_or_hold(judged, verdict)
            case _:
                self._tell(Act.INTAKE_INSTANCE_DROP, item, alias)
                return Admission(settled=Settled.OWN_RESULT, study_alias=alias)

    def _keep_or_hold(self, judged: Judged, done: Deidentified) -> Admission:
        target = self._target(judged.item)
        try:
            return self._keep(judged, target, done)
        except Conflict as conflict:  # the vault or the archive knows this instance or study otherwise
            held = Held(reason=HoldReason.CHANGED_SOURCE, detail=str(conflict))
        except Refused as error:  # the archive reads our own output and does not take it
            held = Held(reason=HoldReason.CHECK_FAILED, detail=str(error))
        finally:
            target.unlink(missing_ok=True)
        return self._hold(judged.item, held, judged.study_alias, judged.digest, judged.terms)

    def _compare(self, item: Spooled, target: Path, digest: str) -> None:
        """Have dciodvfy judge a sample; new errors are no leak, so they are told and nothing is held for them."""
        if standard.in_sample(digest, self.compare_one_in) and standard.installed():
            errors = standard.new_errors(item.path, target)
            if errors:
                logs.warning("an output has dciodvfy errors that its source has not", site=self.site, count=len(errors))

    def _second_opinion(self, item: Spooled, target: Path, done: Deidentified) -> Held | None:
        """What the text detector doubts, unless a person has looked at that."""
        return None if item.is_looked_at else self.second_look.doubt(target, done)

    def _keep(self, judged: Judged, target: Path, done: Deidentified) -> Admission:
        item, digest = judged.item, judged.digest
        self.vault.record(done, digest, None, replace=item.replaces)
        faults.reach(faults.Point.INTAKE_VAULTED)
        stored = self.archive.replace(target) if item.replaces else self.archive.put(target)
        self.ledger.settle([written(done, digest, judged.terms)])
        act = Act.INTAKE_INSTANCE_REPLACE if item.replaces else Act.INTAKE_INSTANCE_ADMIT
        self._tell(act, item, stored.sop_uid, digest=stored.digest, sop_class=stored.sop_class)
        return Admission(settled=Settled.ADMITTED, study_alias=stored.study_uid, stored=stored)

    def _hold(self, item: Spooled, held: Held, alias: str, digest: str, terms: Terms | None) -> Admission:
        self.ledger.settle([held_back(held, digest, alias, terms)])
        entry = self.quarantine.hold(item, held, alias, self.values.add(held.first_seen) if held.first_seen else ())
        self._tell(Act.INTAKE_INSTANCE_HOLD, item, entry.entry_id, AuditOutcome.REFUSED, reason=held.reason)
        faults.reach(faults.Point.INTAKE_HELD)
        return Admission(settled=Settled.HELD, study_alias=alias, reason=held.reason)

    def _tell(
        self, act: Act, item: Spooled, subject: str, outcome: AuditOutcome = AuditOutcome.OK, **facts: str
    ) -> None:
        self.audit.append(access.event(act, outcome, site=self.site, subject=subject, door=item.door, **facts))
