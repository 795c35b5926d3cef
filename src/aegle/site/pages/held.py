"""What is held at the door, with the reason and a person's decision."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from aegle.access import Act
from aegle.deid import REASONS, HoldReason
from aegle.errors import BadMessage, Conflict
from aegle.intake.quarantine import Entry, Settlement, entry_id_of
from aegle.intake.spool import CAME
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.pages import words
from aegle.site.pages.held_object import HeldObject, Looked
from aegle.site.program import SiteProgram

_DECISIONS = {
    Settlement.OPEN: "",
    Settlement.REJECTED: "left out",
    Settlement.RELEASED: "will be tried again",
    Settlement.RETRIED: "tried again",
    Settlement.REPLACING: "will replace the one before",
    Settlement.REPLACED: "given in to replace the one before",
    Settlement.CLEARED: "its text names nobody, will be let in",
    Settlement.LET_IN: "its text names nobody",
}
_MAY_BE_DECIDED = (Settlement.REJECTED, Settlement.RELEASED, Settlement.REPLACING, Settlement.CLEARED)


@dataclass(frozen=True, kw_only=True)
class HeldPages:
    """The quarantine's pages."""

    shell: Shell
    program: SiteProgram
    looked: Looked = field(default_factory=Looked)

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        one = HeldObject(shell=self.shell, program=self.program, looked=self.looked, told=self._told)
        return (
            Page(path="/held", act=Act.SITE_QUARANTINE_VIEW, answer=self.show),
            *one.pages(),
            Page(
                path="/held/{entry}", act=Act.SITE_QUARANTINE_SETTLE, answer=self.settle, method="POST", subject="entry"
            ),
        )

    def show(self, visit: Visit) -> Response:
        """Everything held, latest first."""
        found = self.program.quarantine.entries()
        known, waiting = {entry.entry_id: entry for entry in found}, self._waiting()
        entries = [self._told(entry) | {"outcome": _outcome(entry, known, waiting)} for entry in found]
        return self.shell.show(
            visit,
            "held.html",
            waiting=[entry for entry in entries if entry["open"] and entry["blocks"]],
            out=[entry for entry in entries if entry["open"] and not entry["blocks"]],
            settled=[entry for entry in entries if not entry["open"]],
            may_inspect=visit.principal.may(Act.SITE_QUARANTINE_INSPECT),
            may_settle=visit.principal.may(Act.SITE_QUARANTINE_SETTLE),
        )

    async def settle(self, visit: Visit) -> Response:
        """Leave it out for good, try it again after a rule or the software changed, let it replace the one before, or say
        that the text in it names nobody."""
        decision = str((await visit.request.form()).get("decision", ""))
        if decision not in _MAY_BE_DECIDED:
            raise BadMessage(f"the decision is one of {', '.join(repr(one.value) for one in _MAY_BE_DECIDED)}")
        visit.facts["state"] = decision
        return RedirectResponse(await run_in_threadpool(self._settle, visit, Settlement(decision)), 303)

    def _settle(self, visit: Visit, decision: Settlement) -> str:
        """Where to go on."""
        program, person, name = self.program, visit.principal.name, visit.request.path_params["entry"]
        if decision is Settlement.CLEARED:
            self.looked.require(program, program.quarantine.entry(name), person)
            entry = program.quarantine.vouch(name, person)
            if entry.state is Settlement.OPEN:
                visit.facts["state"] = "vouched"
                return f"/held/{name}"
        else:
            if decision is Settlement.RELEASED:
                _require_a_change_helps(program.quarantine.entry(name))
            entry = program.quarantine.settle(name, decision, person)
        program.wake("held")
        if entry.study_alias:
            program.state.touch(entry.study_alias)
        return "/held"

    def _told(self, entry: Entry) -> dict[str, Any]:
        """An entry in words."""
        return {
            "entry_id": entry.entry_id,
            "held_at": words.moment(entry.held_at),
            "came": CAME[entry.door],
            "reason": entry.reason.value,
            "detail": entry.detail,
            "study": words.short(entry.study_alias) if entry.study_alias else "",
            "blocks": entry.blocks_study,
            "text": REASONS[entry.reason].text,
            "remedy": REASONS[entry.reason].remedy,
            "size": words.size(entry.size_bytes),
            "may_replace": entry.reason is HoldReason.CHANGED_SOURCE,
            "is_text": entry.reason is HoldReason.TEXT_SUSPECTED,
            "open": entry.state is Settlement.OPEN,
            "decision": _DECISIONS[entry.state],
            "settled_by": " and ".join(filter(None, (entry.vouched_by, entry.settled_by))),
            "settled_at": words.moment(entry.settled_at) if entry.settled_at else "",
            "vouched_by": entry.vouched_by,
        }

    def _waiting(self) -> set[str]:
        return {item.name for item in self.program.spool.waiting()}


def _outcome(entry: Entry, known: dict[str, Entry], waiting: Collection[str]) -> str:
    """What came of an object that went back to the spool; empty where it did not, or where nobody wrote down as what."""
    if not entry.came_as:
        return ""
    if entry.came_as in waiting:
        return "being treated"
    again = known.get(entry_id_of(entry.came_as))
    return f"held again, {again.reason.value}" if again else "went in"


def _require_a_change_helps(entry: Entry) -> None:
    if entry.reason is HoldReason.TEXT_SUSPECTED:
        raise Conflict(
            "The detector would see the same text again. Mask it by a rule for the device, or look at it and say that it "
            "names nobody."
        )
