"""The site's audit trail on a page: what its program wrote and what commands wrote, together."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from aegle.access import Act, Wanted
from aegle.pages.shell import Page, Shell, Visit
from aegle.records import AuditOutcome
from aegle.site.pages import words
from aegle.site.program import SiteProgram

_TONES = {AuditOutcome.OK: "good", AuditOutcome.REFUSED: "warn", AuditOutcome.FAILED: "bad"}
_WRITERS = {"site": "", "cli": "by command"}
_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class TrailPages:
    """The audit page."""

    shell: Shell
    program: SiteProgram

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (Page(path="/audit", act=Act.SITE_AUDIT_VIEW, answer=self.show),)

    def show(self, visit: Visit) -> Response:
        """The latest acts of every chain of this site, or those that hold what is asked for."""
        asked = visit.request.query_params
        wanted = Wanted(**{part: asked.get(part, "").strip()[:200] for part in ("act", "who", "subject")})
        events = [
            {
                "at": words.moment(event.happened_at),
                "act": event.act,
                "writer": _WRITERS.get(chain.partition("/")[2], chain),
                "outcome": event.outcome.value,
                "tone": _TONES[event.outcome],
                "principal": event.principal,
                "subject": event.subject,
                "facts": ", ".join(f"{key} {value}" for key, value in event.facts.items()),
            }
            for chain, event in self.program.ports.trail(_SHOWN, wanted)
        ]
        return self.shell.show(visit, "audit.html", events=events, wanted=wanted, most=_SHOWN)
