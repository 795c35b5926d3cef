"""The administrator's page: who may sign in at the hub."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from aegle.access import ROLES_OF, Act, Role
from aegle.errors import BadMessage
from aegle.hub import people
from aegle.hub.routes import Services
from aegle.pages.shell import Page, Shell, Visit


@dataclass(frozen=True, kw_only=True)
class PeoplePages:
    """Who may sign in at the hub."""

    shell: Shell
    services: Services

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        act = Act.PAGE_ACCOUNT_CHANGE
        return (
            Page(path="/people", act=act, answer=self.show),
            Page(path="/people", act=act, answer=self.add, method="POST"),
        )

    def show(self, visit: Visit) -> Response:
        """Everyone, and a form for one more."""
        return self._show(visit)

    async def add(self, visit: Visit) -> Response:
        """Add a person, or give a known one a new role and password, which is shown this once."""
        form = await visit.request.form()
        name, role = str(form.get("name", "")).strip(), str(form.get("role", ""))
        if role not in ROLES_OF[None]:
            raise BadMessage(f"role: one of {', '.join(ROLES_OF[None])}")
        added = await run_in_threadpool(people.add_person, self.services.database, name, Role(role))
        return await run_in_threadpool(self._show, visit, added)

    def _show(self, visit: Visit, added: people.NewPerson | None = None) -> Response:
        found = people.list_people(self.services.database)
        return self.shell.show(visit, "people.html", people=found, roles=ROLES_OF[None], added=added)
