"""What an operator may not say, and how the blueprint answers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aegle.errors import ProvisionFailed
from aegle.provision import telling
from aegle.provision.terraform import Terraform
from infra import estates, kept
from infra.cloud import Cloud, open_cloud

pytestmark = pytest.mark.peer("terraform")

HOSPITAL = estates.SITES["st-anna"]
WRONG_SITES: dict[str, tuple[str, dict[str, Any]]] = {
    "kind is hospital or lab": ("ward", {**HOSPITAL, "kind": "ward"}),
    "2 to 20 small letters": ("a-name-that-is-far-too-long", HOSPITAL),
    "An operator is written": ("st-anna", {**HOSPITAL, "operators": ["jo@st-anna.example"]}),
    "at least 16 addresses": ("st-anna", {**HOSPITAL, "cidr": "10.64.0.0/29"}),
    "pacs needs a cidr": ("st-anna", {**HOSPITAL, "vpn": None}),
    "needs ca_pem and vpn": ("st-anna", {**HOSPITAL, "gateway": "on_premises", "pacs": None}),
    "system is windows or linux": ("st-anna", {**HOSPITAL, "system": "solaris"}),
    "gateway is vm or on_premises": ("st-anna", {**HOSPITAL, "gateway": "cloud"}),
}
WRONG_ESTATES: dict[str, dict[str, Any]] = {
    "apply the foundation first": {"projects": {}},
    "The zone lies in the region": {"zone": "us-central1-a"},
    "Keep logs for 365": {"retention_days": 30},
    "mail is an address": {"mail": "operators"},
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with open_cloud(tmp_path_factory.mktemp("inputs")) as cloud:
        yield cloud.root("platform")


@pytest.mark.parametrize("words", WRONG_SITES)
def test_a_wrong_site_is_refused_with_the_remedy(words: str, platform: Terraform) -> None:
    name, site = WRONG_SITES[words]
    with pytest.raises(ProvisionFailed) as refused:
        platform.plan(estates.platform({name: site}))
    assert words in " ".join(str(refused.value).split())


@pytest.mark.parametrize("words", WRONG_ESTATES)
def test_a_wrong_estate_is_refused_with_the_remedy(words: str, platform: Terraform) -> None:
    with pytest.raises(ProvisionFailed) as refused:
        platform.plan(estates.platform({}, **WRONG_ESTATES[words]))
    assert words in " ".join(str(refused.value).split())


FAR = f"{datetime.now(UTC) + timedelta(days=91):%Y-%m-%dT%H:%M:%SZ}"


def test_a_migration_that_ends_far_away_is_refused_with_the_remedy(platform: Terraform) -> None:
    inputs = estates.platform({})
    with pytest.raises(ProvisionFailed, match="within 90 days"):
        platform.plan({**inputs, "hub": {**inputs["hub"], "migration_until": FAR}})


def test_without_an_end_date_nobody_may_migrate_and_the_plan_says_who_waits(small: Cloud) -> None:
    terraform = small.root("platform")
    inputs = kept.small().inputs["platform"]
    hub = {name: value for name, value in inputs["hub"].items() if name != "migration_until"}
    terraform.plan({**inputs, "hub": {**hub, "release": "0.2.0"}}, refresh=False)
    found = telling.steps(terraform.planned())
    gone = {step.resource.kind for step in found if step.deed is telling.Deed.DESTROY}
    assert {"google_compute_instance", "google_project_iam_member", "google_storage_bucket_iam_member"} <= gone
    assert not any("google_sql" in step.resource.kind for step in found), "what it owns stays its own"
    assert any("migration_until" in risk for told in telling.tell(found) for risk in told.risks)


def test_a_shared_secret_is_neither_in_the_state_nor_in_the_plan(cloud: Cloud) -> None:
    terraform = cloud.root("platform")
    terraform.environment["TF_VAR_vpn_secrets"] = '{"st-anna": "open-sesame"}'  # type: ignore[index]
    assert cloud.apply(terraform, estates.platform(kept.SMALL))
    assert b"open-sesame" not in cloud.states.kept["/platform"]
    assert "open-sesame" not in str(terraform.planned()) + str(terraform.state())
