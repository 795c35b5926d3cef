"""The operator's console: sites and their health, requests, the model in force, labels, audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response

from aegle.access import Act
from aegle.dicom.codes import BY_CODE
from aegle.errors import BadMessage
from aegle.hub import requests
from aegle.hub.label_pages import LabelPages
from aegle.hub.overview import LONG_WAIT, SILENT_AFTER, Overview, SiteLine, age, by_state, take_overview
from aegle.hub.panels import tiles
from aegle.hub.routes import Services
from aegle.pages.accounts import SignIn
from aegle.pages.people import PeoplePages
from aegle.pages.shell import Page, Place, Shell, Visit
from aegle.records import AuditEvent, AuditOutcome, RequestState

_LATEST = 8
_TONES = {
    RequestState.WAITING: "", RequestState.RUNNING: "", RequestState.PREDICTED: "good",
    RequestState.REJECTED: "warn", RequestState.FAILED: "bad", RequestState.SUPERSEDED: "",
}  # fmt: skip
_AUDIT_TONES = {AuditOutcome.OK: "good", AuditOutcome.REFUSED: "warn", AuditOutcome.FAILED: "bad"}
_NAVIGATION = (
    ("/", "Overview", Act.HUB_CONSOLE_VIEW),
    ("/requests", "Requests", Act.HUB_CONSOLE_VIEW),
    ("/labels", "Labels", Act.HUB_LABELS_QUERY),
    ("/audit", "Audit", Act.HUB_CONSOLE_VIEW),
    ("/people", "People", Act.PAGE_ACCOUNT_CHANGE),
)


def console(services: Services, sign_in: SignIn) -> Shell:
    """The console of a running hub, at `hub.localhost`."""
    place = Place(site="hub", title="operator's console", kind=None, navigation=_NAVIGATION)

    def pages(shell: Shell) -> Sequence[Page]:
        return (
            *OverviewPages(shell=shell, services=services).pages(),
            *LabelPages(shell=shell, services=services).pages(),
            *PeoplePages(shell=shell, sign_in=sign_in, audit=services.audit).pages(),
        )

    return Shell(place, sign_in, services.audit, Path(__file__).parent / "templates", pages)


@dataclass(frozen=True, kw_only=True)
class OverviewPages:
    """What runs, and how."""

    shell: Shell
    services: Services

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        act = Act.HUB_CONSOLE_VIEW
        return (
            Page(path="/", act=act, answer=self.show),
            Page(path="/requests", act=act, answer=self.list_requests),
            Page(path="/audit", act=act, answer=self.show_audit),
        )

    def show(self, visit: Visit) -> Response:
        """The hub at a glance; the page asks for itself again every few seconds."""
        overview = take_overview(self.services.database, self.services.warehouse)
        latest = requests.list_requests(self.services.database, limit=_LATEST)
        return self.shell.show(
            visit,
            "overview.html",
            overview=overview,
            states=_states(overview),
            panels=tiles(overview),
            sites=[_site_row(line, overview.taken_at) for line in overview.sites],
            requests=[_request_row(line, overview.taken_at) for line in latest],
            labels=[(count, BY_CODE[count.code].name if count.code in BY_CODE else "") for count in overview.labels],
            events=_events(self.services, _LATEST),
            taken_at=moment(overview.taken_at),
        )

    def list_requests(self, visit: Visit) -> Response:
        """The latest 200 requests, of one state when the address asks for it."""
        asked = visit.request.query_params.get("state", "")
        if asked and asked not in set(RequestState):
            raise BadMessage(f"state: one of {', '.join(RequestState)}")
        found = requests.list_requests(self.services.database, RequestState(asked) if asked else None)
        now = datetime.now(UTC)
        rows = [_request_row(line, now) for line in found]
        return self.shell.show(visit, "requests.html", requests=rows, asked=asked, states=list(RequestState))

    def show_audit(self, visit: Visit) -> Response:
        """The hub's latest 200 acts."""
        return self.shell.show(visit, "hub-audit.html", events=_events(self.services, 200))


def moment(at: datetime) -> str:
    """A time as the console writes it: local time of this machine, to the second."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _states(overview: Overview) -> list[dict[str, Any]]:
    return [
        {
            "state": state.value,
            "tone": _TONES[state],
            "requests": count,
            "oldest": age(overview.taken_at - oldest) if oldest else "",
            "open": state in (RequestState.WAITING, RequestState.RUNNING),
        }
        for state, (count, oldest) in by_state(overview.sites).items()
    ]


def _site_row(line: SiteLine, now: datetime) -> dict[str, Any]:
    status = line.status
    since = now - status.hello_at if status.hello_at else None
    return {
        "name": status.name,
        "kind": status.kind.value,
        "hello": status.hello,
        "age": "frozen" if status.frozen else f"{age(since)} ago" if since is not None else "never",
        "tone": "" if status.frozen else "bad" if since is None or since > SILENT_AFTER else "good",
        "disk": f"{status.hello.disk_free_bytes / 1e9:.0f} GB" if status.hello else "-",
        "bundle": line.bundle,
        "pinned": status.bundle_digest is not None,
        "point": line.operating_point,
        "requests": sum(count.requests for count in line.requests),
        "uncollected": sum(count.uncollected for count in line.requests),
    }


def _request_row(line: requests.RequestLine, now: datetime) -> dict[str, Any]:
    is_open = line.finished_at is None
    return {
        "short": line.request_id[:8],
        "site": line.site,
        "study": f"…{line.study_uid[-8:]}",
        "images": line.images,
        "state": line.state.value,
        "tone": "warn" if is_open and now - line.submitted_at > LONG_WAIT else _TONES[line.state],
        "age": age(now - line.submitted_at),
        "took": age(line.finished_at - line.submitted_at) if line.finished_at else "",
        "attempt": line.attempt,
        "worker": line.worker or "",
        "model": f"{line.bundle_name} {line.bundle_version}",
        "threshold": f"{line.threshold:.2f}",
        "policy": line.policy,
        "collected": bool(line.collected_at),
        "open": is_open,
    }


def _events(services: Services, newest: int) -> list[dict[str, str]]:
    return [_event_row(event) for event in services.audit.read(newest)]


def _event_row(event: AuditEvent) -> dict[str, str]:
    return {
        "at": moment(event.happened_at),
        "act": event.act,
        "outcome": event.outcome.value,
        "tone": _AUDIT_TONES[event.outcome],
        "principal": event.principal,
        "site": event.site,
        "subject": event.subject[-24:],
        "facts": ", ".join(f"{key} {value}" for key, value in event.facts.items())[:120],
    }
