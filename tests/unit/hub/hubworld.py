"""What the hub's tests share: a trail in memory, a submission, a running hub and its callers."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import uvicorn
from fastapi import FastAPI
from psycopg.conninfo import make_conninfo
from starlette.types import ASGIApp

from aegle.api import Submission
from aegle.hub.app import create_hub_app
from aegle.hub.bundles import Registration
from aegle.hub.database import Database
from aegle.hub.routes import Services
from aegle.hub.sites import rotate_credential
from aegle.local.warehouse import DuckWarehouse
from aegle.records import AuditEvent, AuditHead, InstanceRef, Label, LabelSubject, Prediction, Quality, Request, Score

BUNDLE = Registration(name="papnet", version="1.0.0", digest="b" * 64, threshold=0.4)
ARCHIVE = "http://127.0.0.1:8042/{}/dicom-web"


class Trail:
    """An audit sink in memory."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def append(self, *events: AuditEvent) -> None:
        self.events += events

    def head(self) -> AuditHead:
        return AuditHead(chain="hub/hub", count=len(self.events), digest="0" * 64)

    def read(self, newest: int) -> Iterator[AuditEvent]:
        return iter(self.events[::-1][:newest])

    def acts(self) -> list[str]:
        return [f"{item.act} {item.outcome}" for item in self.events]


def submission(number: int = 1, *, site: str = "st-anna", digest: str = "", **changes: object) -> Submission:
    """One study with two images, its grant good for an hour."""
    study = f"2.25.{number}"
    images = tuple(
        InstanceRef(study_uid=study, series_uid=f"{study}.1", sop_uid=f"{study}.1.{image}", sop_class="1.2.840.10008.5")
        for image in (1, 2)
    )
    values = {
        "key": f"{study}:{digest[:8]}", "study_uid": study, "input_digest": digest or f"{number:064x}",
        "instances": images, "archive_url": ARCHIVE.format(site), "grant": f"grant-of-{number}",
        "grant_expires_at": datetime.now(UTC) + timedelta(hours=1), **changes,
    }  # fmt: skip
    return Submission(**values)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A hub over a fresh database, its callers, and its audit trail."""

    app: FastAPI
    client: httpx.Client
    trail: Trail
    database: Database
    tokens: dict[str, str]
    services: Services

    def call(self, who: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {self.tokens[who]}"} if who else {}
        answer = self.client.request(method, path, content=body, headers=headers)
        return answer.status_code, answer.content


def label(number: int = 1, **changes: object) -> Label:
    """A fit label of the laboratory."""
    values = {
        "event_id": f"00000000-0000-4000-8000-{number:012d}", "made_at": datetime.now(UTC), "site": "cytolab",
        "reader": "r1", "study_uid": "2.25.1", "series_uid": "2.25.2", "sop_uid": "2.25.3",
        "subject": LabelSubject.REGION, "code": "HSIL", "shape": "box", "points_px": ((1.0, 2.0), (3.0, 4.0)),
        "label_id": f"00000000-0000-4000-9000-{number:012d}", **changes,
    }  # fmt: skip
    return Label(**values)  # type: ignore[arg-type]


def prediction(request: Request, **changes: object) -> Prediction:
    """A good answer to a request."""
    values = {
        "prediction_id": str(uuid.uuid4()), "request_id": request.request_id, "site": request.site,
        "study_uid": request.study_uid, "input_digest": request.input_digest, "sources": request.instances,
        "bundle": request.bundle, "operating_point": request.operating_point, "finding": "HSIL", "score": 0.9,
        "scores": (Score(code="NILM", value=0.1), Score(code="HSIL", value=0.9)),
        "quality": Quality(accepted=True, focus=0.8, cells=120), "regions": (), "evidence": (),
        "decided_at": datetime.now(UTC), **changes,
    }  # fmt: skip
    return Prediction(**values)  # type: ignore[arg-type]


@contextmanager
def serving(app: ASGIApp) -> Iterator[httpx.Client]:
    """The application behind real HTTP on loopback."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.005)
        assert thread.is_alive(), "the hub did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def running(database: Database, folder: Path) -> Iterator[Running]:
    """The whole hub over a database, with fresh credentials."""
    trail = Trail()
    tokens = {name: f"{name}.{rotate_credential(database, name)}" for name in ("st-anna", "st-berta", "cytolab")}
    tokens["operator"] = "operator.an-operators-secret"
    with DuckWarehouse(folder / "labels.duckdb") as warehouse:
        services = Services(
            database=database, warehouse=warehouse, audit=trail, heads=lambda: [trail.head()],
            operator_secret="an-operators-secret",
        )  # fmt: skip
        app = create_hub_app(services, sweep_every_s=60)
        with serving(app) as client:
            yield Running(app=app, client=client, trail=trail, database=database, tokens=tokens, services=services)


def new_database(server_url: str, name: str, template: str = "template1") -> str:
    """Make a database and answer its URL."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return make_conninfo(server_url, dbname=name)
