"""Places in a real Google Cloud project for the contract suites (`pytest --live`): made for one test, and taken away after it.

AEGLE_LIVE_PROJECT and AEGLE_LIVE_REGION name the project, made for trying (the blueprint's `hub-dev`); this machine's own
credentials need BigQuery Admin, Secret Manager Admin and Storage Admin in it. Without them the tests are skipped with the reason.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from aegle.google import BigQuery, Bucket, SecretManager, Session, address, machine_credentials
from aegle.provision import blueprint


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project in which things may be made."""

    name: str
    region: str
    session: Session
    endpoint: str | None = None  #: in place of Google, to try this file itself

    def at(self, service: str, path: str) -> str:
        return address(service, path, self.endpoint)


@contextmanager
def project() -> Iterator[Project]:
    """The project that the environment names."""
    name, region = os.environ.get("AEGLE_LIVE_PROJECT"), os.environ.get("AEGLE_LIVE_REGION")
    if not name or not region:
        pytest.skip("AEGLE_LIVE_PROJECT and AEGLE_LIVE_REGION name no project")
    with httpx.Client(timeout=60) as client:
        yield Project(name=name, region=region, session=Session(machine_credentials(), client))


@contextmanager
def warehouse(place: Project) -> Iterator[BigQuery]:
    """An empty warehouse, as the blueprint makes it."""
    name, root = (
        f"aegle_live_{secrets.token_hex(4)}",
        place.at("bigquery", f"bigquery/v2/projects/{place.name}/datasets"),
    )
    with ExitStack() as stack:
        for dataset in (name, f"{name}_read"):
            reference = {"datasetReference": {"projectId": place.name, "datasetId": dataset}, "location": place.region}
            place.session.call("POST", root, reference)
            stack.callback(place.session.call, "DELETE", f"{root}/{dataset}?deleteContents=true")
        for table, about in json.loads(blueprint.data("modules/warehouse/tables.json")).items():
            _table(place, root, name, table, {"schema": {"fields": about["columns"]}})
        text = (blueprint.folder() / "modules/warehouse/main.tf").read_text().partition("<<-SQL")[2].partition("SQL")[0]
        query = text.replace("${var.project}", place.name).replace("${var.name}", name)
        _table(place, root, f"{name}_read", "label_current", {"view": {"query": query, "useLegacySql": False}})
        yield BigQuery(place.session, place.name, place.region, name, place.endpoint)


def _table(place: Project, root: str, dataset: str, table: str, what: dict[str, Any]) -> None:
    reference = {"projectId": place.name, "datasetId": dataset, "tableId": table}
    place.session.call("POST", f"{root}/{dataset}/tables", {"tableReference": reference, **what})


@contextmanager
def secret_manager(place: Project, *names: str) -> Iterator[SecretManager]:
    """A store with these empty secrets."""
    prefix, root = f"live-{secrets.token_hex(4)}", place.at("secretmanager", f"v1/projects/{place.name}/secrets")
    replication = {"replication": {"userManaged": {"replicas": [{"location": place.region}]}}}
    with ExitStack() as stack:
        for name in names:
            place.session.call("POST", f"{root}?secretId={prefix}-{name}", replication)
            stack.callback(place.session.call, "DELETE", f"{root}/{prefix}-{name}")
        yield SecretManager(place.session, place.name, prefix, place.at("secretmanager", "v1"))


@contextmanager
def bucket(place: Project) -> Iterator[Bucket]:
    """An empty bucket."""
    name, root = f"{place.name}-live-{secrets.token_hex(4)}", place.at("storage", "storage/v1/b")
    uniform = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
    made = {
        "name": name,
        "location": place.region,
        "iamConfiguration": uniform,
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
    }
    place.session.call("POST", f"{root}?project={place.name}", made)
    found = Bucket(place.session, name, place.endpoint)
    try:
        yield found
    finally:
        for item in list(found.names("")):
            place.session.call("DELETE", f"{root}/{name}/o/{item.replace('/', '%2F').replace(' ', '%20')}")
        place.session.call("DELETE", f"{root}/{name}")
