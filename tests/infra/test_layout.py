"""A release that renames something must not destroy it: addresses are written down, and a rename comes with `moved`."""

import re
from pathlib import Path

import pytest

from aegle.provision import blueprint
from aegle.provision.policy import read
from infra import estates
from infra.cloud import Cloud

pytestmark = pytest.mark.peer("terraform")
LAYOUT = Path(__file__).parent / "layout.txt"
_KEY = re.compile(r"\[[^\]]*\]")
_MOVED = re.compile(r"^\s*from\s*=\s*(\S+)", re.MULTILINE)
INPUTS = {"foundation": estates.FOUNDATION, "platform": estates.platform()}


def addresses(cloud: Cloud, root: str) -> set[str]:
    """What a plan from nothing makes, without the keys of `for_each` and `count`."""
    terraform = cloud.root(root)
    terraform.plan(INPUTS[root])
    return {f"{root} {_KEY.sub('', item.address)}" for item in read(terraform.planned()).resources}


def test_every_address_of_the_last_release_is_still_there_or_was_moved(cloud: Cloud) -> None:
    now = addresses(cloud, "foundation") | addresses(cloud, "platform")
    texts = [file.read_text() for file in blueprint.folder().rglob("*.tf")]
    moved = {_KEY.sub("", name).rpartition(".module.")[2] for text in texts for name in _MOVED.findall(text)}
    before = set(LAYOUT.read_text().splitlines())
    lost = {address for address in before - now if not any(address.endswith(name) for name in moved)}
    assert not lost, "these would be destroyed: add a `moved` block for each"
    assert now == before | now and not now - before, (
        f"write the new addresses into {LAYOUT.name}: {sorted(now - before)}"
    )


def test_a_rename_with_its_moved_block_destroys_nothing(cloud: Cloud) -> None:
    small = estates.platform({"st-anna": estates.SITES["st-anna"]})
    terraform = cloud.root("platform")
    machine = terraform.root.parent / "modules" / "site" / "machine.tf"
    today = machine.read_text()
    machine.write_text(today.replace('"google_compute_disk" "data"', '"google_compute_disk" "old"').replace(
        "google_compute_disk.data[0]", "google_compute_disk.old[0]"))  # fmt: skip
    cloud.apply(terraform, small)
    machine.write_text(today + "\nmoved {\n  from = google_compute_disk.old\n  to   = google_compute_disk.data\n}\n")
    assert not terraform.plan(small) or not {
        item["address"] for item in terraform.planned()["resource_changes"] if item["change"]["actions"] != ["no-op"]
    }
