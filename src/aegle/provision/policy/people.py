"""Who stands behind a grant: people with few roles, identities that we made, each with the roles written for it."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from aegle.provision import blueprint
from aegle.provision.policy.data import AGENT
from aegle.provision.policy.estate import HUB, UNDECIDED, Estate, Finding, Findings, Resource
from aegle.provision.policy.identity import members

_PEOPLE: Final = ("user:", "group:", "domain:")
_FOR_PEOPLE: Final = frozenset(
    {"roles/bigquery.dataViewer", "roles/bigquery.jobUser", "roles/iap.tunnelResourceAccessor"}
)
_ACCESS: Final = ("user_by_email", "group_by_email", "domain", "special_group", "iam_member")
_GROUPS: Final = re.compile(r"serviceAccount:\d+@cloudservices\.gserviceaccount\.com")
_LENDS: Final = re.compile(
    r'api\.getAttribute\("iam\.googleapis\.com/modifiedGrantsByRole", \[\]\)\.hasOnly\(\[(.*)\]\)'
)
LENDABLE: Final = frozenset(
    f"roles/{name}"
    for name in (
        "bigquery.jobUser", "cloudsql.client", "cloudsql.instanceUser", "logging.bucketWriter", "logging.logWriter",
        "monitoring.metricWriter",
    )
)  # fmt: skip
"""Roles on whole projects that the identity which deploys may give away: none opens an archive."""
_FOR_AGENTS: Final = frozenset({"roles/cloudkms.cryptoKeyEncrypterDecrypter", "roles/logging.bucketWriter"})
_READER: Final = "reader of one hospital"
_ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType({"google_kms": "keys_serve_one_owner"})
"""Grants of these kinds are for another assertion to judge, whole."""


def people_hold_few_roles(estate: Estate) -> Findings:
    """People reach a site's machine and the warehouse's views; no person reads an archive, a bucket or a secret by a grant."""
    for grant in _ours(estate):
        for member in members(grant):
            if member.startswith(_PEOPLE) and grant.get("role") not in _FOR_PEOPLE:
                yield Finding(address=grant.address, why=f"{member} holds {grant.get('role')}")
    for entry in estate.of("google_bigquery_dataset_access"):
        for name in _ACCESS:
            if entry.get(name) and entry.get(name) != UNDECIDED:
                yield Finding(address=entry.address, why=f"lets {entry.get(name)} read the rows past the grants")


def members_are_known(estate: Estate) -> Findings:
    """A machine's identity that holds a role is one that stands here, Google's own agent, or the log sink's."""
    writers = {item.get("writer_identity") for item in estate.of("google_logging_folder_sink")}
    for grant in _ours(estate):
        for member in members(grant):
            is_machine = member.startswith("serviceAccount:") and not (
                AGENT.fullmatch(member) or _GROUPS.fullmatch(member)
            )
            if is_machine and member not in estate.identities and member not in writers and not _partial(estate):
                yield Finding(address=grant.address, why=f"{member} is not an identity of this estate")
            if member.startswith("principal://") and not _in_our_pool(estate, member):
                yield Finding(address=grant.address, why=f"{member} is not of a pool of this estate")


def _partial(estate: Estate) -> bool:
    """Whether identities are still to be named by Google, so that no member can be looked up."""
    return any(item.get("member") in {None, UNDECIDED} for item in estate.of("google_service_account"))


def _in_our_pool(estate: Estate, member: str) -> bool:
    pools = (item.get("workload_identity_pool_id") for item in estate.of("google_iam_workload_identity_pool"))
    return any(f"/workloadIdentityPools/{pool}/subject/" in member for pool in pools)


def agents_serve_our_projects(estate: Estate) -> Findings:
    """Google's own agents use our keys and write our logs, each for a project of ours; none reads what is kept."""
    numbers = {str(item.get("number")) for item in estate.of("google_project")}
    writers = {item.get("writer_identity") for item in estate.of("google_logging_folder_sink")}
    for grant in estate.grants():
        for member in members(grant):
            if not (AGENT.fullmatch(member) or _GROUPS.fullmatch(member)) or member in writers:
                continue
            if AGENT.fullmatch(member) and grant.get("role") not in _FOR_AGENTS:
                yield Finding(address=grant.address, why=f"{member} holds {grant.get('role')}")
            number = re.search(r"(\d+)@", member)
            if numbers and UNDECIDED not in numbers and (number is None or number[1] not in numbers):
                yield Finding(address=grant.address, why=f"{member} serves somebody else's project")


def roles_fit_their_holder(estate: Estate) -> Findings:
    """An identity holds only roles that infra/roles.json gives to its kind: site, reader, hub, worker, migration, deploy."""
    for grant in _ours(estate):
        listed = blueprint.roles().get(str(grant.get("role")))
        for identity in filter(None, map(estate.identities.get, members(grant))):
            if listed is not None and _kind(identity) not in re.split("[,;] ", listed["who"]):
                yield Finding(address=grant.address, why=f"{grant.get('role')} is not for a {_kind(identity)}")


def _kind(identity: Resource) -> str:
    name = str(identity.get("account_id"))
    if identity.owner != HUB:
        return _READER if name.startswith("read-") else "site"
    return name.removeprefix("aegle-")


def deploy_gives_listed_roles(estate: Estate) -> Findings:
    """Whoever may give away roles on projects may give those alone that open no data."""
    for grant in estate.grants():
        if grant.get("role") == "roles/resourcemanager.projectIamAdmin":
            condition = grant.block("condition").get("expression")
            stated = _LENDS.fullmatch(str(condition or ""))
            given = set(re.findall(r'"([^"]+)"', stated[1])) if stated else {"any role"}
            if condition != UNDECIDED and given - LENDABLE:
                yield Finding(address=grant.address, why=f"may give away {', '.join(sorted(given - LENDABLE))}")


def _ours(estate: Estate) -> Iterator[Resource]:
    return (grant for grant in estate.grants() if not grant.kind.startswith(tuple(_ELSEWHERE)))
