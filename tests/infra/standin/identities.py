"""How Google names things: the id of each kind of resource, and the values that only Google decides."""

from collections.abc import Mapping
from typing import Any, Final

_IDS: Final = {
    "google_access_context_manager_access_level": "{name}",
    "google_access_context_manager_service_perimeter": "{name}",
    "google_artifact_registry_repository": "projects/{project}/locations/{location}/repositories/{repository_id}",
    "google_bigquery_dataset": "projects/{project}/datasets/{dataset_id}",
    "google_bigquery_row_access_policy": "{project}/{dataset_id}/{table_id}/{policy_id}",
    "google_bigquery_table": "projects/{project}/datasets/{dataset_id}/tables/{table_id}",
    "google_compute_address": "projects/{project}/regions/{region}/addresses/{name}",
    "google_compute_disk": "projects/{project}/zones/{zone}/disks/{name}",
    "google_compute_instance": "projects/{project}/zones/{zone}/instances/{name}",
    "google_compute_network": "projects/{project}/global/networks/{name}",
    "google_compute_resource_policy": "projects/{project}/regions/{region}/resourcePolicies/{name}",
    "google_compute_subnetwork": "projects/{project}/regions/{region}/subnetworks/{name}",
    "google_folder": "folders/{serial}",
    "google_healthcare_dataset": "projects/{project}/locations/{location}/datasets/{name}",
    "google_healthcare_dicom_store": "{dataset}/dicomStores/{name}",
    "google_iam_workload_identity_pool": "projects/{project}/locations/global/workloadIdentityPools/{workload_identity_pool_id}",
    "google_kms_crypto_key": "{key_ring}/cryptoKeys/{name}",
    "google_kms_key_ring": "projects/{project}/locations/{location}/keyRings/{name}",
    "google_logging_project_bucket_config": "projects/{project}/locations/{location}/buckets/{bucket_id}",
    "google_monitoring_alert_policy": "projects/{project}/alertPolicies/{serial}",
    "google_monitoring_dashboard": "projects/{project}/dashboards/{serial}",
    "google_monitoring_notification_channel": "projects/{project}/notificationChannels/{serial}",
    "google_project": "projects/{project_id}",
    "google_pubsub_topic": "projects/{project}/topics/{name}",
    "google_secret_manager_secret": "projects/{project}/secrets/{secret_id}",
    "google_service_account": "projects/{project}/serviceAccounts/{account_id}@{project}.iam.gserviceaccount.com",
    "google_sql_database_instance": "{name}",
    "google_storage_bucket": "{name}",
}
_PARTS: Final = (
    "org_id", "folder", "project", "dicom_store_id", "dataset_id", "table_id", "secret_id", "repository",
    "crypto_key_id", "topic", "subnetwork", "managed_zone", "patch_deployment_id", "link_id", "router", "disk",
    "instance", "location", "region", "zone", "bucket", "name", "parent", "service", "service_account_id",
    "workload_identity_pool_id", "workload_identity_pool_provider_id", "role", "member", "host_project",
    "service_project", "sink_name", "display_name", "policy_id",
)  # fmt: skip
"""Arguments that together name a resource for which there is no template."""

_AGENTS: Final = {
    "bigquery.googleapis.com": "bq-{number}@bigquery-encryption.iam.gserviceaccount.com",
    "storage.googleapis.com": "service-{number}@gs-project-accounts.iam.gserviceaccount.com",
    "compute.googleapis.com": "service-{number}@compute-system.iam.gserviceaccount.com",
}


def id_of(kind: str, values: Mapping[str, Any], project: str | None, serial: int) -> str:
    """The id Google would give; two resources of one kind with the same id are the same thing."""
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    known = {"project": project or "unset-project", **known, "serial": str(serial)}
    template = _IDS.get(kind)
    if template:
        return template.format_map(known)
    condition = values.get("condition")
    title = condition[0]["title"] if isinstance(condition, list) and condition else None
    parts = [known[name] for name in _PARTS if known.get(name)] + [title or ""]
    return "/".join(filter(None, parts))


def computed(kind: str, identity: str, values: Mapping[str, Any], project: str | None, serial: int) -> dict[str, Any]:
    """What Google decides about a new resource, by attribute name."""
    found: dict[str, Any] = {
        "id": identity,
        "project": project,
        "self_link": f"https://www.googleapis.com/{identity}",
        "self_link_unique": f"https://www.googleapis.com/{identity}",
        "number": str(serial),
        "unique_id": str(serial),
        "folder_id": str(serial),
        "numeric_id": str(serial),
        "etag": "BwX=",
        "effective_labels": values.get("labels") or {},
        "terraform_labels": values.get("labels") or {},
        "creation_timestamp": "2026-01-01T00:00:00Z",
        "writer_identity": f"serviceAccount:service-{serial}@gcp-sa-logging.iam.gserviceaccount.com",
    }
    if kind == "google_service_account":
        email = identity.rpartition("/")[2]
        found |= {"name": identity, "email": email, "member": f"serviceAccount:{email}"}
    elif kind == "google_project_service_identity":
        email = agent_of(values["service"], project)
        found |= {"email": email, "member": f"serviceAccount:{email}"}
    elif kind == "google_project":
        found |= {"number": number_of(values["project_id"])}
    elif kind in {"google_folder", "google_monitoring_notification_channel", "google_iam_workload_identity_pool"}:
        found |= {"name": identity}
    elif kind == "google_compute_address":
        found |= {"address": f"192.0.2.{serial % 250}"}
    return found


def agent_of(service: str, project: str | None) -> str:
    """Address of Google's own identity for a service in a project."""
    usual = f"service-{{number}}@gcp-sa-{service.partition('.')[0]}.iam.gserviceaccount.com"
    return _AGENTS.get(service, usual).format(number=number_of(project))


def number_of(project: str | None) -> str:
    """A project's number: made up from its name, so that every run has the same."""
    return str(100_000_000_000 + sum((place + 1) * ord(letter) for place, letter in enumerate(project or "")))
