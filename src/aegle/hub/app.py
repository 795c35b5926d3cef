"""The hub's HTTP application: the tables of routes made into FastAPI, with one way in and one way out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from aegle import __version__
from aegle.access import Act, event
from aegle.errors import AegleError, NotFound, TooLarge
from aegle.hub.admin_routes import ADMIN_ROUTES
from aegle.hub.openapi import describe
from aegle.hub.routes import Call, Reply, Route, Services, error_reply, identify, refuse, serve
from aegle.hub.site_routes import SITE_ROUTES
from aegle.hub.sweep import Patience, Sweeper, Swept
from aegle.ports import AuditSink
from aegle.records import AuditOutcome

HEALTH = "/healthz"
OPENAPI = "/openapi.json"
ROUTES: tuple[Route, ...] = (*SITE_ROUTES, *ADMIN_ROUTES)
PUBLIC = frozenset({HEALTH, OPENAPI})
"""The only paths that ask for no credential: they say that the process lives, and what its API is."""


def create_hub_app(services: Services, *, sweep_every_s: float = 5.0, patience: Patience | None = None) -> FastAPI:
    """The hub over a migrated database. While it is up it also sweeps for stalled and lost requests."""
    database, audit = services.database, services.audit

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeper = Sweeper(database, lambda swept: _record(audit, swept), every_s=sweep_every_s, patience=patience)
        audit.append(event(Act.HUB_PROCESS_START, software=__version__))
        sweeper.start()
        try:
            yield
        finally:
            await run_in_threadpool(sweeper.stop)

    app = FastAPI(
        title="Aegle hub", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=OPENAPI
    )
    app.add_api_route(HEALTH, _alive, methods=["GET"], summary="The process answers.")
    for route in ROUTES:
        app.add_api_route(
            route.path, _endpoint(services, route), methods=[route.method], summary=route.summary,
            description=f"For {route.caller.value}. Audited as `{route.act.value}`."
        )  # fmt: skip
    _answer_errors(app, services)
    describe(app, ROUTES)
    return app


async def _alive() -> dict[str, str]:
    return {"status": "ok"}


def _endpoint(services: Services, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            site = await run_in_threadpool(identify, services, route, request.headers.get("authorization"))
        except AegleError as error:
            return _response(await run_in_threadpool(refuse, services, route, None, error, "nobody"))
        try:
            body = await _body(request, route.body_max_bytes)
        except TooLarge as error:
            return _response(await run_in_threadpool(refuse, services, route, site, error))
        call = Call(site=site, path=request.path_params, query=dict(request.query_params))
        return _response(await run_in_threadpool(serve, services, route, call, body))

    return endpoint


async def _body(request: Request, most: int) -> bytes:
    """The body, read no further than its bound."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(f"the body is larger than {most} bytes")
    return bytes(body)


def _answer_errors(app: FastAPI, services: Services) -> None:
    """What never reached a route is refused and audited like the rest."""

    @app.exception_handler(HTTPException)
    async def _no_route(_: Request, __: Exception) -> Response:
        error = NotFound("no such path and method")
        return _response(await run_in_threadpool(refuse, services, None, None, error, "nobody"))

    @app.exception_handler(AegleError)
    async def _not_audited(_: Request, error: Exception) -> Response:
        assert isinstance(error, AegleError)  # noqa: S101 - registered for this class
        return _response(error_reply(error))


def _response(reply: Reply) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if reply.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(reply.body, status_code=reply.status, media_type="application/json", headers=headers)


def _record(audit: AuditSink, swept: Swept) -> None:
    again = [event(Act.HUB_REQUEST_REDELIVER, subject=request_id) for request_id in swept.redelivered]
    ended = [event(Act.HUB_OUTCOME_SETTLE, AuditOutcome.FAILED, subject=request_id) for request_id in swept.failed]
    audit.append(*again, *ended)
