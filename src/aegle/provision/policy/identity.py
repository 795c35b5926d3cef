"""Who may do what: no basic role, nobody from everywhere, no keys, and no site's identity beyond its own site."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from aegle.estate import MIGRATION_MAX
from aegle.provision import blueprint
from aegle.provision.policy.estate import HUB, UNDECIDED, Estate, Finding, Findings, Resource

_BASIC: Final = frozenset({"roles/owner", "roles/editor", "roles/viewer", "roles/browser"})
_PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_ACCESS_LISTS: Final = tuple(
    f"google_storage_{name}"
    for name in (
        "bucket_access_control", "bucket_acl", "default_object_access_control", "default_object_acl",
        "object_access_control", "object_acl",
    )
)  # fmt: skip
_TARGETS: Final = (
    "dicom_store_id", "dataset_id", "table_id", "topic", "subscription", "bucket", "secret_id", "crypto_key_id",
    "service_account_id", "instance", "repository", "subnetwork", "key_ring_id",
)  # fmt: skip
_SITE_ON_PROJECT: Final = frozenset({"roles/logging.logWriter", "roles/monitoring.metricWriter"})
_DEPLOY: Final = "aegle-deploy"  #: makes sites, and is watched for it
_PORTS: Final = re.compile(r"destination\.port == (22|3389|8443)( \|\| destination\.port == (22|3389|8443))*")
_UNTIL: Final = re.compile(r'request\.time < timestamp\("([0-9TZ:-]+)"\)')
_ONE_SUBJECT: Final = re.compile(r'(assertion\.[a-z.]+) == "[^"]+"')
_TRAINING: Final = re.compile(r"google_(bigquery|healthcare|storage_bucket)")


def members(grant: Resource) -> Iterator[str]:
    """Everybody whom a grant names."""
    yield from filter(None, [grant.get("member"), *(grant.get("members") or ())])


def no_basic_role(estate: Estate) -> Findings:
    """Owner, editor, viewer and browser are granted to nobody."""
    for grant in estate.grants():
        if grant.get("role") in _BASIC:
            yield Finding(address=grant.address, why=f"{grant.get('role')} covers everything in a project")


def no_public_member(estate: Estate) -> Findings:
    """Nothing is granted to everybody."""
    for grant in estate.grants():
        for member in _PUBLIC & set(members(grant)):
            yield Finding(address=grant.address, why=f"{member} may {grant.get('role')}")
    for item in estate.of("google_bigquery_dataset_access", "google_bigquery_row_access_policy"):
        for who in {item.get("iam_member"), item.get("special_group"), *(item.get("grantees") or ())} & _PUBLIC:
            yield Finding(address=item.address, why=f"{who} sees rows")
    for item in estate.of(*_ACCESS_LISTS):
        yield Finding(address=item.address, why="opens objects by an access list, past the grants")


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
        for identity in filter(None, map(estate.identities.get, members(grant))):
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
    if made is None and target != UNDECIDED:
        yield Finding(address=grant.address, why=f"{site} holds {role} on what is not of this estate")
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
        for identity in filter(None, map(estate.identities.get, members(grant))):
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
        for identity in filter(None, map(estate.identities.get, members(grant))):
            where = _at_a_site(estate, grant) if identity.owner == HUB else None
            if where and identity.get("account_id") != _DEPLOY:
                why = f"{identity.get('account_id')} holds {grant.get('role')} at {where}"
                yield Finding(address=grant.address, why=why)


def _at_a_site(estate: Estate, grant: Resource) -> str | None:
    """What of sites a grant opens: one site, the project where they stand, or all that is below a folder; None: nothing."""
    if grant.owner != HUB:
        return grant.owner
    made = estate.made_by.get(next((grant.get(name) for name in _TARGETS if grant.get(name)), None) or "")
    if made is not None and made.owner != HUB:
        return made.owner
    if grant.kind.startswith(("google_folder_iam_", "google_organization_iam_")):
        return "every project"
    return "the sites' project" if grant.get("project") in _projects_of_sites(estate) else None


def _projects_of_sites(estate: Estate) -> set[str]:
    archives = estate.of("google_healthcare_dataset")
    return {str(item.get("project")) for item in archives if item.get("project")}


def operators_reach_named_ports(estate: Estate) -> Findings:
    """People reach a machine through IAP, on that machine alone, with a condition that names the ports."""
    for grant in estate.grants():
        if grant.get("role") == "roles/iap.tunnelResourceAccessor":
            if grant.kind != "google_iap_tunnel_instance_iam_member":
                yield Finding(address=grant.address, why="opens every machine of a project")
            elif not _PORTS.fullmatch(str(grant.block("condition").get("expression"))):
                yield Finding(
                    address=grant.address, why="opens other ports of the machine than pages and desktop or shell"
                )


def migration_ends(estate: Estate) -> Findings:
    """The identity that changes tables may do so only until a date, at most 90 days away."""
    for grant in estate.grants():
        if any("aegle-migration@" in member for member in members(grant)):
            stated = _UNTIL.fullmatch(str(grant.block("condition").get("expression")))
            if stated is None:
                yield Finding(address=grant.address, why="has no end date")
            elif datetime.fromisoformat(stated[1]) > datetime.now(UTC) + MIGRATION_MAX:
                yield Finding(
                    address=grant.address, why=f"ends on {stated[1]}, more than {MIGRATION_MAX.days} days away"
                )


def outside_identities_are_named(estate: Estate) -> Findings:
    """A pipeline or a hospital's machine signs in only under the one subject that is expected."""
    for item in estate.of("google_iam_workload_identity_pool_provider"):
        condition = item.get("attribute_condition")
        stated = _ONE_SUBJECT.fullmatch(str(condition))
        if condition != UNDECIDED and stated is None:
            yield Finding(address=item.address, why="takes every token of that issuer")
        subject = (item.get("attribute_mapping") or {}).get("google.subject")
        if stated is not None and subject != stated[1]:
            yield Finding(address=item.address, why=f"calls everybody {subject}, whatever {stated[1]} says")
    for grant in estate.grants():
        for member in members(grant):
            if member.startswith("principalSet://"):
                yield Finding(address=grant.address, why=f"{member} is more than one identity")
