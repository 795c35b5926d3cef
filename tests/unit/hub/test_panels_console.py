"""The console shows the panels of Cloud Monitoring, with the same words and limits."""

import json
import re

from hubworld import Running, prediction, submission

from aegle.api import Hello
from aegle.hub.claims import claim, settle
from aegle.hub.overview import take_overview
from aegle.hub.panels import VALUES, tiles
from aegle.hub.requests import accept
from aegle.hub.sites import greet
from aegle.provision import blueprint
from aegle.records import Failure, Site, SiteKind

PANELS = json.loads(blueprint.data("panels.json"))
ANNA = Site(name="st-anna", kind=SiteKind.HOSPITAL)


def test_every_panel_has_a_tile_unless_only_a_machine_knows_of_it() -> None:
    machines = {name for name, panel in PANELS.items() if re.search(r"jsonPayload\.aegle_", panel["filter"] or "")}
    assert PANELS.keys() - machines == VALUES.keys()


def test_a_tile_counts_what_the_hub_knows_and_is_alarming_over_its_limit(hub: Running) -> None:
    greet(hub.database, ANNA, Hello(software="1", held=3, spooled=0, undelivered=0, disk_free_bytes=10**12))
    accept(hub.database, ANNA, submission(1))
    for number in (2, 3):
        held = claim(hub.database, accept(hub.database, ANNA, submission(number)).request_id, "w")
        assert held is not None
        outcome = prediction(held.request)
        failure = Failure(
            request_id=outcome.request_id, site="st-anna", study_uid=outcome.study_uid, input_digest=outcome.input_digest,
            code="NOT_FOUND", detail="gone", decided_at=outcome.decided_at,
        )  # fmt: skip
        assert settle(hub.database, failure if number == 2 else outcome, held.request.attempt)
    found = {tile.name: tile for tile in tiles(take_overview(hub.database, hub.services.warehouse))}
    assert {name: tile.value for name, tile in found.items()} == {"hello": 1, "held": 3, "failed": 1, "queue_depth": 1}
    assert [name for name, tile in found.items() if tile.alarming] == ["failed"]
    assert all(found[name].title == PANELS[name]["title"] for name in found)
    assert found["failed"].remedy == PANELS["failed"]["alert"]["remedy"]
