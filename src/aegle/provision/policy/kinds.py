"""Which kinds of resources may stand at all: those that an assertion was written for. Anything else nobody has judged."""

from typing import Final

from aegle.provision.policy.estate import Estate, Finding, Findings

_GROUPS: Final = {
    "access_context_manager": "access_level service_perimeter service_perimeter_egress_policy service_perimeter_ingress_policy",
    "bigquery": "analytics_hub_listing data_transfer_config dataset dataset_access job row_access_policy table",
    "billing": "budget",
    "certificate_manager": "certificate dns_authorization",
    "compute": (
        "address disk disk_resource_policy_attachment external_vpn_gateway firewall forwarding_rule global_address "
        "global_forwarding_rule ha_vpn_gateway instance instance_template interconnect interconnect_attachment network "
        "network_firewall_policy network_peering project_metadata project_metadata_item region_autoscaler "
        "region_backend_service region_health_check region_instance_group_manager region_instance_template "
        "region_network_firewall_policy region_target_https_proxy region_url_map resource_policy route router "
        "router_interface router_nat router_peer service_attachment shared_vpc_host_project shared_vpc_service_project "
        "subnetwork vpn_gateway vpn_tunnel"
    ),
    "dns": "managed_zone record_set",
    "healthcare": "dataset dicom_store fhir_store",
    "iam": "workload_identity_pool workload_identity_pool_provider workload_identity_pool_provider_key",
    "kms": "crypto_key key_ring",
    "logging": (
        "billing_account_exclusion billing_account_sink folder_exclusion folder_sink linked_dataset metric "
        "organization_exclusion organization_sink project_bucket_config project_exclusion project_sink"
    ),
    "monitoring": "alert_policy dashboard monitored_project notification_channel",
    "network_connectivity": "hub spoke",
    "org_policy": "policy",
    "os_config": "patch_deployment",
    "pubsub": "subscription topic",
    "secret_manager": "secret secret_version",
    "service_networking": "connection",
    "sql": "database database_instance user",
    "storage": (
        "bucket bucket_access_control bucket_acl bucket_object default_object_access_control default_object_acl "
        "hmac_key notification object_access_control object_acl transfer_job"
    ),
}
_WHOLE: Final = "folder project project_service project_service_identity service_account service_account_key"
KNOWN: Final = frozenset(
    f"google_{name}"
    for name in [
        *_WHOLE.split(),
        *(f"{group}_{kind}" for group, kinds in _GROUPS.items() for kind in kinds.split()),
    ]
)
"""What the blueprint is made of, and what an assertion refuses or judges by its name."""


def kinds_are_known(estate: Estate) -> Findings:
    """Nothing stands that the other assertions know nothing of; a grant is always judged."""
    for item in estate.resources:
        if (
            item.kind.startswith("google_")
            and item.kind not in KNOWN
            and "_iam_" not in item.kind.removeprefix("google_")
        ):
            yield Finding(address=item.address, why="is of a kind that no assertion looks at")
