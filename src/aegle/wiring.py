"""URL to port: the one place that knows which machine this is, and hands every program what it needs."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path

import httpx

from aegle import api, durable, logs
from aegle.config import Cloud
from aegle.errors import BadBundle, BadConfig, NotFound, PeerUnreachable
from aegle.hub.app import create_hub_app
from aegle.hub.bundles import Registration, register
from aegle.hub.console import console
from aegle.hub.database import Database, migrate
from aegle.hub.heads import KeptHead, heads_after
from aegle.hub.people import HubAccounts
from aegle.hub.routes import Services
from aegle.hub.worker import run_worker as run_hub_worker
from aegle.inference.bundle import Bundle, load, prove
from aegle.inference.process import ModelProcess
from aegle.inference.reading import Unfit, predicted, read_study, rejected
from aegle.local.accounts import SqliteAccounts
from aegle.local.archive import FileArchive
from aegle.local.audit import ChainedLines, heads_in
from aegle.local.enrolment import CREDENTIAL, OperatorClient
from aegle.local.home import Applied, Home
from aegle.local.hub_client import HttpHub
from aegle.local.postgres import Postgres
from aegle.local.secrets import FileSecrets
from aegle.local.warehouse import DuckWarehouse
from aegle.pages.accounts import SignIn
from aegle.pages.servers import HttpServer
from aegle.ports import ArchiveReader, AuditSink, Secrets
from aegle.protocols.dicomweb_client import DicomWebArchive
from aegle.records import AuditHead, Prediction, Rejection, Request
from aegle.site.folder import SiteFolder
from aegle.site.heads import kept_heads
from aegle.site.pages import site_shell
from aegle.site.program import SitePorts, SiteProgram


def site_folder(home: Home, name: str) -> SiteFolder:
    """Where a site keeps what."""
    return SiteFolder(root=home.site(name))


@contextmanager
def running_site(home: Home, name: str) -> Iterator[SiteProgram]:
    """A site's program with its pages, up until the block ends."""
    applied = home.require_applied()
    place, folder = applied.site(name), site_folder(home, name)
    with ExitStack() as stack:
        chain = ChainedLines(folder.audit, name, "site")
        stack.callback(chain.close)
        cloud = place.config.cloud
        own = _on_google(stack, cloud, folder, chain) if cloud else _on_this_machine(folder, applied, chain)
        stack.callback(own.hub.close)
        archive = FileArchive(folder.archive)
        stack.callback(archive.close)
        accounts = SqliteAccounts(folder.accounts)
        stack.callback(accounts.close)
        ports = SitePorts(
            secrets=own.secrets,
            archive=archive,
            audit=own.audit,
            hub=own.hub,
            heads=partial(heads_in, folder.audit, name),
            door_port=place.door_port,
            archive_port=place.archive_port,
            pages_port=place.pages_port,
            copy_audit=own.copy_audit,
        )
        program = SiteProgram(name, place.config, folder, ports)
        sign_in = SignIn(accounts, place.config.kind, own.secrets.get("page-key"))
        program.serve(site_shell(program, sign_in, own.audit).application())
        stack.callback(program.stop)
        program.start()
        yield program


@dataclass(frozen=True, kw_only=True)
class _Own:
    """The ports that depend on where a site's machine is."""

    secrets: Secrets
    audit: AuditSink
    hub: HttpHub
    copy_audit: Callable[[], bool] | None = None


def _on_this_machine(folder: SiteFolder, applied: Applied, chain: ChainedLines) -> _Own:
    """Beside the hub: files, and the hub on loopback by the credential that `aegle apply` made."""
    secrets = FileSecrets(folder.secrets)
    url = f"http://127.0.0.1:{applied.hub.port}"
    hub = HttpHub(url, lambda: f"{folder.root.name}.{secrets.get(CREDENTIAL).decode()}")
    return _Own(secrets=secrets, audit=chain, hub=hub)


def _on_google(stack: ExitStack, cloud: Cloud, folder: SiteFolder, chain: ChainedLines) -> _Own:
    """On Google Cloud: this machine's identity opens its secrets, its log and the hub; no key is stored."""
    try:
        from aegle.google import CloudTrail, SecretManager, Session, machine_credentials, site_token
    except ImportError:
        raise BadConfig("a site on Google Cloud needs its libraries: pip install 'aegle[gcp]'") from None
    client = stack.enter_context(httpx.Client(timeout=30))
    session = Session(machine_credentials(), client)
    trail = CloudTrail(chain, folder.root / "audit-copied.json", session, cloud.project)
    return _Own(
        secrets=SecretManager(session, cloud.project, folder.root.name),
        audit=trail,
        hub=HttpHub(cloud.hub_url, site_token(cloud.hub_url, client)),
        copy_audit=lambda: trail.ship() > 0,
    )


@contextmanager
def running_hub(home: Home) -> Iterator[None]:
    """The hub: database, API, warehouse and console, up until the block ends."""
    applied = home.require_applied()
    secrets = FileSecrets(home.hub / "secrets")
    with ExitStack() as stack:
        stack.enter_context(_hub_alone(home))
        url = _database_url(applied) or stack.enter_context(Postgres(home.hub / "postgres").kept())
        _lend_database(home, url)
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
        url, embedded = _database_url(applied), home.hub / "postgres"
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


def run_worker(home: Home, number: int) -> None:
    """One inference worker, until told to end."""
    applied = home.require_applied()
    bundle = load_bundle(applied)
    audit = ChainedLines(home.hub / "audit", "hub", f"worker-{number}")
    with httpx.Client(timeout=60, trust_env=False) as client, ModelProcess(bundle.model, bundle.card) as process:
        prove(bundle, process)
        logs.info("model proved", bundle=bundle.ref.digest[:12])
        run_hub_worker(
            _database_url(applied) or _borrow_database(home),
            open_archive=partial(open_archive, client=client),
            read=partial(_read, bundle, process),
            audit=audit,
            name=f"worker-{number}",
        )
    audit.close()


def open_archive(url: str, grant: str, client: httpx.Client) -> ArchiveReader:
    """An archive by its URL: any DICOMweb service."""
    return DicomWebArchive(url, grant, client)


def load_bundle(applied: Applied) -> Bundle:
    """The bundle that aegle.yaml names, else the synthetic reference model, which must carry our own signature."""
    if applied.hub.config.bundle is not None:
        return load(applied.hub.config.bundle)
    folder = Path(str(resources.files("aegle.demo"))) / "bundle"
    return load(folder / "papnet-1.0.0", signer=(folder / "papnet.pub").read_bytes())


def _read(bundle: Bundle, process: ModelProcess, archive: ArchiveReader, request: Request) -> Prediction | Rejection:
    """What the model says of the images that the request names, no others."""
    if request.bundle != bundle.ref:
        raise BadBundle(
            f"this worker has {bundle.ref.name} {bundle.ref.version}, the request is pinned to another bundle"
        )
    wanted = {instance.sop_uid for instance in request.instances}
    instances = [item for item in archive.instances(request.study_uid) if item.sop_uid in wanted]
    if len(instances) != len(wanted):
        raise NotFound("the archive no longer holds every image of the request")
    reading = read_study(archive, instances, bundle, process, request.operating_point)
    if isinstance(reading, Unfit):
        return rejected(reading, request, decided_at=datetime.now(UTC))
    return predicted(reading, request, prediction_id=_prediction_id(request), decided_at=datetime.now(UTC))


def _prediction_id(request: Request) -> str:
    """The same request read by the same bundle has the same prediction, whoever reads it."""
    return str(uuid.uuid5(uuid.UUID(request.request_id), f"{request.input_digest}|{request.bundle.digest}"))


def _registration(bundle: Bundle) -> Registration:
    return Registration(**vars(bundle.ref), threshold=bundle.card.operating_point.threshold)


def _database_url(applied: Applied) -> str:
    """An outside PostgreSQL, where one is named; else empty: the embedded one is used."""
    return os.environ.get("AEGLE_DATABASE_URL") or applied.hub.config.database_url or ""


def _lend_database(home: Home, url: str) -> None:
    """Tell this machine's workers where the database is. The URL holds its password."""
    durable.write(home.hub / "database-url", url.encode())


def _borrow_database(home: Home) -> str:
    try:
        return (home.hub / "database-url").read_text()
    except FileNotFoundError:
        raise PeerUnreachable("the hub has not started on this machine yet; `aegle up` starts it first") from None
