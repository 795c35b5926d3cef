"""An inference worker: the model in a child process, archives by the URL that comes with a request."""

import uuid
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path

import httpx

from aegle import logs
from aegle.errors import BadBundle, NotFound
from aegle.hub.worker import run_worker as run_hub_worker
from aegle.inference.bundle import Bundle, load, prove
from aegle.inference.process import ModelProcess
from aegle.inference.reading import Unfit, predicted, read_study, rejected
from aegle.local.audit import ChainedLines
from aegle.local.home import Applied, Home
from aegle.ports import ArchiveReader
from aegle.protocols.dicomweb_client import DicomWebArchive
from aegle.records import Prediction, Rejection, Request
from aegle.wiring.database import borrow_database, database_url


def run_worker(home: Home, number: int) -> None:
    """One inference worker, until told to end."""
    applied = home.require_applied()
    bundle = load_bundle(applied)
    audit = ChainedLines(home.hub / "audit", "hub", f"worker-{number}")
    with httpx.Client(timeout=60, trust_env=False) as client, ModelProcess(bundle.model, bundle.card) as process:
        prove(bundle, process)
        logs.info("model proved", bundle=bundle.ref.digest[:12])
        run_hub_worker(
            database_url(applied) or borrow_database(home),
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
