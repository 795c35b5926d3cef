"""Words that were seen for the first time in a kept attribute: approved or denied once, by the site's administrator."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from aegle import access
from aegle.access import Act
from aegle.deid import Decision
from aegle.deid.value_book import Word
from aegle.errors import BadMessage, NotFound
from aegle.intake.quarantine import Settlement
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.pages import words
from aegle.site.program import SiteProgram

_SAID = {Decision.APPROVE: "approved", Decision.DENY: "denied", Decision.PENDING: "waits"}


@dataclass(frozen=True, kw_only=True)
class ValuePages:
    """The page of the site's decisions about words."""

    shell: Shell
    program: SiteProgram

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (
            Page(path="/values", act=Act.SITE_VALUES_VIEW, answer=self.show),
            Page(path="/values/all", act=Act.SITE_VALUES_VIEW, answer=self.ask_about_all),
            Page(path="/values", act=Act.SITE_VALUE_DECIDE, answer=self.decide, method="POST"),
        )

    def show(self, visit: Visit) -> Response:
        """What waits, by attribute, then what was decided, latest first."""
        found, waiting_objects = self.program.values.words(), self._waiting_objects()
        waiting: dict[str, list[dict[str, object]]] = {}
        for word in found:
            if word.decision is Decision.PENDING:
                objects = sum(word.digest in names for names in waiting_objects)
                waiting.setdefault(word.keyword, []).append(_shown(word) | {"objects": objects})
        decided = [word for word in found if word.decision is not Decision.PENDING]
        decided.sort(key=lambda word: word.decided_at or word.seen_at, reverse=True)
        return self.shell.show(
            visit,
            "values.html",
            waiting=waiting,
            objects=len(waiting_objects),
            decided=[_shown(word) for word in decided],
        )

    def ask_about_all(self, visit: Visit) -> Response:
        """Every word that waits in one attribute, to be decided at once by whoever has read them."""
        keyword = visit.request.query_params.get("keyword", "")
        found = [word for word in self.program.values.words() if word.decision is Decision.PENDING]
        words_of_it = [_shown(word) for word in found if word.keyword == keyword]
        if not words_of_it:
            raise NotFound("No word of this attribute waits for a decision.")
        return self.shell.show(visit, "values-all.html", keyword=keyword, words=words_of_it)

    async def decide(self, visit: Visit) -> Response:
        """Approve or deny: one word, or every waiting word of the form."""
        form = await visit.request.form()
        said, _, only = str(form.get("decision", "")).partition(" ")
        if said not in (Decision.APPROVE.value, Decision.DENY.value):
            raise BadMessage("the decision is 'approve' or 'deny'")
        names = [only] if only else [str(name) for name in form.getlist("word")]
        await run_in_threadpool(self._decide, visit, Decision(said), names)
        return RedirectResponse("/values", 303)

    def _decide(self, visit: Visit, decision: Decision, names: Sequence[str]) -> None:
        for name in names:
            word = self.program.values.decide(name, decision, by=visit.principal.name)
            self.program.ports.audit.append(
                access.event(
                    Act.SITE_VALUE_DECIDE,
                    principal=f"user:{visit.principal.name}",
                    site=self.program.name,
                    subject=word.digest,
                    keyword=word.keyword,
                    state=decision.value,
                )
            )
        self.program.wake("held")

    def _waiting_objects(self) -> list[tuple[str, ...]]:
        entries = self.program.quarantine.entries()
        return [entry.waits_for for entry in entries if entry.state is Settlement.OPEN and entry.waits_for]


def _shown(word: Word) -> dict[str, object]:
    return {
        "name": word.digest,
        "keyword": word.keyword,
        "value": word.value,
        "decision": _SAID[word.decision],
        "other": Decision.DENY.value if word.decision is Decision.APPROVE else Decision.APPROVE.value,
        "seen_at": words.moment(word.seen_at),
        "decided_by": word.decided_by,
        "decided_at": words.moment(word.decided_at) if word.decided_at else "",
    }
