"""Other ways in and out than machines and firewall rules: what is published, where names and tunnels lead, where data is sent."""

import ipaddress
import re
from typing import Any, Final

from aegle.provision.policy.estate import HUB, UNDECIDED, Estate, Finding, Findings, Resource

_HIDDEN: Final = re.compile(
    r"google_compute_(network_|region_network_)?firewall_policy|google_compute_organization_security_policy"
    r"|google_compute_packet_mirroring|google_network_security_"
)
_LINES: Final = ("google_compute_vpn_gateway", "google_compute_interconnect_attachment", "google_compute_interconnect")
_SINKS: Final = (
    "google_logging_project_sink", "google_logging_organization_sink", "google_logging_billing_account_sink",
    "google_storage_transfer_job", "google_storage_notification", "google_bigquery_data_transfer_config",
    "google_bigquery_analytics_hub_listing", "google_bigquery_job", "google_healthcare_fhir_store",
)  # fmt: skip
_GOOGLE: Final = ipaddress.ip_network("199.36.153.4/30")
_RESTRICTED: Final = "restricted.googleapis.com"


def no_hidden_rules(estate: Estate) -> Findings:
    """Firewall rules are the only ones: no firewall policy above them, no copy of packets."""
    for item in estate.resources:
        if _HIDDEN.match(item.kind):
            yield Finding(address=item.address, why="decides about packets before the firewall rules do")


def published_to_our_projects(estate: Estate) -> Findings:
    """The hub alone is published, to projects that are named; a site's network meets nothing else."""
    attachments = {item.get("id") for item in estate.of("google_compute_service_attachment")}
    for item in estate.of("google_compute_service_attachment"):
        if item.owner != HUB:
            yield Finding(address=item.address, why=f"publishes what is in the network of {item.owner}")
        if item.get("connection_preference") != "ACCEPT_MANUAL":
            yield Finding(address=item.address, why="accepts every project of the world")
        for project in _accepted(item) - _projects(estate):
            yield Finding(address=item.address, why=f"accepts {project}, which is not of this estate")
    for rule in estate.of("google_compute_forwarding_rule", "google_compute_global_forwarding_rule"):
        target = rule.get("target")
        if rule.owner != HUB and target != UNDECIDED and UNDECIDED not in attachments and target not in attachments:
            yield Finding(address=rule.address, why=f"leads to {target}, which is not the hub")


def _accepted(attachment: Resource) -> set[str]:
    lists = attachment.get("consumer_accept_lists")
    named = (item.get("project_id_or_num") or item.get("network_url") for item in lists or () if item != UNDECIDED)
    return {str(name) for name in named} if isinstance(lists, list) else set()


def _projects(estate: Estate) -> set[str]:
    """Projects in which something stands."""
    return {str(item.get("project")) for item in estate.resources if item.get("project")}


def names_stay_inside(estate: Estate) -> Findings:
    """Names are answered inside, by us: no public zone, none that asks another network, and Google's are the restricted ones."""
    for zone in estate.of("google_dns_managed_zone"):
        if zone.get("visibility") != "private":
            yield Finding(address=zone.address, why="shows names to the world")
        for block in ("peering_config", "forwarding_config", "service_directory_config"):
            if zone.get(block) and zone.get(block) != UNDECIDED:
                yield Finding(address=zone.address, why=f"has others answer ({block})")
    for record in estate.of("google_dns_record_set"):
        if str(record.get("name")).endswith(("googleapis.com.", "pkg.dev.")) and record.get("type") == "A":
            for address in record.get("rrdatas") or ():
                if address != UNDECIDED and ipaddress.ip_address(address) not in _GOOGLE:
                    yield Finding(address=record.address, why=f"sends Google's names to {address}, not {_RESTRICTED}")


def tunnels_lead_where_declared(estate: Estate) -> Findings:
    """A site's tunnel ends at the device that its block names, tells it of our subnets and Google alone; no other line."""
    for item in estate.of(*_LINES):
        yield Finding(address=item.address, why="is a line that nobody declared")
    for item in estate.of("google_compute_external_vpn_gateway"):
        declared = estate.declared.get(item.owner, {}).get("vpn")
        for end in item.get("interface") or ():
            if end.get("ip_address") != declared:
                yield Finding(address=item.address, why=f"leads to {end.get('ip_address')}; declared is {declared}")
    for tunnel in estate.of("google_compute_vpn_tunnel"):
        if tunnel.get("ike_version") == 1:
            yield Finding(address=tunnel.address, why="speaks IKE version 1")
    for router in estate.of("google_compute_router"):
        told = router.block("bgp").get("advertised_ip_ranges") or ()
        for part in told if isinstance(told, list) else ():
            if part.get("range") != str(_GOOGLE):
                yield Finding(address=router.address, why=f"tells the other end that {part.get('range')} is here")


def data_goes_nowhere_else(estate: Estate) -> Findings:
    """No archive, log, bucket or table sends what it gets to somebody else."""
    for item in estate.of(*_SINKS):
        yield Finding(address=item.address, why="takes data to another place")
    for store in estate.of("google_healthcare_dicom_store"):
        for block in ("stream_configs", "notification_config"):
            if _given(store.get(block)):
                yield Finding(address=store.address, why=f"tells others what it stores ({block})")
    for entry in estate.of("google_bigquery_dataset_access"):
        others = [
            view.get("project_id") for view in entry.get("view") or () if view.get("project_id") != entry.get("project")
        ]
        if others or entry.get("dataset") or entry.get("routine"):
            yield Finding(address=entry.address, why="lets what stands elsewhere read every row")
    for item in estate.of("google_pubsub_subscription"):
        if _given(item.get("push_config")):
            yield Finding(address=item.address, why="pushes to an address")
    for sink in estate.of("google_logging_folder_sink"):
        mine = {bucket.get("id") for bucket in estate.of("google_logging_project_bucket_config")}
        target = str(sink.get("destination")).removeprefix("logging.googleapis.com/")
        if UNDECIDED not in {target, *mine} and target not in mine:
            yield Finding(address=sink.address, why="writes to a place that is not ours")


def _given(value: Any) -> bool:
    return bool(value) and value != UNDECIDED
