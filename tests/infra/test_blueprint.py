"""The blueprint's life with the real terraform: made, unchanged, grown, broken off, drifted, taken down."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegle.errors import ProvisionFailed
from aegle.provision import blueprint
from aegle.provision.terraform import Terraform, binary
from infra import estates, kept
from infra.cloud import VERSIONS, Cloud, open_cloud

pytestmark = pytest.mark.peer("terraform")
INPUTS = {"foundation": estates.FOUNDATION, "platform": estates.platform()}
SMALL = kept.SMALL
ONE_SITE = {"foundation": estates.FOUNDATION, "platform": estates.platform(SMALL)}
OLDEST, NEWEST = VERSIONS


def changes(terraform: Terraform) -> dict[str, list[str]]:
    """Address -> actions of whatever the plan would change."""
    return {
        item["address"]: item["change"]["actions"]
        for item in terraform.planned()["resource_changes"]
        if item["change"]["actions"] != ["no-op"]
    }


def many(count: int) -> dict[str, Any]:
    """Hospitals and laboratories by turns, each with a range of its own."""
    return {
        f"site-{number}": {
            "kind": "lab" if number % 2 else "hospital",
            "cidr": f"10.64.{number}.0/26",
            "operators": ["group:operators@example.org"],
        }
        for number in range(count)
    }


def test_it_is_written_the_way_terraform_writes() -> None:
    done = subprocess.run(
        [binary(), "fmt", "-check", "-recursive", str(blueprint.folder())], capture_output=True, text=True
    )
    assert not done.stdout and done.returncode == 0


@pytest.mark.parametrize("root", blueprint.ROOTS)
def test_a_root_is_made_whole_and_a_second_plan_is_empty_on_the_oldest_providers(root: str, tmp_path: Path) -> None:
    with open_cloud(tmp_path, OLDEST) as cloud:
        terraform = cloud.root(root)
        terraform.validate()
        assert cloud.apply(terraform, INPUTS[root])
        assert not terraform.plan(INPUTS[root])


@pytest.mark.parametrize("root", blueprint.ROOTS)
def test_a_root_that_was_made_whole_has_an_empty_second_plan_on_the_newest_providers(root: str, whole: Cloud) -> None:
    terraform = whole.root(root)
    terraform.validate()
    assert not terraform.plan(kept.whole().inputs[root])


NEW = {"kind": "lab", "cidr": "10.64.200.0/26", "operators": ["group:operators@example.org"]}


@pytest.mark.parametrize("estate", [kept.small, kept.whole], ids=["1", "3"])
def test_one_site_more_creates_only_what_is_its_own(estate: Callable[[], kept.Kept], tmp_path: Path) -> None:
    inputs = estate().inputs["platform"]
    with estate().open(tmp_path) as cloud:
        terraform = cloud.root("platform")
        assert terraform.plan({**inputs, "sites": {**inputs["sites"], "new": NEW}})
        assert_only_created(terraform, "new")


@pytest.mark.soak
@pytest.mark.parametrize("count", [10, 50])
def test_one_site_more_of_many_creates_only_what_is_its_own(count: int, cloud: Cloud) -> None:
    terraform = cloud.root("platform")
    cloud.apply(terraform, estates.platform(many(count)))
    assert terraform.plan(estates.platform(many(count + 1)))
    assert_only_created(terraform, f"site-{count}")


def assert_only_created(terraform: Terraform, site: str) -> None:
    """The plan creates, below this site's module alone."""
    found = changes(terraform)
    assert len(found) > 40
    assert {address.split(".")[1] for address in found} == {f'site["{site}"]'}
    assert all(actions == ["create"] for actions in found.values())


def test_what_somebody_changed_by_hand_is_put_right(small: Cloud) -> None:
    terraform = small.root("platform")
    (key, bucket) = next(iter(small.world.of("google_storage_bucket").items()))
    small.world.objects["google_storage_bucket", key] = bucket | {"public_access_prevention": "inherited"}
    rule = next(identity for identity in small.world.of("google_compute_firewall") if "deny-ingress" in identity)
    del small.world.objects["google_compute_firewall", rule]
    assert small.apply(terraform, ONE_SITE["platform"])
    assert small.world.of("google_storage_bucket")[key]["public_access_prevention"] == "enforced"
    assert rule in small.world.of("google_compute_firewall")
    assert not terraform.plan(ONE_SITE["platform"])


SOME = ("sql_database_instance", "compute_instance")


def test_a_failure_is_told_and_the_next_apply_goes_on(cloud: Cloud) -> None:
    fails_and_goes_on(cloud, "platform", {f"google_{kind}" for kind in SOME})


@pytest.mark.parametrize("root", ["foundation", pytest.param("platform", marks=pytest.mark.soak)])
def test_a_failure_at_any_kind_of_resource_is_told_and_the_next_apply_goes_on(root: str, cloud: Cloud) -> None:
    terraform = cloud.root(root)
    terraform.plan(ONE_SITE[root])
    fails_and_goes_on(cloud, root, {item["type"] for item in terraform.planned()["resource_changes"]})


def fails_and_goes_on(cloud: Cloud, root: str, kinds: set[str]) -> None:
    """Each kind fails once; several in one run, for a kind is only met when what it needs was made before."""
    terraform = cloud.root(root)
    cloud.world.failing |= {kind: f"Error 403: no leave to make {kind}" for kind in kinds}
    told: list[str] = []
    for _ in range(60):
        try:
            cloud.apply(terraform, ONE_SITE[root], refresh=False)
        except ProvisionFailed as stopped:
            told.append(str(stopped))
        else:
            break
    assert not cloud.world.failing
    assert all(any(f"no leave to make {kind}" in words for words in told) for kind in kinds)
    assert not terraform.plan(ONE_SITE[root])
    made = [call for call in cloud.world.calls if call[0] == "create"]
    assert len(made) == len(set(made)), "nothing was made twice"


def test_a_live_estate_is_not_destroyed(small: Cloud) -> None:
    terraform = small.root("platform")
    with pytest.raises(ProvisionFailed, match="prevent_destroy"):
        terraform.plan(ONE_SITE["platform"], destroy=True, refresh=False)
    terraform.forget([item for item in addresses(terraform.state()) if ".google_kms_crypto_key.this" in item])
    terraform.plan(ONE_SITE["platform"], destroy=True, refresh=False)
    with pytest.raises(ProvisionFailed, match="protected against deletion"):
        for _ in terraform.apply():
            pass
    assert small.world.of("google_healthcare_dicom_store"), "a live archive is protected by the cloud itself"


def test_unprotected_things_go_and_keys_stay(small: Cloud) -> None:
    terraform = small.root("platform")
    frozen = {name: {**site, "frozen": True} for name, site in SMALL.items()}
    unprotected = estates.platform(frozen, protected=False)
    small.apply(terraform, unprotected, refresh=False)
    terraform.forget([item for item in addresses(terraform.state()) if ".google_kms_crypto_key.this" in item])
    terraform.plan(unprotected, destroy=True, refresh=False)
    for _ in terraform.apply():
        pass
    left = {kind for kind, _ in small.world.objects}
    assert left == {"google_kms_crypto_key"}


def addresses(state: dict[str, Any]) -> list[str]:
    """Every address of a state."""
    found, modules = [], [state["values"]["root_module"]]
    while modules:
        module = modules.pop()
        found += [item["address"] for item in module.get("resources", ())]
        modules += module.get("child_modules", ())
    return found


def test_a_frozen_site_keeps_its_data_and_loses_its_rights(whole: Cloud) -> None:
    terraform = whole.root("platform")
    inputs = kept.whole().inputs["platform"]
    stores = len(whole.world.of("google_healthcare_dicom_store"))
    frozen = {**inputs["sites"], "st-anna": {**inputs["sites"]["st-anna"], "frozen": True}}
    terraform.plan({**inputs, "sites": frozen}, refresh=False)
    found = changes(terraform)
    assert {address.split(".")[1] for address in found} == {'site["st-anna"]'}
    gone = {address.split(".")[2].split("[")[0] for address, actions in found.items() if actions == ["delete"]}
    assert gone == {"google_iap_tunnel_instance_iam_member"}
    for _ in terraform.apply():
        pass
    assert len(whole.world.of("google_healthcare_dicom_store")) == stores
    accounts = whole.world.of("google_service_account")
    assert {item["disabled"] for name, item in accounts.items() if "st-anna" in name} == {True}
    assert {
        item["desired_status"] for name, item in whole.world.of("google_compute_instance").items() if "st-anna" in name
    } == {"TERMINATED"}


def test_two_operators_do_not_apply_at_once(cloud: Cloud) -> None:
    terraform = cloud.root("foundation")
    cloud.states.locks["/foundation"] = b'{"ID": "another", "Who": "a colleague"}'
    with pytest.raises(ProvisionFailed, match="lock"):
        terraform.plan(INPUTS["foundation"])


FORBIDDEN = {
    r"^\s*data\s+\"": "a data source: what it finds may change under us",
    r"\bsource\s*=\s*\"(?!\.\./)(?!hashicorp/)": "a module or provider from elsewhere",
    r"\brandom_\w+": "a random name",
    r"_iam_(binding|policy)\"": "an authoritative grant",
    r"google_service_account_key": "a key",
    r"\baccess_config\b": "an external address",
}


@pytest.mark.parametrize("pattern", FORBIDDEN, ids=FORBIDDEN.get)
def test_the_blueprint_does_without(pattern: str) -> None:
    for file in blueprint.folder().rglob("*.tf"):
        assert not re.search(pattern, file.read_text(), re.MULTILINE), f"{file.name}: {FORBIDDEN[pattern]}"


def test_terraforms_own_tests_pass(cloud: Cloud) -> None:
    terraform = cloud.root("platform")
    environment = os.environ | cloud.environment | {"TF_DATA_DIR": str(terraform.work / "data")}
    command = [binary(), f"-chdir={terraform.root}", "test", "-no-color"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed, 0 failed" in done.stdout
