"""The hub at a glance: every site with its health, model and requests, label counts, and what a person should look at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aegle import __version__
from aegle.errors import NotFound
from aegle.hub.database import Database, Transaction, every, one
from aegle.hub.sites import SiteStatus, in_force, list_sites
from aegle.ports import Warehouse
from aegle.records import BundleRef, OperatingPoint, RequestState, SiteKind

SILENT_AFTER = timedelta(seconds=60)  #: a site says hello every ten seconds
LONG_WAIT = timedelta(seconds=120)  #: a waiting or running request that is older is worth a look
LITTLE_DISK_BYTES = 5_000_000_000
WORKER_ALIVE_S = 40.0  #: a worker's heartbeat in the queue comes every ten seconds
_LABELS = """SELECT site, code, count(*) AS labels, count(DISTINCT reader) AS readers
    FROM label_current GROUP BY site, code ORDER BY site, code"""


@dataclass(frozen=True, kw_only=True)
class SiteCount:
    """Requests of one site in one state."""

    site: str
    state: RequestState
    requests: int
    lately: int  #: of them, finished in the last 24 hours
    oldest: datetime  #: when the oldest of them was submitted
    uncollected: int  #: finished, and not yet held by the site


@dataclass(frozen=True, kw_only=True)
class SiteLine:
    """One site with what its next request would be read with, and its requests."""

    status: SiteStatus
    bundle: BundleRef | None  #: None for a laboratory, and while no model is registered
    operating_point: OperatingPoint | None
    requests: tuple[SiteCount, ...]


@dataclass(frozen=True, kw_only=True)
class LabelCount:
    """Current labels of one code at one site."""

    site: str
    code: str
    labels: int
    readers: int


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something a person should look at, with the remedy."""

    grave: bool  #: studies are not being served; else worth a look
    site: str  #: empty for the hub itself
    what: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The hub as it stands at one moment."""

    taken_at: datetime
    software: str
    workers: int  #: with a heartbeat of the last `WORKER_ALIVE_S`
    sites: tuple[SiteLine, ...]
    labels: tuple[LabelCount, ...]
    alerts: tuple[Alert, ...]

    def site(self, name: str) -> SiteLine:
        """One site. Raises NotFound."""
        found = next((line for line in self.sites if line.status.name == name), None)
        if found is None:
            raise NotFound(f"no site {name} at the hub; `aegle status` lists them")
        return found


def take_overview(database: Database, warehouse: Warehouse) -> Overview:
    """Look at everything once."""
    now = datetime.now(UTC)
    statuses = list_sites(database)
    with database.transaction() as transaction:
        counts = [
            SiteCount(**{**row, "state": RequestState(row["state"])}) for row in every(transaction, "counts_by_site")
        ]
        lines = tuple(_line(transaction, status, counts) for status in statuses)
        row = one(transaction, "workers_alive", alive_s=WORKER_ALIVE_S)
    workers = int(row["workers"]) if row else 0
    labels = tuple(
        LabelCount(site=site, code=code, labels=labels, readers=readers)
        for site, code, labels, readers in warehouse.query(_LABELS).rows
    )
    return Overview(
        taken_at=now, software=__version__, workers=workers, sites=lines, labels=labels,
        alerts=tuple(find_alerts(lines, workers, now)),
    )  # fmt: skip


def by_state(lines: Sequence[SiteLine]) -> Mapping[RequestState, tuple[int, datetime | None]]:
    """For every state how many requests of these sites are in it, and when the oldest was submitted."""
    counts = [count for line in lines for count in line.requests]
    return {
        state: (
            sum(count.requests for count in counts if count.state is state),
            min((count.oldest for count in counts if count.state is state), default=None),
        )
        for state in RequestState
    }


def find_alerts(lines: Sequence[SiteLine], workers: int, now: datetime) -> Iterator[Alert]:
    """What a person should look at, the hub's own first."""
    hospitals = [line for line in lines if line.status.kind is SiteKind.HOSPITAL]
    if hospitals and any(line.bundle is None for line in hospitals):
        yield Alert(
            grave=True,
            site="",
            what="No model is registered.",
            remedy="Name a bundle in aegle.yaml and restart the hub.",
        )
    if not workers and by_state(hospitals)[RequestState.WAITING][0]:
        yield Alert(
            grave=True, site="", what="Requests wait and no worker is alive.",
            remedy="Set hub.workers in aegle.yaml, run `aegle apply`, and look into the workers' logs.",
        )  # fmt: skip
    for line in lines:
        if not line.status.frozen:
            yield from _site_alerts(line, now)


def _site_alerts(line: SiteLine, now: datetime) -> Iterator[Alert]:
    name, hello = line.status.name, line.status.hello
    last = line.status.hello_at or line.status.enrolled_at
    if now - last > SILENT_AFTER:
        said = "has never said hello" if hello is None else f"has been silent for {age(now - last)}"
        yield Alert(grave=True, site=name, what=f"{name} {said}.", remedy="See whether its program and network are up.")
    if hello is not None and hello.disk_free_bytes < LITTLE_DISK_BYTES:
        left = f"{hello.disk_free_bytes / 1e9:.1f} GB"
        yield Alert(grave=False, site=name, what=f"{name} has {left} of disk left.", remedy="Give the site more disk.")
    if hello is not None and hello.held:
        what = f"{_count(hello.held, 'object')} held at the door of {name}."
        yield Alert(grave=False, site=name, what=what, remedy="Its administrator decides on the site's Held page.")
    for count in line.requests:
        yield from _request_alerts(count, now)


def _request_alerts(count: SiteCount, now: datetime) -> Iterator[Alert]:
    site = count.site
    if count.state is RequestState.FAILED and count.lately:
        what = f"{_count(count.lately, 'request')} of {site} failed in the last 24 hours."
        yield Alert(grave=True, site=site, what=what, remedy="The site reads them by hand; the code says what broke.")
    waits = count.state in (RequestState.WAITING, RequestState.RUNNING)
    if waits and now - count.oldest > LONG_WAIT:
        what = f"A request of {site} has been {count.state.value} for {age(now - count.oldest)}."
        yield Alert(grave=True, site=site, what=what, remedy="See whether workers run and reach the site's archive.")


def age(span: timedelta) -> str:
    """A length of time as a person says it."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def _line(transaction: Transaction, status: SiteStatus, counts: Sequence[SiteCount]) -> SiteLine:
    force = in_force(transaction, status.name) if status.kind is SiteKind.HOSPITAL else None
    bundle, point = force or (None, None)
    own = tuple(count for count in counts if count.site == status.name)
    return SiteLine(status=status, bundle=bundle, operating_point=point, requests=own)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
