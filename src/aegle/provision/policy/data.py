"""How data rests: under its owner's key, in one region, kept against deletion, closed to the world, no secret in sight."""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from aegle.provision.policy.estate import HUB, UNDECIDED, Estate, Finding, Findings, Resource

_KEY_OF: Final[Mapping[str, Callable[[Resource], Any]]] = MappingProxyType(
    {
        "google_bigquery_dataset": lambda item: item.block("default_encryption_configuration").get("kms_key_name"),
        "google_bigquery_table": lambda item: item.block("encryption_configuration").get("kms_key_name"),
        "google_compute_disk": lambda item: item.block("disk_encryption_key").get("kms_key_self_link"),
        "google_compute_instance": lambda item: item.block("boot_disk").get("kms_key_self_link"),
        "google_compute_region_instance_template": lambda item: item.block("disk", "disk_encryption_key").get(
            "kms_key_self_link"
        ),
        "google_healthcare_dataset": lambda item: item.block("encryption_spec").get("kms_key_name"),
        "google_logging_project_bucket_config": lambda item: item.block("cmek_settings").get("kms_key_name"),
        "google_pubsub_topic": lambda item: item.get("kms_key_name"),
        "google_secret_manager_secret": lambda item: item.block(
            "replication", "user_managed", "replicas", "customer_managed_encryption"
        ).get("kms_key_name"),
        "google_sql_database_instance": lambda item: item.get("encryption_key_name"),
        "google_storage_bucket": lambda item: item.block("encryption").get("default_kms_key_name"),
    }
)
"""Where each kind of store names the key that encrypts it."""

AGENT: Final = re.compile(
    r"serviceAccount:.+@(gcp-sa-[a-z-]+|compute-system|gs-project-accounts|bigquery-encryption)\.iam\.gserviceaccount\.com"
)
"""Google's own identities for its services."""
_QUARTER_S: Final = 7_776_000  #: 90 days
_MONTH_S: Final = 2_592_000  #: 30 days
_LABELLED: Final = (
    "google_bigquery_dataset", "google_bigquery_table", "google_compute_disk", "google_compute_instance",
    "google_healthcare_dicom_store", "google_kms_crypto_key", "google_project", "google_secret_manager_secret",
    "google_storage_bucket",
)  # fmt: skip
_SECRET: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|(?i:\b(password|passwd|secret_key|api_key)\b\s*[=:]\s*\S)")
_SECRET_FIELDS: Final = MappingProxyType(
    {
        "google_sql_user": "password",
        "google_sql_database_instance": "root_password",
        "google_compute_vpn_tunnel": "shared_secret",
        "google_secret_manager_secret_version": "secret_data",
    }
)


def _stores(estate: Estate) -> Iterator[tuple[Resource, Any]]:
    for kind, key_of in _KEY_OF.items():
        for item in estate.of(kind):
            if not (kind == "google_bigquery_table" and item.get("view")):  # a view holds nothing
                yield item, key_of(item)


def encrypted_with_our_keys(estate: Estate) -> Findings:
    """Every archive, table, topic, bucket, disk, secret, log and database is encrypted with a key of ours."""
    for item, key in _stores(estate):
        if not key:
            yield Finding(address=item.address, why="is not encrypted with a key of ours")


def keys_serve_one_owner(estate: Estate) -> Findings:
    """A key encrypts its own site's data only, and only Google's agents may use it."""
    for item, key in _stores(estate):
        made = estate.made_by.get(key or "")
        if made is not None and made.owner != item.owner:
            yield Finding(address=item.address, why=f"is encrypted with {made.owner}'s key")
    for grant in estate.grants():
        uses = str(grant.get("role")).startswith("roles/cloudkms.cryptoKey")
        fits = grant.kind == "google_kms_crypto_key_iam_member" and _is_agent(grant.get("member"))
        if (uses or grant.kind.startswith("google_kms_")) and not fits:
            yield Finding(address=grant.address, why=f"{grant.get('member')} may use keys")


def _is_agent(member: Any) -> bool:
    return member == UNDECIDED or bool(AGENT.fullmatch(str(member)))


def keys_can_be_brought_back(estate: Estate) -> Findings:
    """A key's version that somebody destroys can be brought back for 30 days."""
    for item in estate.of("google_kms_crypto_key"):
        period = str(item.get("destroy_scheduled_duration") or "").removesuffix("s")
        if not period.isdigit() or int(period) < _MONTH_S:
            yield Finding(address=item.address, why=f"is gone {period or 'some'} seconds after it was destroyed")


def keys_rotate(estate: Estate) -> Findings:
    """Every key is renewed every 90 days or sooner."""
    for item in estate.of("google_kms_crypto_key"):
        period = str(item.get("rotation_period") or "").removesuffix("s")
        if not period.isdigit() or int(period) > _QUARTER_S:
            yield Finding(address=item.address, why=f"is renewed every {period or 'never'} seconds")


def buckets_are_private(estate: Estate) -> Findings:
    """No object can be opened to the world by mistake, and none is lost by overwriting it."""
    for item in estate.of("google_storage_bucket"):
        if item.get("uniform_bucket_level_access") is not True:
            yield Finding(address=item.address, why="objects have access lists of their own")
        if item.get("public_access_prevention") != "enforced":
            yield Finding(address=item.address, why="may be opened to the world")
        if item.block("versioning").get("enabled") is not True:
            yield Finding(address=item.address, why="an overwritten object is gone")


def protected_against_deletion(estate: Estate) -> Findings:
    """What holds data refuses to be deleted, unless its site was frozen first."""
    flags = {
        "google_compute_instance": ("deletion_protection", True),
        "google_sql_database_instance": ("deletion_protection", True),
        "google_secret_manager_secret": ("deletion_protection", True),
        "google_bigquery_table": ("deletion_protection", True),
        "google_folder": ("deletion_protection", True),
        "google_healthcare_dataset": ("deletion_policy", "PREVENT"),
        "google_healthcare_dicom_store": ("deletion_policy", "PREVENT"),
        "google_project": ("deletion_policy", "PREVENT"),
    }
    for kind, (name, wanted) in flags.items():
        for item in estate.of(kind):
            if item.get(name) != wanted and not estate.frozen(item.owner) and not _holds_nothing(item):
                yield Finding(address=item.address, why=f"{name} is {item.get(name)}, not {wanted}")


def _holds_nothing(item: Resource) -> bool:
    """A view, or a machine of the hub without a disk for data."""
    machine = item.kind == "google_compute_instance" and item.owner == HUB
    return bool(item.get("view")) or (machine and not item.get("attached_disk"))


def labels_are_set(estate: Estate) -> Findings:
    """Whatever can be labelled says who made it, and a site's says whose it is."""
    for item in estate.of(*_LABELLED):
        labels = item.get("labels") or {}
        if labels.get("managed_by") != "aegle":
            yield Finding(address=item.address, why="has no label managed_by=aegle")
        elif item.owner != HUB and labels.get("aegle_site") != item.owner:
            yield Finding(address=item.address, why=f"is not labelled as {item.owner}'s")


def no_secret_in_sight(estate: Estate) -> Findings:
    """No password, shared secret or private key stands in the state or in a machine's metadata."""
    for kind, name in _SECRET_FIELDS.items():
        for item in estate.of(kind):
            if item.get(name):
                yield Finding(address=item.address, why=f"{name} stands in the state")
    for item in estate.of("google_compute_instance", "google_compute_region_instance_template"):
        for key, text in (item.get("metadata") or {}).items():
            if key not in {"windows-startup-script-ps1", "startup-script", "aegle-jenkins-init"} and _SECRET.search(
                str(text)
            ):
                yield Finding(address=item.address, why=f"metadata {key} holds what looks like a secret")


def one_region(estate: Estate) -> Findings:
    """Everything with a place, and every copy of it, lies in one region."""
    places: dict[str, list[str]] = {}
    for item in estate.resources:
        for place in _places(item):
            places.setdefault("-".join(place.lower().split("-")[:2]), []).append(item.address)
    usual = max(places, key=lambda place: len(places[place]), default="")
    for place, addresses in places.items():
        if place != usual:
            for address in addresses:
                yield Finding(address=address, why=f"lies in {place}, everything else in {usual}")


def _places(item: Resource) -> Iterator[str]:
    """Where a resource lies, and where its copies do."""
    named = [item.get("location") or item.get("region") or item.get("zone")]
    named += item.block("snapshot_schedule_policy", "snapshot_properties").get("storage_locations") or ()
    named.append(item.block("settings", "backup_configuration").get("location"))
    replicas = item.block("replication", "user_managed").get("replicas")
    named += [replica.get("location") for replica in replicas] if isinstance(replicas, list) else []
    return (place for place in named if isinstance(place, str) and place not in {"global", UNDECIDED, ""})
