"""The hub's program, and the audit heads that it holds for its sites."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial

import httpx

from aegle import api, durable, logs
from aegle.errors import BadConfig
from aegle.hub.app import create_hub_app
from aegle.hub.bundles import Registration, register
from aegle.hub.console import console
from aegle.hub.database import Database, migrate
from aegle.hub.heads import KeptHead, heads_after
from aegle.hub.people import HubAccounts
from aegle.hub.routes import Services
from aegle.inference.bundle import Bundle
from aegle.local.audit import ChainedLines, heads_in
from aegle.local.enrolment import OperatorClient
from aegle.local.home import Applied, Home
from aegle.local.postgres import Postgres
from aegle.local.secrets import FileSecrets
from aegle.local.warehouse import DuckWarehouse
from aegle.pages.accounts import SignIn
from aegle.pages.servers import HttpServer
from aegle.records import AuditHead
from aegle.site.folder import SiteFolder
from aegle.site.heads import kept_heads
from aegle.wiring.database import database_url, lend_database
from aegle.wiring.worker import load_bundle


@contextmanager
def running_hub(home: Home) -> Iterator[None]:
    """The hub: database, API, warehouse and console, up until the block ends."""
    applied = home.require_applied()
    secrets = FileSecrets(home.hub / "secrets")
    with ExitStack() as stack:
        stack.enter_context(_hub_alone(home))
        url = database_url(applied) or stack.enter_context(Postgres(home.hub / "postgres").kept())
        lend_database(home, url)
        database = Database(url)
        stack.callback(database.close)
        migrate(database)
        register(database, _registration(load_bundle(applied)))
        warehouse = stack.enter_context(DuckWarehouse(home.hub / "warehouse.duckdb"))
        audit = ChainedLines(home.hub / "audit", "hub", "hub")
        stack.callback(audit.close)
        services = Services(
            database=database,
            warehouse=warehouse,
            audit=audit,
            heads=partial(heads_in, home.hub / "audit", "hub"),
            operator_secret=secrets.get("operator-token").hex(),
            account_of=_account_of(stack, applied.hub.config.audience),
        )
        pages = console(services, SignIn(HubAccounts(database), None, secrets.get("page-key"))).application()
        for server in (
            HttpServer(create_hub_app(services), applied.hub.config.bind, applied.hub.port),
            HttpServer(pages, "127.0.0.1", applied.hub.pages_port),
        ):
            stack.callback(server.stop)
            server.start()
        logs.info("hub is up", port=applied.hub.port)
        yield


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
