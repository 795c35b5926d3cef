"""Estates made once in a process and handed to each test as a cloud of its own: making one anew takes many seconds."""

import contextlib
import functools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aegle.provision import blueprint
from infra import estates
from infra.cloud import Cloud, open_cloud
from infra.standin.world import Key

SMALL: Final = {"st-anna": estates.SITES["st-anna"]}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Roots of the blueprint as they were applied from nothing; JSON as terraform gives it, by root."""

    inputs: dict[str, dict[str, Any]]
    plans: dict[str, dict[str, Any]]  #: before anything was there
    states: dict[str, dict[str, Any]]
    objects: dict[Key, dict[str, Any]]  #: of the world
    stored: dict[str, bytes]  #: terraform's own state, by path

    @contextlib.contextmanager
    def open(self, folder: Path, roles: frozenset[str] = frozenset(blueprint.roles())) -> Iterator[Cloud]:
        """A cloud in which these roots stand already; what is done to it stays in it."""
        with open_cloud(folder, roles=roles) as cloud:
            cloud.world.objects.update(self.objects)
            cloud.states.kept.update(self.stored)
            yield cloud


@functools.cache
def whole() -> Kept:
    """The foundation, and on its outputs the hub and one site of each kind."""
    return _made(estates.FOUNDATION, estates.SITES)


@functools.cache
def small() -> Kept:
    """The platform alone, with one hospital."""
    return _made(None, SMALL)


def _made(foundation: dict[str, Any] | None, sites: dict[str, Any]) -> Kept:
    inputs: dict[str, dict[str, Any]] = {}
    plans: dict[str, dict[str, Any]] = {}
    states: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder, open_cloud(Path(folder)) as cloud:
        made: dict[str, Any] = {}
        for root in _roots(foundation):
            terraform = cloud.root(root)
            inputs[root] = foundation if foundation and root == "foundation" else estates.platform(sites, **made)
            assert terraform.plan(inputs[root])
            plans[root] = terraform.planned()
            for _ in terraform.apply():
                pass
            states[root] = terraform.state()
            made = terraform.outputs().get("estate", {})
        return Kept(
            inputs=inputs, plans=plans, states=states, objects=cloud.world.objects, stored=dict(cloud.states.kept)
        )


def _roots(foundation: object) -> Sequence[str]:
    return blueprint.ROOTS if foundation else ("platform",)
