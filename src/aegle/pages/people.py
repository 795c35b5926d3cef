"""People who may sign in here: an administrator adds, changes and removes them; everyone chooses their own password."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from aegle import access
from aegle.access import ROLES_OF, Act, Principal, Role
from aegle.errors import AegleError, BadMessage, Conflict, NotFound
from aegle.pages.accounts import Account, SignIn, new_account
from aegle.pages.shell import Page, Shell, Visit
from aegle.ports import AuditSink

DOES: dict[Role, str] = {
    Role.ADMINISTRATOR: "adds people, settles what is held, reads the audit trail",
    Role.CLINICIAN: "reads studies and results, with the patient's name",
    Role.CYTOLOGIST: "uploads, views and labels slides",
    Role.TECHNICIAN: "uploads files and follows what is held",
    Role.OPERATOR: "runs the hub",
    Role.ANALYST: "queries labels",
}


@dataclass(frozen=True, kw_only=True)
class PeoplePages:
    """The pages /people and /password, the same at a site and at the hub."""

    shell: Shell
    sign_in: SignIn
    audit: AuditSink

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        own, change = Act.PAGE_OWN_ACCOUNT_CHANGE, Act.PAGE_ACCOUNT_CHANGE
        return (
            Page(path="/people", act=change, answer=self.show_people),
            Page(path="/people", act=change, answer=self.change_people, method="POST"),
            Page(path="/password", act=own, answer=self.show_password),
            Page(path="/password", act=own, answer=self.change_password, method="POST"),
        )

    def show_people(self, visit: Visit) -> Response:
        """Everyone who may sign in."""
        return self._people(visit)

    async def change_people(self, visit: Visit) -> Response:
        """Add, give another role or a new one-time password, remove."""
        form = await visit.request.form()
        return await run_in_threadpool(self._change, visit, form)

    def show_password(self, visit: Visit) -> Response:
        """A form for one's own password."""
        return self._password(visit)

    async def change_password(self, visit: Visit) -> Response:
        """The person's own password; they sign in again with it."""
        form = await visit.request.form()
        return await run_in_threadpool(self._choose, visit, form)

    # --- what is done

    def _change(self, visit: Visit, form: FormData) -> Response:
        steps: dict[str, Callable[[Principal, FormData], str]] = {
            "add": self._add,
            "role": self._give_role,
            "password": self._give_password,
            "remove": self._remove,
        }
        try:
            step = steps.get(_text(form, "do"))
            if step is None:
                raise BadMessage("Choose what to do: add, role, password or remove.")
            told = step(visit.principal, form)
        except AegleError as error:
            return self._people(visit, problem=str(error), status=error.meaning.http)
        return self._people(visit, told=told)

    def _add(self, by: Principal, form: FormData) -> str:
        name = _text(form, "name")
        if self.sign_in.store.find(name) is not None:
            raise Conflict("Somebody of this name may already sign in. Choose another name, or change their row below.")
        return self._put(by, *new_account(name, self._role(form), self.sign_in.kind), before=None)

    def _give_role(self, by: Principal, form: FormData) -> str:
        account, role = self._other(by, form), self._role(form)
        self.sign_in.store.put(replace(account, role=role))
        self._tell(by, account.role, role)
        return f"{account.name} is now {role.value} and must sign in again."

    def _give_password(self, by: Principal, form: FormData) -> str:
        account = self._other(by, form)
        return self._put(by, *new_account(account.name, account.role, self.sign_in.kind), before=account.role)

    def _remove(self, by: Principal, form: FormData) -> str:
        account = self._other(by, form)
        self.sign_in.store.remove(account.name)
        self._tell(by, account.role, None)
        return f"{account.name} may no longer sign in."

    def _put(self, by: Principal, account: Account, password: str, before: Role | None) -> str:
        self.sign_in.store.put(replace(account, one_time=True))
        self._tell(by, before, account.role)
        return f"One-time password of {account.name}, shown this once: {password}"

    def _choose(self, visit: Visit, form: FormData) -> Response:
        new = _text(form, "new")
        try:
            if new != _text(form, "again"):
                raise BadMessage("The two new passwords differ. Type them again.")
            self.sign_in.change_password(visit.principal, _text(form, "old"), new)
        except AegleError as error:
            return self._password(visit, problem=str(error), status=error.meaning.http)
        return RedirectResponse("/sign-in?changed=1", 303)

    # --- what is shown

    def _people(self, visit: Visit, *, told: str = "", problem: str = "", status: int = 200) -> Response:
        return self.shell.show(
            visit,
            "people.html",
            status,
            people=self.sign_in.store.all(),
            roles=[
                (role.value, DOES[role]) for role in reversed(ROLES_OF[self.sign_in.kind])
            ],  # an administrator is never the first choice
            told=told,
            problem=problem,
        )

    def _password(self, visit: Visit, *, problem: str = "", status: int = 200) -> Response:
        one_time = self.sign_in.must_change(visit.principal)
        return self.shell.show(visit, "password.html", status, problem=problem, one_time=one_time)

    # --- checks

    def _other(self, by: Principal, form: FormData) -> Account:
        """The account a form names. Nobody changes their own row, so an administrator is always left."""
        name = _text(form, "name")
        if name == by.name:
            raise Conflict("Your own account is changed by another administrator, so that one is always left.")
        account = self.sign_in.store.find(name)
        if account is None:
            raise NotFound("Nobody of this name may sign in here.")
        return account

    def _role(self, form: FormData) -> Role:
        found = [role for role in ROLES_OF[self.sign_in.kind] if role.value == _text(form, "role")]
        if not found:
            raise BadMessage(f"Choose a role: {', '.join(ROLES_OF[self.sign_in.kind])}.")
        return found[0]

    def _tell(self, by: Principal, before: Role | None, after: Role | None) -> None:
        told = access.event(
            Act.PAGE_ACCOUNT_CHANGE,
            principal=f"user:{by.name}",
            site=self.shell.place.site,
            role_from=before.value if before else "none",
            role_to=after.value if after else "none",
        )
        self.audit.append(told)


def _text(form: FormData, key: str) -> str:
    found = form.get(key, "")
    return found if isinstance(found, str) else ""
