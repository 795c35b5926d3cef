"""The list of kinds that may stand is the blueprint's, and what assertions judge by name; nothing is on it by accident."""

import re

from aegle.provision import blueprint
from aegle.provision.policy import Estate, examine
from aegle.provision.policy import kinds as listed
from aegle.provision.policy.estate import Resource


def of_the_blueprint() -> set[str]:
    files = (path for path in blueprint.folder().rglob("*.tf") if "tests" not in path.parts)
    return {kind for path in files for kind in re.findall(r'^resource "(\w+)"', path.read_text(encoding="utf-8"), re.M)}


def judged() -> str:
    """What the other assertions say, as text."""
    folder = blueprint.folder().parent / "src" / "aegle" / "provision" / "policy"
    return "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py") if path.name != "kinds.py")


def estate(kind: str) -> Estate:
    return Estate(resources=(Resource(address=f"{kind}.one", kind=kind, values={}),))


def test_everything_that_the_blueprint_makes_is_known() -> None:
    assert {kind for kind in of_the_blueprint() if list(listed.kinds_are_known(estate(kind)))} == set()


def test_what_is_known_beyond_the_blueprint_is_judged_by_another_assertion() -> None:
    said, stems = (
        judged(),
        ("_exclusion", "_sink", "firewall_policy", "_access_control", "_acl", "google_compute_interconnect"),
    )
    beyond = {kind for kind in listed.KNOWN - of_the_blueprint() if kind not in said}
    assert {kind for kind in beyond if not any(stem in kind for stem in stems)} == set()


def test_a_kind_that_nobody_wrote_an_assertion_for_is_found() -> None:
    for kind in ("google_compute_snapshot", "google_cloud_run_v2_service", "google_storage_managed_folder"):
        assert [found.address for found in listed.kinds_are_known(estate(kind))] == [f"{kind}.one"]


def test_grants_and_what_is_not_googles_are_for_others_to_judge() -> None:
    for kind in ("google_bigquery_table_iam_member", "random_id"):
        assert not list(listed.kinds_are_known(estate(kind)))


def test_it_is_one_of_the_assertions() -> None:
    document = {"values": {"root_module": {"resources": [
        {"address": "google_x.one", "type": "google_x", "mode": "managed", "values": {}}]}}}  # fmt: skip
    assert [item.address for item in examine(document)["kinds_are_known"]] == ["google_x.one"]
