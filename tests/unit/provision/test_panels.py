"""What Cloud Monitoring counts is what the programs say: acts with their facts, and lines of machines' scripts."""

import json
import re

import pytest

from aegle.access import FACTS, Act
from aegle.google.figures import QUEUE_DEPTH
from aegle.provision import blueprint

PANELS = json.loads(blueprint.data("panels.json"))


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_counts_something_that_is_said(name: str) -> None:
    panel = PANELS[name]
    said = panel["filter"] or ""
    acts = re.findall(r'jsonPayload\.act="([^"]+)"', said)
    assert set(acts) <= {act.value for act in Act}
    assert set(re.findall(r"jsonPayload\.facts\.(\w+)", said)) <= FACTS
    scripts = "".join((blueprint.folder() / "startup" / file).read_text() for file in ("common.sh", "site.ps1"))
    lines = set(re.findall(r"jsonPayload\.(aegle_\w+)", said))
    assert all(line in scripts or line == "aegle_alarm" for line in lines)
    assert acts or lines or panel["metric"] == QUEUE_DEPTH
    assert panel["resource"] == "global", "every line and figure of ours is written for the resource `global`"
    assert panel["metric"] in (QUEUE_DEPTH, f"logging.googleapis.com/user/aegle/{name}")


@pytest.mark.parametrize("name", [name for name, panel in PANELS.items() if panel["alert"]])
def test_an_alert_says_what_to_do(name: str) -> None:
    assert len(PANELS[name]["alert"]["remedy"]) > 40
