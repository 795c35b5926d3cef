"""The panels of Cloud Monitoring in the operator's console: the same titles, limits and remedies, from what the hub knows now.

`infra/panels.json` defines both. What only a machine's own log knows (a step of its start, an alarm) has no tile here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aegle.hub.overview import SILENT_AFTER, Overview, by_state
from aegle.provision import blueprint
from aegle.records import RequestState


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One panel as it stands."""

    name: str
    title: str
    value: int
    alarming: bool  #: over the limit of its alert
    remedy: str  #: empty where there is no alert


def _heard(overview: Overview) -> int:
    greeted = (line.status.hello_at for line in overview.sites)
    return sum(1 for at in greeted if at is not None and overview.taken_at - at <= SILENT_AFTER)


def _held(overview: Overview) -> int:
    alive = (line.status for line in overview.sites if not line.status.frozen)
    return sum(status.hello.held for status in alive if status.hello is not None)


def _failed(overview: Overview) -> int:
    counts = (count for line in overview.sites for count in line.requests)
    return sum(count.lately for count in counts if count.state is RequestState.FAILED)


def _open(overview: Overview) -> int:
    states = by_state(overview.sites)
    return states[RequestState.WAITING][0] + states[RequestState.RUNNING][0]


VALUES: Mapping[str, Callable[[Overview], int]] = {
    "hello": _heard,  #: sites that were heard of within a minute
    "held": _held,
    "failed": _failed,  #: of the last 24 hours
    "queue_depth": _open,
}
"""How the hub itself counts what a panel shows."""


def tiles(overview: Overview) -> Sequence[Tile]:
    """Every panel that the hub can fill, in the order of the file."""
    return [_tile(name, panel, overview) for name, panel in _panels().items() if name in VALUES]


def _tile(name: str, panel: Mapping[str, Any], overview: Overview) -> Tile:
    value, alert = VALUES[name](overview), panel["alert"]
    alarming = alert is not None and value > alert["above"]
    return Tile(
        name=name, title=panel["title"], value=value, alarming=alarming, remedy=alert["remedy"] if alert else ""
    )


@cache
def _panels() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(blueprint.data("panels.json"))
    return found
