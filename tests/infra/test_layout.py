"""A release that renames something must not destroy it: addresses are written down, and a rename comes with `moved`."""

import re
from pathlib import Path

import pytest

from aegle.provision import blueprint
from aegle.provision.policy import read
from infra import estates, kept
from infra.cloud import Cloud

pytestmark = pytest.mark.peer("terraform")
LAYOUT = Path(__file__).parent / "layout.txt"
_KEY = re.compile(r"\[[^\]]*\]")
_MOVED = re.compile(r"^\s*from\s*=\s*(\S+)", re.MULTILINE)


def addresses(root: str) -> set[str]:
    """What a plan from nothing makes, without the keys of `for_each` and `count`."""
    return {f"{root} {_KEY.sub('', item.address)}" for item in read(kept.whole().plans[root]).resources}


def test_every_address_of_the_last_release_is_still_there_or_was_moved() -> None:
    now = addresses("foundation") | addresses("platform")
    texts = [file.read_text() for file in blueprint.folder().rglob("*.tf")]
    moved = {_KEY.sub("", name).rpartition(".module.")[2] for text in texts for name in _MOVED.findall(text)}
    before = set(LAYOUT.read_text().splitlines())
    lost = {address for address in before - now if not any(address.endswith(name) for name in moved)}
    assert not lost, "these would be destroyed: add a `moved` block for each"
    assert now == before | now and not now - before, (
        f"write the new addresses into {LAYOUT.name}: {sorted(now - before)}"
    )


def test_a_rename_with_its_moved_block_destroys_nothing(small: Cloud) -> None:
    terraform = small.root("platform")
    machine = terraform.root.parent / "modules" / "site" / "machine.tf"
    renamed = machine.read_text().replace('"google_compute_disk" "data"', '"google_compute_disk" "new"')
    renamed = renamed.replace("google_compute_disk.data[0]", "google_compute_disk.new[0]")
    machine.write_text(renamed + "\nmoved {\n  from = google_compute_disk.data\n  to   = google_compute_disk.new\n}\n")
    terraform.plan(estates.platform(kept.SMALL), refresh=False)
    planned = terraform.planned()["resource_changes"]
    assert any(item.get("previous_address", "").endswith("google_compute_disk.data[0]") for item in planned)
    assert not {item["address"] for item in planned if item["change"]["actions"] != ["no-op"]}
