"""Who may do what: no basic role, nobody from everywhere, no keys, and no site's identity beyond its own site."""

import re
from collections.abc import Iterator
from typing import Final

from aegle.provision import blueprint
from aegle.provision.policy.estate import HUB, Estate, Finding, Findings, Resource

_BASIC: Final = frozenset({"roles/owner", "roles/editor", "roles/viewer", "roles/browser"})
_PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_TARGETS: Final = (
    "dicom_store_id", "dataset_id", "table_id", "topic", "subscription", "bucket", "secret_id", "crypto_key_id",
    "service_account_id", "instance", "repository", "subnetwork",
)  # fmt: skip
_SITE_ON_PROJECT: Final = frozenset({"roles/logging.logWriter", "roles/monitoring.metricWriter"})
_TRAINING: Final = re.compile(r"google_(bigquery|healthcare|storage_bucket)")


def _members(grant: Resource) -> Iterator[str]:
    yield from filter(None, [grant.get("member"), *(grant.get("members") or ())])


def no_basic_role(estate: Estate) -> Findings:
    """Owner, editor, viewer and browser are granted to nobody."""
    for grant in estate.grants():
        if grant.get("role") in _BASIC:
            yield Finding(address=grant.address, why=f"{grant.get('role')} covers everything in a project")


def no_public_member(estate: Estate) -> Findings:
    """Nothing is granted to everybody."""
    for grant in estate.grants():
        for member in _PUBLIC & set(_members(grant)):
            yield Finding(address=grant.address, why=f"{member} may {grant.get('role')}")


def grants_add_one_member(estate: Estate) -> Findings:
    """Grants add one member; none takes others' away."""
    for grant in estate.grants():
        if grant.kind.endswith(("_iam_binding", "_iam_policy")):
            yield Finding(
                address=grant.address, why="sets the whole list of members, and so removes those it does not name"
            )


def no_key(estate: Estate) -> Findings:
    """No identity has a long-lived key."""
    for item in estate.of(
        "google_service_account_key", "google_storage_hmac_key", "google_iam_workload_identity_pool_provider_key"
    ):
        yield Finding(address=item.address, why="a key that can be copied and does not expire")


def roles_are_listed(estate: Estate) -> Findings:
    """Every role granted is one of infra/roles.json."""
    for grant in estate.grants():
        role = grant.get("role")
        if role and role not in _BASIC and role not in blueprint.roles():
            yield Finding(address=grant.address, why=f"{role} is not in infra/roles.json")


def site_reaches_only_itself(estate: Estate) -> Findings:
    """A site's identity is granted nothing of another site, and nothing of the hub but its mirror of installers."""
    for grant in estate.grants():
        for identity in filter(None, map(estate.identities.get, _members(grant))):
            if identity.owner != HUB:
                yield from _beyond(estate, grant, identity.owner)


def _beyond(estate: Estate, grant: Resource, site: str) -> Findings:
    role = grant.get("role")
    if grant.kind in {"google_project_iam_member", "google_folder_iam_member"}:
        if role not in _SITE_ON_PROJECT:
            yield Finding(address=grant.address, why=f"{site} holds {role} on a whole project")
        return
    target = next((grant.get(name) for name in _TARGETS if grant.get(name)), None)
    made = estate.made_by.get(target or "")
    if made is None or made.owner == site:
        return
    is_mirror = (
        made.kind == "google_storage_bucket"
        and ".module.software." in f".{made.address}"
        and role == "roles/storage.objectViewer"
    )
    if not is_mirror and not _is_training(made, grant, estate, site):
        yield Finding(address=grant.address, why=f"{site} holds {role} on {target}, which is {made.owner}'s")


def _is_training(made: Resource, grant: Resource, estate: Estate, site: str) -> bool:
    """Whether this is for `lab_has_no_training_data` to say."""
    return estate.kind_of(site) != "hospital" and made.owner != site and bool(_TRAINING.match(grant.kind))


def lab_has_no_training_data(estate: Estate) -> Findings:
    """A laboratory's identity has no role on BigQuery, on a hospital's archive, or on the hub's buckets.

    A site of unknown kind is held to be a laboratory."""
    for grant in estate.grants():
        for identity in filter(None, map(estate.identities.get, _members(grant))):
            if identity.owner == HUB or estate.kind_of(identity.owner) == "hospital":
                continue
            target = next((grant.get(name) for name in _TARGETS if grant.get(name)), None)
            made = estate.made_by.get(target or "")
            foreign = made is not None and made.owner != identity.owner and bool(_TRAINING.match(grant.kind))
            mirror = made is not None and "module.software." in made.address
            if foreign and not mirror:
                yield Finding(
                    address=grant.address, why=f"laboratory {identity.owner} holds {grant.get('role')} on {target}"
                )


def hub_has_no_role_at_a_site(estate: Estate) -> Findings:
    """Hub and workers read an archive only with what its site lends them."""
    for grant in estate.grants():
        for identity in filter(None, map(estate.identities.get, _members(grant))):
            if identity.owner == HUB and grant.owner != HUB:
                yield Finding(
                    address=grant.address,
                    why=f"{identity.get('account_id')} holds {grant.get('role')} at {grant.owner}",
                )


def operators_reach_named_ports(estate: Estate) -> Findings:
    """People reach a machine through IAP, on that machine alone, with a condition that names the ports."""
    for grant in estate.grants():
        if grant.get("role") == "roles/iap.tunnelResourceAccessor":
            if grant.kind != "google_iap_tunnel_instance_iam_member":
                yield Finding(address=grant.address, why="opens every machine of a project")
            elif "destination.port ==" not in str(grant.block("condition").get("expression")):
                yield Finding(address=grant.address, why="opens every port of the machine")


def migration_ends(estate: Estate) -> Findings:
    """The identity that changes tables may do so only until a date."""
    for grant in estate.grants():
        migrates = any("aegle-migration@" in member for member in _members(grant))
        if migrates and "request.time <" not in str(grant.block("condition").get("expression")):
            yield Finding(address=grant.address, why="has no end date")


def outside_identities_are_named(estate: Estate) -> Findings:
    """A pipeline or a hospital's machine signs in only under the one subject that is expected."""
    for item in estate.of("google_iam_workload_identity_pool_provider"):
        if "==" not in str(item.get("attribute_condition")):
            yield Finding(address=item.address, why="takes every token of that issuer")
    for grant in estate.grants():
        for member in _members(grant):
            if member.startswith("principalSet://"):
                yield Finding(address=grant.address, why=f"{member} is more than one identity")
