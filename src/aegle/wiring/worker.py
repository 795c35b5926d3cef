"""An inference worker: the model in a child process, archives by the URL that comes with a request."""

import uuid
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path

import httpx

from aegle import logs
from aegle.errors import BadBundle, NotFound
from aegle.estate import HubCloud
from aegle.hub.database import Database
from aegle.hub.worker import run_worker as run_hub_worker
from aegle.inference.bundle import Bundle, load, prove
from aegle.inference.process import ModelProcess
from aegle.inference.reading import Unfit, predicted, read_study, rejected
from aegle.local.audit import ChainedLines
from aegle.local.home import Applied, Home
from aegle.ports import ArchiveReader, AuditSink
from aegle.protocols.dicomweb_client import DicomWebArchive
from aegle.records import Prediction, Rejection, Request
from aegle.wiring.cloud import machine, on_google, wait_for_tables
from aegle.wiring.database import borrow_database, database_url


def run_worker(home: Home, number: int) -> None:
    """One inference worker, until told to end."""
    applied = home.require_applied()
    name = f"worker-{number}"
    with ExitStack() as stack:
        own = _on_google(stack, home, applied.hub.config.cloud, name) if applied.hub.config.cloud else None
        own = own or _on_this_machine(stack, home, applied, name)
        bundle = load_bundle(applied, own.bundle)
        client = stack.enter_context(httpx.Client(timeout=60, trust_env=False))
        process = stack.enter_context(ModelProcess(bundle.model, bundle.card))
        prove(bundle, process)
        logs.info("model proved", bundle=bundle.ref.digest[:12])
        run_hub_worker(
            own.database_url,
            open_archive=partial(open_archive, client=client),
            read=partial(_read, bundle, process),
            audit=own.audit,
            name=own.name,
        )


@dataclass(frozen=True, kw_only=True)
class _Own:
    """What depends on where the worker's machine is."""

    name: str
    database_url: str
    audit: AuditSink
    bundle: Path | None = None


def _on_this_machine(stack: ExitStack, home: Home, applied: Applied, name: str) -> _Own:
    audit = ChainedLines(home.hub / "audit", "hub", name)
    stack.callback(audit.close)
    return _Own(name=name, database_url=database_url(applied) or borrow_database(home), audit=audit)


def _on_google(stack: ExitStack, home: Home, cloud: HubCloud, name: str) -> _Own:
    """On a machine of its own: waits until the hub's tables are there."""
    own = stack.enter_context(on_google(home, cloud))
    url = own.database_url()
    with closing(Database(url, connections=1)) as database:
        wait_for_tables(database)
    name = f"{name}-{machine(home)}"  # one of many machines, each with a first worker
    return _Own(name=name, database_url=url, audit=own.audit("worker"), bundle=own.bundle())


def open_archive(url: str, grant: str, client: httpx.Client) -> ArchiveReader:
    """An archive by its URL: any DICOMweb service."""
    return DicomWebArchive(url, grant, client)


def load_bundle(applied: Applied, fetched: Path | None = None) -> Bundle:
    """The bundle that was fetched or that aegle.yaml names, else the synthetic reference model, which must carry our own
    signature."""
    if fetched is not None:
        return load(fetched)
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
