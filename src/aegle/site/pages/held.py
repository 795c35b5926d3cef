"""What is held at the door, with the reason and a person's decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from aegle.access import Act
from aegle.deid import REASONS, HoldReason
from aegle.errors import BadMessage
from aegle.intake.quarantine import Settlement
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.pages import words
from aegle.site.program import SiteProgram

_DECISIONS = {
    Settlement.OPEN: "",
    Settlement.REJECTED: "left out",
    Settlement.RELEASED: "will be tried again",
    Settlement.RETRIED: "tried again",
    Settlement.REPLACING: "will replace the one before",
    Settlement.REPLACED: "replaced the one before",
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
            Page(path="/held/{entry}", act=Act.SITE_QUARANTINE_INSPECT, answer=self.inspect, subject="entry"),
            Page(
                path="/held/{entry}/blurred.png",
                act=Act.SITE_QUARANTINE_INSPECT,
                answer=lambda visit: self.picture(visit, sharp=False),
                subject="entry",
            ),
            Page(
                path="/held/{entry}/picture.png",
                act=Act.SITE_QUARANTINE_LOOK,
                answer=lambda visit: self.picture(visit, sharp=True),
                subject="entry",
            ),
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
                "may_replace": entry.reason is HoldReason.CHANGED_SOURCE,
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
            may_inspect=visit.principal.may(Act.SITE_QUARANTINE_INSPECT),
            may_settle=visit.principal.may(Act.SITE_QUARANTINE_SETTLE),
        )

    def inspect(self, visit: Visit) -> Response:
        """One object: why it is held, which device made it, and its picture, blurred until it is asked for."""
        entry = self.program.quarantine.entry(visit.request.path_params["entry"])
        device = self.program.held_pictures.device(entry)
        return self.shell.show(
            visit,
            "held-object.html",
            entry=entry,
            reason=REASONS[entry.reason],
            held_at=words.moment(entry.held_at),
            size=words.size(entry.size_bytes),
            device=device,
            has_picture=device is not None and device.rows > 1 and device.columns > 1,
            is_sharp="sharp" in visit.request.query_params,
            decision=_DECISIONS[entry.state],
        )

    def picture(self, visit: Visit, *, sharp: bool) -> Response:
        """The object's first frame."""
        entry = self.program.quarantine.entry(visit.request.path_params["entry"])
        return Response(self.program.held_pictures.picture(entry, sharp=sharp), media_type="image/png")

    async def settle(self, visit: Visit) -> Response:
        """Leave it out for good, try it again after a rule or the software changed, or let it replace the one before."""
        decision = str((await visit.request.form()).get("decision", ""))
        if decision not in (Settlement.REJECTED, Settlement.RELEASED, Settlement.REPLACING):
            raise BadMessage("the decision is 'released', 'replacing' or 'rejected'")
        await run_in_threadpool(self._settle, visit, Settlement(decision))
        return RedirectResponse("/held", 303)

    def _settle(self, visit: Visit, decision: Settlement) -> None:
        program = self.program
        entry = program.quarantine.settle(visit.request.path_params["entry"], decision, visit.principal.name)
        program.wake("held")
        if entry.study_alias:
            program.state.touch(entry.study_alias)
