"""The hub's program, and the audit heads that it holds for its sites."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from aegle import __version__, api, durable, logs
from aegle.access import Act, event
from aegle.errors import BadConfig
from aegle.estate import HubCloud
from aegle.hub.app import create_hub_app
from aegle.hub.bundles import Registration, register
from aegle.hub.console import console
from aegle.hub.database import Database, migrate
from aegle.hub.enrolments import take_in
from aegle.hub.feed import AuditFeed, feed_outcomes, queue_depth
from aegle.hub.heads import KeptHead, heads_after
from aegle.hub.people import HubAccounts
from aegle.hub.routes import Services
from aegle.hub.schema import let_in
from aegle.inference.bundle import Bundle
from aegle.local.audit import ChainedLines, heads_in
from aegle.local.enrolment import OperatorClient
from aegle.local.home import Applied, Home
from aegle.local.postgres import Postgres
from aegle.local.secrets import FileSecrets
from aegle.local.warehouse import DuckWarehouse
from aegle.pages.accounts import SignIn
from aegle.pages.servers import HttpServer
from aegle.ports import AuditSink, Secrets, Warehouse
from aegle.records import AuditHead
from aegle.site.folder import SiteFolder
from aegle.site.heads import kept_heads
from aegle.wiring.cloud import on_google, wait_for_tables
from aegle.wiring.database import database_url, lend_database
from aegle.wiring.rounds import rounds
from aegle.wiring.worker import load_bundle

ROUND_S = 10.0  #: an autoscaler wants a figure a minute


@contextmanager
def running_hub(home: Home) -> Iterator[None]:
    """The hub: database, API, warehouse and console, up until the block ends."""
    applied = home.require_applied()
    with ExitStack() as stack:
        stack.enter_context(_hub_alone(home))
        cloud = applied.hub.config.cloud
        own = _on_google(stack, home, applied, cloud) if cloud else _on_this_machine(stack, home, applied)
        lend_database(home, own.database.url)
        register(own.database, _registration(load_bundle(applied, own.bundle)))
        services = Services(
            database=own.database,
            warehouse=own.warehouse,
            audit=own.audit,
            heads=partial(heads_in, home.hub / "audit", "hub"),
            operator_secret=own.secrets.get("operator-token").hex(),
            account_of=own.account_of,
        )
        pages = console(services, SignIn(HubAccounts(own.database), None, own.secrets.get("page-key"))).application()
        for server in (
            HttpServer(create_hub_app(services), applied.hub.config.bind, applied.hub.port),
            HttpServer(pages, "127.0.0.1", applied.hub.pages_port),
        ):
            stack.callback(server.stop)
            server.start()
        feed = AuditFeed(own.audit, home.hub / "audit" / "fed.json", own.warehouse)
        acts = {"outcomes to the warehouse": partial(feed_outcomes, own.database, own.warehouse)}
        stack.enter_context(rounds(ROUND_S, {**own.acts, **acts, "audit to the warehouse": feed.turn}))
        logs.info("hub is up", port=applied.hub.port)
        yield


@dataclass(frozen=True, kw_only=True)
class _Own:
    """What depends on where the hub's machine is."""

    database: Database
    secrets: Secrets
    warehouse: Warehouse
    audit: AuditSink
    account_of: Callable[[str], str] | None
    bundle: Path | None = None
    acts: Mapping[str, Callable[[], object]] = field(default_factory=dict)  #: done once a round


def _on_this_machine(stack: ExitStack, home: Home, applied: Applied) -> _Own:
    """Everything beside each other: embedded PostgreSQL unless another is named, files, DuckDB."""
    url = database_url(applied) or stack.enter_context(Postgres(home.hub / "postgres").kept())
    database = Database(url)
    stack.callback(database.close)
    migrate(database)
    audit = ChainedLines(home.hub / "audit", "hub", "hub")
    stack.callback(audit.close)
    return _Own(
        database=database,
        secrets=FileSecrets(home.hub / "secrets"),
        warehouse=stack.enter_context(DuckWarehouse(home.hub / "warehouse.duckdb")),
        audit=audit,
        account_of=_account_of(stack, applied.hub.config.audience),
    )


def _on_google(stack: ExitStack, home: Home, applied: Applied, cloud: HubCloud) -> _Own:
    """Cloud SQL, Secret Manager, BigQuery, Cloud Logging and a bucket. The tables were made by another identity."""
    own = stack.enter_context(on_google(home, cloud))
    secrets = own.secrets()
    _lend_operator_token(home, secrets)
    database = Database(own.database_url())
    stack.callback(database.close)
    wait_for_tables(database)
    audit, audience = own.audit("hub"), applied.hub.config.audience
    return _Own(
        database=database,
        secrets=secrets,
        warehouse=own.warehouse(),
        audit=audit,
        account_of=own.verifier(audience).account if audience else None,
        bundle=own.bundle(),
        acts={
            "enrolments": lambda: take_in(database, audit, own.enrolments()),
            "depth of the queue": lambda: own.publish_depth(queue_depth(database)),
        },
    )


def _lend_operator_token(home: Home, secrets: Secrets) -> None:
    """Commands on this machine ask the hub with the token that Secret Manager has."""
    here, token = FileSecrets(home.hub / "secrets"), secrets.get("operator-token")
    if not here.versions("operator-token") or here.get("operator-token") != token:
        here.put("operator-token", token)


def migrate_hub(home: Home) -> Sequence[str]:
    """Bring the tables of a hub on Google Cloud up to date, as the identity that owns them, and let hub and workers in;
    answers the steps taken. Idempotent. Raises BadConfig on a machine that is not made for it."""
    cloud = home.require_applied().hub.config.cloud
    if cloud is None or not (cloud.database.hub and cloud.database.worker):
        raise BadConfig("only a machine with hub.cloud.database.hub and worker migrates; elsewhere `aegle up` does it")
    with on_google(home, cloud) as own, closing(Database(own.database_url(), connections=1)) as database:
        taken = migrate(database)
        let_in(database, cloud.database.hub, cloud.database.worker)
        own.audit("migration").append(event(Act.HUB_SCHEMA_MIGRATE, count=len(taken), software=__version__))
    return taken


def _account_of(stack: ExitStack, audience: str | None) -> Callable[[str], str] | None:
    """Whose Google ID token it is, at a hub that takes them."""
    if audience is None:
        return None
    try:
        from aegle.google import TokenVerifier
    except ImportError:
        raise BadConfig("a hub that takes Google identities needs their library: pip install 'aegle[gcp]'") from None
    return TokenVerifier(audience, stack.enter_context(httpx.Client(timeout=30))).account


def lodged_heads(home: Home) -> Sequence[AuditHead]:
    """Every audit head that one party holds for the other on this machine, whether the hub runs or not."""
    applied = home.require_applied()
    client = OperatorClient(home, applied.hub.port)
    at_hub = _ask_heads(client) if client.is_ready() else _read_heads(home, applied)
    sites = [SiteFolder(root=root) for root in sorted((home.root / "sites").glob("*"))]
    return [*at_hub, *(head for site in sites for head in kept_heads(site.lodged))]


def _ask_heads(client: OperatorClient) -> Iterator[AuditHead]:
    after = 0
    while found := api.decode(
        tuple[KeptHead, ...], client.call("GET", f"/v1/admin/audit/history?after={after}").content
    ):
        yield from map(_plain, found)
        after = found[-1].head_id


def _read_heads(home: Home, applied: Applied) -> Iterator[AuditHead]:
    """From the database itself, started for as long as this takes where it is the embedded one."""
    with ExitStack() as stack:
        stack.enter_context(_hub_alone(home))
        url, embedded = database_url(applied), home.hub / "postgres"
        if not url and not embedded.exists():
            return
        database = Database(url or stack.enter_context(Postgres(embedded)), connections=1)
        stack.callback(database.close)
        after = 0
        while found := heads_after(database, after, 1000):
            yield from map(_plain, found)
            after = found[-1].head_id


def _plain(head: KeptHead) -> AuditHead:
    return AuditHead(chain=head.chain, count=head.count, digest=head.digest)


def _hub_alone(home: Home) -> AbstractContextManager[object]:
    """The right to start the hub's database. Raises Overloaded while another process has it."""
    return closing(durable.claim(home.hub / "hub.lock", "the hub of this folder"))


def _registration(bundle: Bundle) -> Registration:
    return Registration(**vars(bundle.ref), threshold=bundle.card.operating_point.threshold)
