"""The site's audit trail on a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from aegle.access import Act
from aegle.pages.shell import Page, Shell, Visit
from aegle.records import AuditOutcome
from aegle.site.pages import words
from aegle.site.program import SiteProgram

_TONES = {AuditOutcome.OK: "good", AuditOutcome.REFUSED: "warn", AuditOutcome.FAILED: "bad"}


@dataclass(frozen=True, kw_only=True)
class TrailPages:
    """The audit page."""

    shell: Shell
    program: SiteProgram

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (Page(path="/audit", act=Act.SITE_AUDIT_VIEW, answer=self.show),)

    def show(self, visit: Visit) -> Response:
        """The latest 200 acts."""
        events = [
            {
                "at": words.moment(event.happened_at),
                "act": event.act,
                "outcome": event.outcome.value,
                "tone": _TONES[event.outcome],
                "principal": event.principal,
                "subject": event.subject[-24:],
                "facts": ", ".join(f"{key} {value}" for key, value in event.facts.items())[:120],
            }
            for event in self.program.ports.audit.read(200)
        ]
        return self.shell.show(visit, "audit.html", events=events)
