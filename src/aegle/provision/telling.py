"""A plan of terraform told in words: for each site what comes, changes and goes, what it costs roughly, what is risky."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from aegle.provision import cost
from aegle.provision.policy.estate import HUB, Resource


class Deed(StrEnum):
    """What is done to a resource."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    DESTROY = "destroy"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One resource that a plan touches."""

    resource: Resource  #: as it will be, or as it was where it goes
    deed: Deed
    changed: tuple[str, ...] = ()  #: arguments that differ

    @property
    def owner(self) -> str:
        """The site, or `hub`."""
        return self.resource.owner


GUARDED: Final = MappingProxyType(
    {
        "google_healthcare_dataset": "archive",
        "google_healthcare_dicom_store": "archive",
        "google_kms_crypto_key": "key",
        "google_kms_key_ring": "key",
        "google_bigquery_dataset": "warehouse",
        "google_bigquery_table": "warehouse",
        "google_sql_database_instance": "database",
        "google_sql_database": "database",
        "google_storage_bucket": "bucket",
        "google_secret_manager_secret": "secret",
        "google_compute_disk": "data disk",
        "google_logging_project_bucket_config": "audit log",
        "google_folder": "folder",
        "google_project": "project",
    }
)
"""What holds data or a key: never destroyed without `--allow-delete` and the owner's name."""

_WORDS: Final = MappingProxyType(
    {
        "google_compute_instance": "machine",
        "google_compute_region_instance_group_manager": "group of machines",
        **GUARDED,
        "google_compute_network": "network",
        "google_compute_subnetwork": "subnet",
        "google_compute_firewall": "firewall rule",
        "google_compute_vpn_tunnel": "VPN tunnel",
        "google_service_account": "identity",
        "google_monitoring_alert_policy": "alert",
        "google_billing_budget": "budget",
        "google_org_policy_policy": "organisation policy",
        "google_compute_resource_policy": "snapshot schedule",
        "google_os_config_patch_deployment": "patching",
        "google_compute_route": "route",
        "google_dns_managed_zone": "DNS zone",
        "google_storage_bucket_object": "file",
    }
)


def steps(document: Mapping[str, Any]) -> tuple[Step, ...]:
    """What a plan (`terraform show -json`) would do, in the plan's order."""
    return tuple(_steps(document))


def _steps(document: Mapping[str, Any]) -> Iterator[Step]:
    for item in document.get("resource_changes", ()):
        change = item["change"]
        deed = _deed(change["actions"])
        if deed is not None:
            before, after = change["before"] or {}, change["after"] or {}
            changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            resource = Resource(address=item["address"], kind=item["type"], values=after or before)
            yield Step(resource=resource, deed=deed, changed=tuple(changed) if deed is Deed.CHANGE else ())


def _deed(actions: Sequence[str]) -> Deed | None:
    if set(actions) == {"create", "delete"}:
        return Deed.REPLACE
    return {"create": Deed.CREATE, "update": Deed.CHANGE, "delete": Deed.DESTROY}.get(actions[0])


@dataclass(frozen=True, kw_only=True)
class Told:
    """One owner's part of a plan, ready to be read."""

    owner: str
    lines: tuple[str, ...]
    risks: tuple[str, ...]
    monthly: float  #: difference of the rough monthly cost, in US dollars


def tell(found: Sequence[Step]) -> list[Told]:
    """The plan by owner, the hub first."""
    owners = sorted({step.owner for step in found}, key=lambda owner: (owner != HUB, owner))
    return [_told(owner, [step for step in found if step.owner == owner]) for owner in owners]


def _told(owner: str, mine: Sequence[Step]) -> Told:
    lines = []
    for deed in Deed:
        here = [step for step in mine if step.deed is deed]
        if here:
            lines.append(f"{deed.value} {len(here)}: {_counted(here)}")
    return Told(
        owner=owner, lines=tuple(lines), risks=(*_risks(mine), *_waiting(mine)), monthly=sum(map(_difference, mine))
    )


def word(resource: Resource) -> str:
    """What kind of thing it is, in a word or two."""
    if "_iam_" in resource.kind:
        return "grant"
    return _WORDS.get(resource.kind, resource.kind.removeprefix("google_").replace("_", " "))


def _counted(here: Sequence[Step]) -> str:
    """What a person would ask about first; the rest as a number."""
    counts = Counter(_WORDS.get(step.resource.kind, "") for step in here)
    others = counts.pop("", 0)
    order = list(dict.fromkeys(_WORDS.values()))
    named = [
        f"{counts[name]} {_plural(name)}" if counts[name] > 1 else name for name in sorted(counts, key=order.index)
    ]
    grants = sum(1 for step in here if "_iam_" in step.resource.kind)
    rest = [f"{grants} grants" if grants > 1 else "grant"] if grants else []
    rest += [f"{others - grants} more"] if others > grants else []
    return ", ".join([*named, *rest])


def _plural(name: str) -> str:
    first, _, last = name.partition(" of ")
    many = f"{first[:-1]}ies" if first.endswith(("cy", "ty", "ry")) else f"{first}s"
    return f"{many} of {last}" if last else many


def _risks(mine: Sequence[Step]) -> Iterator[str]:
    for step in mine:
        name = f"{word(step.resource)} {step.resource.address}"
        if step.deed in {Deed.DESTROY, Deed.REPLACE} and step.resource.kind in GUARDED:
            yield f"destroys data or a key: {name}"
        elif step.resource.kind == "google_compute_instance" and step.deed in {Deed.DESTROY, Deed.REPLACE}:
            yield f"destroys the {name}"
        elif step.resource.kind == "google_compute_instance" and {"machine_type", "desired_status"} & set(step.changed):
            stays = step.resource.get("desired_status") == "TERMINATED"
            yield f"stops the {name}" + ("" if stays else " for some minutes")
        elif step.resource.kind == "google_compute_firewall" and step.deed is not Deed.CREATE:
            yield f"changes who reaches whom: {name}"
        elif step.resource.kind == "google_org_policy_policy" and step.deed is not Deed.CREATE:
            yield f"changes what is forbidden: {name}"


def _waiting(mine: Sequence[Step]) -> Iterator[str]:
    """Hub and workers of a new release wait until its tables were brought up to date."""
    made = [step.resource for step in mine if step.deed in {Deed.CREATE, Deed.REPLACE}]
    machines = any(item.kind == "google_compute_region_instance_template" for item in made)
    migration = any(".google_compute_instance.migration" in item.address for item in made)
    if machines and not migration:
        yield (
            "hub and workers of a new release wait for a migration, and none comes with this plan: set google: "
            "migration_until to a time within 90 days"
        )


def _difference(step: Step) -> float:
    monthly = cost.monthly(step.resource)
    return {Deed.CREATE: monthly, Deed.DESTROY: -monthly}.get(step.deed, 0.0)


def refused(found: Sequence[Step], allowed: frozenset[str]) -> list[str]:
    """What the plan may not do: destroy what holds data or a key of an owner that was not named."""
    return [
        f"{step.resource.address}: {step.deed.value} of a {GUARDED[step.resource.kind]} of {step.owner}; "
        f"nothing is destroyed without --allow-delete {step.owner}"
        for step in found
        if step.deed in {Deed.DESTROY, Deed.REPLACE} and step.resource.kind in GUARDED and step.owner not in allowed
    ]
