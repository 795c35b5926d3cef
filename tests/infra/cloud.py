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
from infra.standin import bindings, serve
from infra.standin.provider import Provider
from infra.standin.world import World

VERSIONS: Final = ("7.46.1", "8.7.0")
"""The providers at both ends of the blueprint's range."""

_WHEELS: Final = {"7.46.1": "20.3.1", "8.7.0": "21.1.0"}  #: provider -> release of the bindings
_BETA: Final = frozenset({"google_project_service_identity"})  #: types that only google-beta has
FOLDER: Final = Path(os.environ.get("AEGLE_PROVIDERS", Path(__file__).parents[2] / ".venv" / "providers"))


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Where terraform may be run, and what it made."""

    world: World
    environment: dict[str, str]
    folder: Path  #: of this cloud's own files

    def root(self, name: str, *, source: Path | None = None) -> Terraform:
        """A root of the blueprint (or of another copy of it), with its state in this cloud's folder."""
        work = self.folder / name
        copied = source or blueprint.copy_to(self.folder, local_state=self.folder / "state")
        terraform = Terraform(root=copied / name, work=work, environment=self.environment)
        terraform.init()
        return terraform

    def apply(self, terraform: Terraform, inputs: dict[str, Any]) -> bool:
        """Plan and apply; whether anything was to do."""
        if not terraform.plan(inputs):
            return False
        for _ in terraform.apply():
            pass
        return True


@contextlib.contextmanager
def open_cloud(folder: Path, version: str = VERSIONS[-1]) -> Iterator[Cloud]:
    """A cloud in which nothing exists yet."""
    world = World()
    roles = frozenset(blueprint.roles())
    providers = {
        name: Provider(_declared(version, name), world, roles) for name in ("google", "google-beta")
    }
    with serve.serving(providers) as environment:
        yield Cloud(world=world, environment=environment, folder=folder)


@functools.cache
def _declared(version: str, provider: str) -> dict[str, Any]:
    types = serve.types_in(blueprint.folder())
    wanted = types & _BETA if provider == "google-beta" else types - _BETA
    name = f"cdktn_provider_{provider.replace('-', '_')}-{_WHEELS[version]}-py3-none-any.whl"
    if not (FOLDER / name).exists():
        require = pytest.fail if os.environ.get("AEGLE_REQUIRE_PEERS") else pytest.skip
        require(f"{name} is not in {FOLDER}; `make providers` fetches it")
    return bindings.load(FOLDER / name, wanted, FOLDER / "schemas")
