"""A hub's programs on Google Cloud: this machine's identity opens database, secrets, warehouse, audit log and bucket."""

import secrets as random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import httpx

from aegle import durable, logs
from aegle.errors import BadBundle
from aegle.estate import HubCloud
from aegle.hub.database import Database
from aegle.hub.schema import await_schema
from aegle.local.audit import ChainedLines
from aegle.local.home import Home
from aegle.ports import AuditSink, Secrets
from aegle.wiring.identity import google_session

if TYPE_CHECKING:
    from aegle import google

_SITES, _BUNDLES = "sites/", "bundles/"


@dataclass(frozen=True)
class OnGoogle:
    """The hub's ports on Google Cloud, for as long as `on_google` lasts."""

    home: Home
    cloud: HubCloud
    session: "google.Session"
    stack: ExitStack

    @cached_property
    def bucket(self) -> "google.Bucket":
        """Bundles and enrolments."""
        from aegle.google import Bucket

        return Bucket(self.session, self.cloud.bucket, self.cloud.endpoint)

    def secrets(self) -> Secrets:
        """The hub's secrets."""
        from aegle.google import SecretManager, address

        service = address("secretmanager", "v1", self.cloud.endpoint)
        return SecretManager(self.session, self.cloud.project, "hub", service)

    def warehouse(self) -> "google.BigQuery":
        """The warehouse."""
        from aegle.google import BigQuery

        return BigQuery(self.session, self.cloud.project, self.cloud.region, self.cloud.dataset, self.cloud.endpoint)

    def audit(self, process: str) -> AuditSink:
        """The trail of one process of this machine: a chain here, and in Cloud Logging before an act is acknowledged.

        Machines come and go: a chain carries its machine in its name, so that no two are the same."""
        from aegle.google import PromptTrail, address

        chain = ChainedLines(self.home.hub / "audit", "hub", f"{process}-{machine(self.home)}")
        self.stack.callback(chain.close)
        copied = self.home.hub / "audit" / f"{process}-copied.json"
        trail = PromptTrail(
            chain, copied, self.session, self.cloud.project, address("logging", "v2", self.cloud.endpoint)
        )
        self.stack.callback(trail.close)
        return trail

    def database_url(self) -> str:
        """Where the database is; signed in to by this machine's identity until `on_google` ends."""
        from aegle.google import CloudSql

        place = CloudSql(self.session, self.cloud.database, self.home.hub / "database", self.cloud.endpoint)
        return self.stack.enter_context(place.reached())

    def bundle(self) -> Path | None:
        """The folder of the bundle that the blueprint names, fetched once; None for the reference model."""
        if self.cloud.bundle is None:
            return None
        folder = self.home.hub / "bundles" / self.cloud.bundle
        if not folder.exists():
            _fetch(self.bucket, f"{_BUNDLES}{self.cloud.bundle}/", folder)
        return folder

    def enrolments(self) -> Mapping[str, bytes]:
        """What the blueprint wrote of each site, by file name."""
        place = durable.private_folder(self.home.hub / "enrolments")
        found = {}
        for name in self.bucket.names(_SITES):
            file = place / PurePosixPath(name).name
            self.bucket.fetch(name, file)
            found[file.name] = file.read_bytes()
        return found

    def verifier(self, audience: str) -> "google.TokenVerifier":
        """Whose Google ID token it is."""
        from aegle.google import TokenVerifier, address
        from aegle.google.identity import CERTIFICATES

        client = self.stack.enter_context(httpx.Client(timeout=30))
        endpoint = self.cloud.endpoint
        certificates = CERTIFICATES if endpoint is None else address("www", "oauth2/v1/certs", endpoint)
        return TokenVerifier(audience, client, certificates)

    def publish_depth(self, depth: int) -> None:
        """Tell the autoscaler of the workers how many requests are open."""
        from aegle.google import QUEUE_DEPTH, Figures

        Figures(self.session, self.cloud.project, self.cloud.endpoint).write(QUEUE_DEPTH, depth)


@contextmanager
def on_google(home: Home, cloud: HubCloud) -> Iterator[OnGoogle]:
    """The ports while the block runs. Raises BadConfig without Google's libraries, Unauthenticated without an identity."""
    with ExitStack() as stack:
        session, _ = google_session(stack)
        yield OnGoogle(home, cloud, session, stack)


def wait_for_tables(database: Database) -> None:
    """Return when the machine that migrates has done so."""
    await_schema(database, lambda: logs.warning("waiting for the migration of the database"))


def machine(home: Home) -> str:
    """What this machine is called in the names of its audit chains; made once, and gone with its disk."""
    place = home.hub / "machine"
    if not place.exists():
        durable.write(place, random.token_hex(4).encode())
    return place.read_text(encoding="ascii")


def _fetch(bucket: "google.Bucket", prefix: str, folder: Path) -> None:
    """Every object below the prefix, made aside and renamed: a bundle is there whole or not at all."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    names = [name.removeprefix(prefix) for name in bucket.names(prefix) if not name.endswith("/")]
    if not names:
        raise BadBundle(f"the hub's bucket has no {prefix}: copy the bundle's folder there")
    for name in names:
        if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name:
            raise BadBundle("an object of the bundle has a name that is no path inside it")
        bucket.fetch(f"{prefix}{name}", fresh / name)
    fresh.rename(folder)
