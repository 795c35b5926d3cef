"""What a route of the hub's API is: who may call it, the act it is audited as, what it takes and gives.

Each route is one row of a table (`site_routes`, `admin_routes`). What all of them need is done in one place, `serve`:
the caller is known, the body bounded and read, the act audited before the answer leaves.
"""

import hmac
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aegle import api
from aegle.access import Act, Novelty, event
from aegle.errors import AegleError, BadMessage, Forbidden, NotFound, Unauthenticated, Unavailable
from aegle.hub.database import Database
from aegle.hub.sites import authenticate, authenticate_account
from aegle.ports import AuditSink, Warehouse
from aegle.records import AuditHead, AuditOutcome, Site, SiteKind

log = logging.getLogger(__name__)

OPERATOR = "operator"
BODY_MAX_BYTES = 64 * 1024


class Caller(Enum):
    """Who may call a route."""

    SITE = "any enrolled site"
    HOSPITAL = "a hospital"
    OPERATOR = "the hub's operator"


@dataclass(frozen=True, kw_only=True)
class Services:
    """What handlers work with."""

    database: Database
    warehouse: Warehouse
    audit: AuditSink
    heads: Callable[[], Sequence[AuditHead]]  #: of the hub's own chain and its workers'
    operator_secret: str = field(repr=False)
    account_of: Callable[[str], str] | None = None  #: whose Google ID token it is; None: only credentials of ours hold
    hellos: Novelty = field(default_factory=Novelty)  #: a site says hello every ten seconds, which is not news


@dataclass(frozen=True, kw_only=True)
class Call:
    """One authenticated call. `site` is None for the operator."""

    site: Site | None
    message: Any = None  #: the body as the route's `takes`
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_site(self) -> Site:
        """The calling site, on a route that only sites may call."""
        if self.site is None:
            raise Forbidden("only a site may do this")
        return self.site


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a handler gives back, and what the audit shall say of it."""

    message: object = None
    subject: str = ""
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    happened: bool = True  #: False for a poll that found nothing: no act took place, or none that is news


Handler = Callable[[Services, Call], Answer]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One row of the API."""

    method: str
    path: str
    act: Act
    caller: Caller
    handle: Handler
    summary: str
    takes: Hashable = None
    gives: Hashable = None
    query: tuple[str, ...] = ()  #: names of its optional query parameters
    body_max_bytes: int = BODY_MAX_BYTES


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes


_LONGEST_TOKEN = 4096  #: of a JSON Web Token; a credential of ours has under 100


def identify(services: Services, route: Route, authorization: str | None) -> Site | None:
    """The calling site, None for the operator. Raises Unauthenticated, and Forbidden for one who may not call this."""
    scheme, _, credential = (authorization or "").partition(" ")
    name, _, secret = credential.partition(".")
    if scheme.lower() != "bearer" or not name or not secret or len(credential) > _LONGEST_TOKEN:
        raise Unauthenticated("send Authorization: Bearer NAME.SECRET")
    if secret.count(".") == 1 and services.account_of is not None:
        site = authenticate_account(services.database, services.account_of(credential))
    elif name == OPERATOR:
        if not hmac.compare_digest(secret.encode(), services.operator_secret.encode()):
            raise Unauthenticated("the operator's credential does not hold")
        site = None
    else:
        site = authenticate(services.database, name, secret)
    if not _may(route, site):
        raise Forbidden(f"only {route.caller.value} may do this")
    return site


def serve(services: Services, route: Route, call: Call, body: bytes) -> Reply:
    """Do what the route does and audit it. An error becomes its JSON; one that the audit cannot keep is raised."""
    try:
        message = api.decode(route.takes, body) if isinstance(route.takes, type) else None
        answer = route.handle(services, Call(site=call.site, message=message, path=call.path, query=call.query))
    except AegleError as error:
        return refuse(services, route, call.site, error)
    except Exception as error:  # noqa: BLE001 - the edge of a request
        log.error("a call failed", extra={"action": route.act.value, "error": type(error).__name__})  # noqa: TRY400
        return refuse(services, route, call.site, Unavailable("the hub failed in a way it did not foresee"))
    if answer.happened:
        services.audit.append(
            event(
                route.act, AuditOutcome.OK, principal=principal_of(call.site), site=call.site.name if call.site else "",
                subject=answer.subject, **answer.facts,
            )
        )  # fmt: skip
    return Reply(status=200, body=b"{}" if answer.message is None else api.encode(answer.message, route.gives))


def refuse(services: Services, route: Route | None, site: Site | None, error: AegleError, who: str = "") -> Reply:
    """The audited JSON form of an error. Asking without leave is an act of its own."""
    without_leave = isinstance(error, Unauthenticated | Forbidden | NotFound) or route is None
    services.audit.append(
        event(
            Act.ACCESS_REQUEST_REFUSE if without_leave or route is None else route.act,
            AuditOutcome.FAILED if error.meaning.retryable else AuditOutcome.REFUSED,
            principal=who or principal_of(site), site=site.name if site else "",
            code=error.meaning.code, status=error.meaning.http, route=route.path if route else "",
            method=route.method if route else "",
        )
    )  # fmt: skip
    return error_reply(error)


def error_reply(error: AegleError) -> Reply:
    """`{"code", "detail"}` with the status of `errors.MEANING`."""
    body = {"code": error.meaning.code, "detail": str(error)}
    return Reply(status=error.meaning.http, body=api.encode(body, dict[str, str]))


def principal_of(site: Site | None) -> str:
    """How the audit names a caller that is known."""
    return f"site:{site.name}" if site else f"user:{OPERATOR}"


def bounded_number(query: Mapping[str, str], name: str, *, default: int, most: int, least: int = 1) -> int:
    """A count from the query. Raises BadMessage."""
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or not least <= int(text[:20]) <= most:
        raise BadMessage(f"{name}: {least} to {most}")
    return int(text)


def _may(route: Route, site: Site | None) -> bool:
    match route.caller:
        case Caller.OPERATOR:
            return site is None
        case Caller.HOSPITAL:
            return site is not None and site.kind is SiteKind.HOSPITAL
        case Caller.SITE:
            return site is not None
