"""A pretended cloud for tests: stand-in providers of one version, the world behind them, and roots to run on it."""

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from aegle.provision import blueprint
from aegle.provision.terraform import Terraform
from infra import states
from infra.standin import bindings, serve
from infra.standin.provider import Provider
from infra.standin.world import World
from infra.states import States

VERSIONS: Final = ("7.46.1", "8.7.0")
"""The providers at both ends of the blueprint's range."""

_WHEELS: Final = {"7.46.1": "20.3.1", "8.7.0": "21.1.0"}  #: provider -> release of the bindings
_BETA: Final = frozenset({"google_project_service_identity"})  #: types that only google-beta has
_SPOILED: Final = frozenset(
    f"google_{name}"
    for name in (
        "bigquery_connection", "compute_attached_disk", "compute_network_firewall_policy", "compute_network_peering",
        "compute_project_metadata_item", "dns_policy", "iam_workforce_pool", "kms_key_ring_iam_member",
        "logging_project_exclusion", "logging_project_sink", "project_iam_audit_config", "pubsub_topic",
        "service_account_key", "storage_bucket_iam_binding",
    )
)  # fmt: skip
"""Types that only a spoiled blueprint uses (see `mutations`)."""
FOLDER: Final = Path(os.environ.get("AEGLE_PROVIDERS", Path(__file__).parents[2] / ".venv" / "providers"))


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Where terraform may be run, and what it made."""

    world: World
    environment: dict[str, str]
    folder: Path  #: of this cloud's own files
    states: States

    def root(self, name: str) -> Terraform:
        """A root of the blueprint, copied, with its state in this cloud."""
        copied = blueprint.copy_to(self.folder, {root: self.states.backend(root) for root in blueprint.ROOTS})
        return self.at(copied / name)

    def at(self, root: Path) -> Terraform:
        """Terraform in a folder of the test's own."""
        terraform = Terraform(root=root, work=self.folder / root.name, environment=self.environment)
        terraform.init()
        return terraform

    def apply(self, terraform: Terraform, inputs: dict[str, Any], *, refresh: bool = True) -> bool:
        """Plan and apply; whether anything was to do."""
        if not terraform.plan(inputs, refresh=refresh):
            return False
        for _ in terraform.apply():
            pass
        return True


@contextlib.contextmanager
def open_cloud(
    folder: Path, version: str = VERSIONS[-1], roles: frozenset[str] = frozenset(blueprint.roles())
) -> Iterator[Cloud]:
    """A cloud in which nothing exists yet; it refuses to grant other roles (none named: it grants any)."""
    world = World()
    providers = {name: Provider(_declared(version, name), world, roles) for name in ("google", "google-beta")}
    with serve.serving(providers) as environment, states.serving() as kept:
        yield Cloud(world=world, environment=environment, folder=folder, states=kept)


@functools.cache
def _declared(version: str, provider: str) -> dict[str, Any]:
    types = serve.types_in(blueprint.folder()) | _SPOILED
    wanted = types & _BETA if provider == "google-beta" else types - _BETA
    name = f"cdktn_provider_{provider.replace('-', '_')}-{_WHEELS[version]}-py3-none-any.whl"
    if not (FOLDER / name).exists():
        require = pytest.fail if os.environ.get("AEGLE_REQUIRE_PEERS") else pytest.skip
        require(f"{name} is not in {FOLDER}; `make providers` fetches it")
    return bindings.load(FOLDER / name, wanted, FOLDER / "schemas")
