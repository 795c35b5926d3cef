"""The calls of the hub's operator: sites, credentials, bundles, requests, labels, status."""

from collections.abc import Sequence
from dataclasses import dataclass

from aegle import __version__
from aegle.access import Act, Role
from aegle.errors import BadMessage
from aegle.hub import bundles, heads, people, requests, sites
from aegle.hub.overview import Overview, take_overview
from aegle.hub.routes import Answer, Call, Caller, Route, Services, bounded_number
from aegle.ports import Table
from aegle.records import AuditEvent, RequestState

ADMIN = "/v1/admin"
HEADS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class NewCredential:
    """A site's new secret. It is shown this once."""

    site: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The bundle a site is read with; None: the latest promoted."""

    digest: str | None


@dataclass(frozen=True, kw_only=True)
class RoleGiven:
    """What a person shall be at the hub."""

    role: Role


@dataclass(frozen=True, kw_only=True)
class LabelQuery:
    """One SELECT in the BigQuery dialect."""

    sql: str
    limit: int = 10_000


@dataclass(frozen=True, kw_only=True)
class HubStatus:
    """The hub at a glance."""

    software: str
    sites: int
    bundle: bundles.RegisteredBundle | None  #: the latest promoted
    requests: Sequence[requests.StateCount]
    labels: int  #: current ones


def _enroll(services: Services, call: Call) -> Answer:
    name, enrolment = call.path["name"], call.message
    sites.enroll(services.database, name, enrolment)
    state = "frozen" if enrolment.frozen else "live"
    return Answer(message=_site(services, name), subject=name, facts={"kind": enrolment.kind.value, "state": state})


def _pin(services: Services, call: Call) -> Answer:
    name, digest = call.path["name"], call.message.digest
    sites.pin_bundle(services.database, name, digest)
    return Answer(message=_site(services, name), subject=name, facts={"bundle": digest or "latest"})


def _rotate(services: Services, call: Call) -> Answer:
    name = call.path["name"]
    secret = sites.rotate_credential(services.database, name)
    return Answer(message=NewCredential(site=name, secret=secret), subject=name)


def _sites(services: Services, call: Call) -> Answer:
    return Answer(message=sites.list_sites(services.database), facts={"kind": "sites"})


def _requests(services: Services, call: Call) -> Answer:
    limit = bounded_number(call.query, "limit", default=200, most=1000)
    found = requests.list_requests(services.database, _state(call.query.get("state")), limit)
    return Answer(message=found, facts={"kind": "requests", "count": len(found)})


def _register(services: Services, call: Call) -> Answer:
    bundles.register(services.database, call.message)
    found = bundles.list_bundles(services.database)
    return Answer(message=found, subject=call.message.digest, facts={"bundle": call.message.digest})


def _bundles(services: Services, call: Call) -> Answer:
    return Answer(message=bundles.list_bundles(services.database), facts={"kind": "bundles"})


def _query(services: Services, call: Call) -> Answer:
    table = services.warehouse.query(call.message.sql, call.message.limit)
    return Answer(message=table, facts={"rows": len(table.rows)})


def _status(services: Services, call: Call) -> Answer:
    known = bundles.list_bundles(services.database)
    counted = services.warehouse.query("SELECT count(*) FROM label_current")
    status = HubStatus(
        software=__version__,
        sites=len(sites.list_sites(services.database)),
        bundle=known[0] if known else None,
        requests=requests.count_requests(services.database),
        labels=int(counted.rows[0][0]),
    )
    return Answer(message=status, facts={"kind": "status"})


def _audit(services: Services, call: Call) -> Answer:
    newest = bounded_number(call.query, "limit", default=50, most=500)
    return Answer(message=tuple(services.audit.read(newest)), facts={"kind": "audit"})


def _lodged(services: Services, call: Call) -> Answer:
    return Answer(message=heads.list_heads(services.database), facts={"kind": "heads"})


def _all_heads(services: Services, call: Call) -> Answer:
    after = bounded_number(call.query, "after", default=0, least=0, most=2**62)
    found = heads.heads_after(services.database, after, HEADS_AT_ONCE)
    return Answer(message=found, facts={"kind": "heads", "count": len(found)})


def _overview(services: Services, call: Call) -> Answer:
    return Answer(message=take_overview(services.database, services.warehouse), facts={"kind": "overview"})


def _people(services: Services, call: Call) -> Answer:
    return Answer(message=people.list_people(services.database), facts={"kind": "people"})


def _add_person(services: Services, call: Call) -> Answer:
    added = people.add_person(services.database, call.path["name"], call.message.role)
    return Answer(message=added, facts={"role": added.role.value})


def _site(services: Services, name: str) -> sites.SiteStatus | None:
    return next((site for site in sites.list_sites(services.database) if site.name == name), None)


def _state(text: str | None) -> RequestState | None:
    try:
        return RequestState(text) if text else None
    except ValueError:
        raise BadMessage(f"state: one of {', '.join(RequestState)}") from None


ADMIN_ROUTES = tuple(
    Route(
        method=method, path=ADMIN + path, act=act, caller=Caller.OPERATOR, handle=handle, takes=takes, gives=gives,
        query=query, summary=summary,
    )
    for method, path, act, handle, takes, gives, query, summary in (
        ("PUT", "/sites/{name}", Act.HUB_SITE_ENROLL, _enroll, sites.Enrolment, sites.SiteStatus, (),
         "Enrol a site, change its archive address and operating point, freeze it or thaw it. Idempotent."),
        ("PUT", "/sites/{name}/bundle", Act.HUB_POLICY_CHANGE, _pin, Pin, sites.SiteStatus, (),
         "Read a site's studies with one bundle, or with the latest promoted (null)."),
        ("POST", "/sites/{name}/credential", Act.HUB_CREDENTIAL_ROTATE, _rotate, None, NewCredential, (),
         "Give a site a new secret, shown this once; the one before it holds for seven days."),
        ("GET", "/sites", Act.HUB_CONSOLE_VIEW, _sites, None, tuple[sites.SiteStatus, ...], (),
         "Every site with its policy and last hello."),
        ("GET", "/requests", Act.HUB_CONSOLE_VIEW, _requests, None, tuple[requests.RequestLine, ...],
         ("state", "limit"), "The latest requests, newest first."),
        ("POST", "/bundles", Act.HUB_BUNDLE_REGISTER, _register, bundles.Registration,
         tuple[bundles.RegisteredBundle, ...], (), "Register a bundle and promote it. Idempotent."),
        ("GET", "/bundles", Act.HUB_CONSOLE_VIEW, _bundles, None, tuple[bundles.RegisteredBundle, ...], (),
         "Every registered bundle, the latest promoted first."),
        ("POST", "/labels/query", Act.HUB_LABELS_QUERY, _query, LabelQuery, Table, (),
         "One SELECT over `label` and `label_current`, in the BigQuery dialect."),
        ("GET", "/status", Act.HUB_CONSOLE_VIEW, _status, None, HubStatus, (), "The hub at a glance."),
        ("GET", "/audit", Act.HUB_CONSOLE_VIEW, _audit, None, tuple[AuditEvent, ...], ("limit",),
         "The hub's latest audit events, latest first."),
        ("GET", "/audit/heads", Act.HUB_CONSOLE_VIEW, _lodged, None, tuple[heads.LodgedHead, ...], (),
         "The latest audit head that each site lodged for each of its chains."),
        ("GET", "/audit/history", Act.HUB_CONSOLE_VIEW, _all_heads, None, tuple[heads.KeptHead, ...], ("after",),
         "Every audit head ever lodged, oldest first, 1000 at a time."),
        ("GET", "/overview", Act.HUB_CONSOLE_VIEW, _overview, None, Overview, (),
         "Sites with health, model and requests, label counts, and what a person should look at."),
        ("GET", "/people", Act.HUB_CONSOLE_VIEW, _people, None, tuple[people.Person, ...], (),
         "Everyone who may sign in at the hub."),
        ("PUT", "/people/{name}", Act.PAGE_ACCOUNT_CHANGE, _add_person, RoleGiven, people.NewPerson, (),
         "Let a person sign in at the hub, or give a known one a new role; answers the new password this once."),
    )
)  # fmt: skip
