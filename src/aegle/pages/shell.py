"""Turns a table of pages into an application: every page has an act, a session, a form token, strict headers and an audit entry.

A page that is not in the table does not exist; an act a role does not have is refused and audited.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from aegle import access
from aegle.access import Act, Novelty, Principal
from aegle.errors import MEANING, AegleError, Forbidden, NotFound, Unauthenticated, Unavailable
from aegle.pages.accounts import SignIn
from aegle.pages.wrappers import KnownHosts, SmallBodies, StrictHeaders
from aegle.ports import AuditSink
from aegle.records import AuditOutcome, SiteKind

ASSETS = Path(__file__).parent / "assets"
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of a signed-in person. `facts` go into its audit entry, put there by whoever answers."""

    request: Request
    principal: Principal
    session: str
    facts: dict[str, str | int] = field(default_factory=dict)


Answer = Callable[[Visit], Response | Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """One route: what it does, by its act, and for whom, by the roles that have the act."""

    path: str
    act: Act
    answer: Answer
    method: str = "GET"
    subject: str = ""  #: the path parameter that the audit entry names
    streams: bool = False  #: takes a body of any size and bounds it itself; every other page takes little


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose pages these are."""

    site: str  #: a site's name, or `hub`
    title: str
    kind: SiteKind | None
    navigation: tuple[tuple[str, str, Act], ...]  #: (path, words, act)


class Shell:
    """The application of one site or of the hub."""

    def __init__(
        self,
        place: Place,
        sign_in: SignIn,
        audit: AuditSink,
        templates: Path,
        pages: Callable[["Shell"], Sequence[Page]],
    ) -> None:
        self.place, self._sign_in, self._audit = place, sign_in, audit
        self.cookie = f"aegle_{place.site}"  # cookies ignore ports, so each site has a name of its own
        self._novelty = Novelty()
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(templates), FileSystemLoader(TEMPLATES)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["commands"] = _with_commands
        self.pages = tuple(pages(self))

    def application(self) -> ASGIApp:
        """The ASGI application, for hosts `SITE.localhost`, `localhost` and 127.0.0.1."""
        routes = [Route(page.path, self._guard(page), methods=[page.method]) for page in self.pages]
        routes += [
            Route("/sign-in", self._show_sign_in, methods=["GET"]),
            Route("/sign-in", self._take_sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
        ]
        mounted = [*routes, Mount("/assets", StaticFiles(directory=ASSETS, check_dir=False))]
        refusals = {**dict.fromkeys(MEANING, self._refuse), HTTPException: self._refuse_route}
        starlette = Starlette(routes=mounted, exception_handlers=refusals)
        application = SmallBodies(starlette, {page.path for page in self.pages if page.streams})
        return StrictHeaders(KnownHosts(application, self.place.site, self._refuse_stranger))

    def show(self, visit: Visit, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of this shell from a template."""
        navigation = [(path, words) for path, words, act in self.place.navigation if visit.principal.may(act)]
        return self._render(
            template,
            status,
            principal=visit.principal,
            navigation=navigation,
            here=visit.request.url.path,
            form_token=self._sign_in.form_token(visit.session),
            **values,
        )

    # --- every page

    def _guard(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = await run_in_threadpool(self._visit, request)
            if visit is None:
                await run_in_threadpool(self._refuse_stranger, page.act.value, page.method, "UNAUTHENTICATED")
                return self._to_sign_in(request)
            subject = str(request.path_params.get(page.subject, ""))
            if not visit.principal.may(page.act):
                await run_in_threadpool(self._tell, page.act, visit, subject, AuditOutcome.REFUSED)
                raise Forbidden(
                    f"The role {visit.principal.role.value} may not do this. An administrator can give another role."
                )
            if page.method != "GET":
                await self._check_form(visit, page.act, subject)
            if page.act is not Act.PAGE_OWN_ACCOUNT_CHANGE and await run_in_threadpool(
                self._sign_in.must_change, visit.principal
            ):
                return self._to_password(request)
            return await self._answer(page, visit, subject)

        return endpoint

    async def _answer(self, page: Page, visit: Visit, subject: str) -> Response:
        """What the page answers, audited before it leaves, a refusal too."""
        outcome = AuditOutcome.REFUSED
        try:
            if inspect.iscoroutinefunction(page.answer):
                answer: Response = await page.answer(visit)
            else:
                answer = await run_in_threadpool(page.answer, visit)  # type: ignore[arg-type]
            outcome = AuditOutcome.OK if answer.status_code < 400 else AuditOutcome.REFUSED
        except Unavailable:
            outcome = AuditOutcome.FAILED
            raise
        finally:
            said = (visit.session, page.act, subject, outcome, *map(str, visit.facts.values()))
            if page.method != "GET" or self._novelty.is_news(*said):
                await run_in_threadpool(self._tell, page.act, visit, subject, outcome)
        return answer

    def _visit(self, request: Request) -> Visit | None:
        session = request.cookies.get(self.cookie, "")
        principal = self._sign_in.principal(session)
        return Visit(request=request, principal=principal, session=session) if principal else None

    def _to_sign_in(self, request: Request) -> Response:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"/sign-in?next={quote(request.url.path)}", 303)
        raise Unauthenticated("Sign in first.")

    def _to_password(self, request: Request) -> Response:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/password", 303)
        raise Forbidden("Your password is a one-time password. Choose one of your own first, on the page /password.")

    async def _check_form(self, visit: Visit, act: Act, subject: str = "") -> None:
        given = visit.request.headers.get("x-form-token", "")
        if not given and "form" in visit.request.headers.get("content-type", ""):
            given = str((await visit.request.form()).get("form_token", ""))
        if not self._sign_in.is_form_token(visit.session, given):
            await run_in_threadpool(self._tell, act, visit, subject, AuditOutcome.REFUSED)
            raise Forbidden("This form is from an older session. Load the page again.")

    def _tell(self, act: Act, visit: Visit, subject: str, outcome: AuditOutcome) -> None:
        name = f"user:{visit.principal.name}"
        role = visit.principal.role.value
        site, facts = self.place.site, {"role": role} | visit.facts
        self._audit.append(access.event(act, outcome, principal=name, site=site, subject=subject, **facts))

    def _refuse_stranger(self, route: str, method: str, reason: str) -> None:
        """Audit a request that came without a session or under a foreign name: once in ten minutes for each route and
        reason, so that a flood cannot fill the disk."""
        if self._novelty.is_news("nobody", route, method, reason):
            refused = access.event(
                Act.ACCESS_REQUEST_REFUSE,
                AuditOutcome.REFUSED,
                principal="nobody",
                site=self.place.site,
                route=route,
                method=method,
                reason=reason,
            )
            self._audit.append(refused)

    # --- signing in and out

    async def _show_sign_in(self, request: Request) -> Response:
        given = request.query_params
        then, changed = _local(given.get("next", "/")), "changed" in given
        return self._render("sign-in.html", 200, principal=None, next=then, problem="", changed=changed)

    async def _take_sign_in(self, request: Request) -> Response:
        if request.headers.get("origin", "").rpartition("//")[2] not in ("", request.headers.get("host", "")):
            await run_in_threadpool(self._refuse_stranger, Act.PAGE_SESSION_OPEN.value, "POST", "FOREIGN_ORIGIN")
            raise Forbidden("This form came from another page.")
        form = await request.form()
        name, password, then = (str(form.get(key, "")) for key in ("name", "password", "next"))
        return await run_in_threadpool(self._sign_in_as, name, password, _local(then))

    def _sign_in_as(self, name: str, password: str, then: str) -> Response:
        try:
            token, principal = self._sign_in.open(name, password)
        except AegleError as error:
            self._tell_failed_sign_in(error.meaning.code)
            status, problem = error.meaning.http, str(error)
            return self._render("sign-in.html", status, principal=None, next=then, problem=problem, changed=False)
        self._audit.append(
            access.event(
                Act.PAGE_SESSION_OPEN,
                principal=f"user:{principal.name}",
                site=self.place.site,
                role=principal.role.value,
            )
        )
        answer = RedirectResponse(then, 303)
        answer.set_cookie(self.cookie, token, httponly=True, samesite="strict", path="/")
        return answer

    def _tell_failed_sign_in(self, reason: str) -> None:
        """Each wrong password is told; what a lock turns away is told once in ten minutes, for it costs the sender nothing."""
        if reason == Unauthenticated("").meaning.code or self._novelty.is_news("nobody", reason):
            self._audit.append(
                access.event(
                    Act.PAGE_SESSION_OPEN,
                    AuditOutcome.REFUSED,
                    principal="nobody",
                    site=self.place.site,
                    reason=reason,
                )
            )

    async def _sign_out(self, request: Request) -> Response:
        visit = await run_in_threadpool(self._visit, request)
        if visit is not None:
            await self._check_form(visit, Act.PAGE_SESSION_CLOSE)
            await run_in_threadpool(self._sign_in.close, visit.session)
            await run_in_threadpool(self._tell, Act.PAGE_SESSION_CLOSE, visit, "", AuditOutcome.OK)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(self.cookie, path="/")
        return answer

    async def _refuse(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, AegleError)  # noqa: S101  (only these are registered)
        return self._refusal(request, error.meaning.http, error.meaning.code, str(error))

    async def _refuse_route(self, request: Request, error: Exception) -> Response:
        """No page of this address, or none that takes this method."""
        status = error.status_code if isinstance(error, HTTPException) else 404
        return self._refusal(request, status, NotFound("").meaning.code, "There is no such page.")

    def _refusal(self, request: Request, status: int, code: str, detail: str) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"code": code, "detail": detail}, status)
        return self._render("refused.html", status, principal=None, code=code, detail=detail)

    def _render(self, template: str, status: int, **values: Any) -> HTMLResponse:
        context: Mapping[str, Any] = {"place": self.place, "navigation": (), "here": "", **values}
        return HTMLResponse(self._environment.get_template(template).render(context), status)


def _with_commands(text: str) -> Markup:
    """Words as HTML; what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped just before)


def _local(path: str) -> str:
    """A path of this site and nothing else, so that signing in cannot lead elsewhere."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
