"""What is held at the door, with the reason and a person's decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from aegle.access import Act
from aegle.deid import REASONS
from aegle.errors import BadMessage
from aegle.intake.quarantine import Settlement
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.pages import words
from aegle.site.program import SiteProgram

_DECISIONS = {
    Settlement.OPEN: "",
    Settlement.REJECTED: "left out",
    Settlement.RETRIED: "tried again",
}


@dataclass(frozen=True, kw_only=True)
class HeldPages:
    """The quarantine's page."""

    shell: Shell
    program: SiteProgram

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (
            Page(path="/held", act=Act.SITE_QUARANTINE_VIEW, answer=self.show),
            Page(
                path="/held/{entry}", act=Act.SITE_QUARANTINE_SETTLE, answer=self.settle, method="POST", subject="entry"
            ),
        )

    def show(self, visit: Visit) -> Response:
        """Everything held, latest first."""
        entries = [
            {
                "entry_id": entry.entry_id,
                "held_at": words.moment(entry.held_at),
                "door": entry.door.value,
                "reason": entry.reason.value,
                "detail": entry.detail,
                "study": words.short(entry.study_alias) if entry.study_alias else "",
                "blocks": entry.blocks_study,
                "text": REASONS[entry.reason].text,
                "remedy": REASONS[entry.reason].remedy,
                "size": words.size(entry.size_bytes),
                "open": entry.state is Settlement.OPEN,
                "decision": _DECISIONS[entry.state],
                "settled_by": entry.settled_by,
                "settled_at": words.moment(entry.settled_at) if entry.settled_at else "",
            }
            for entry in self.program.quarantine.entries()
        ]
        return self.shell.show(
            visit,
            "held.html",
            waiting=[entry for entry in entries if entry["open"] and entry["blocks"]],
            out=[entry for entry in entries if entry["open"] and not entry["blocks"]],
            settled=[entry for entry in entries if not entry["open"]],
            may_settle=visit.principal.may(Act.SITE_QUARANTINE_SETTLE),
        )

    async def settle(self, visit: Visit) -> Response:
        """Leave it out for good, or try it again after a rule or the software changed."""
        decision = str((await visit.request.form()).get("decision", ""))
        if decision not in (Settlement.REJECTED.value, Settlement.RETRIED.value):
            raise BadMessage("the decision is 'retried' or 'rejected'")
        await run_in_threadpool(self._settle, visit, Settlement(decision))
        return RedirectResponse("/held", 303)

    def _settle(self, visit: Visit, decision: Settlement) -> None:
        program, by = self.program, visit.principal.name
        entry = program.quarantine.entry(visit.request.path_params["entry"])
        if decision is Settlement.RETRIED:
            program.retry(entry, by)
            return
        program.quarantine.settle(entry.entry_id, decision, by)
        if entry.study_alias:
            program.state.touch(entry.study_alias)
