"""Which packet may go where: nothing from outside but IAP, nothing between sites, nothing out but Google, hub and PACS."""

from collections.abc import Iterator
from typing import Any, Final

from aegle.provision.policy.estate import HUB, UNDECIDED, Estate, Finding, Findings, Resource

_IAP: Final = "35.235.240.0/20"
_HEALTH_CHECKS: Final = frozenset({"35.191.0.0/16", "130.211.0.0/22"})
_GOOGLE: Final = frozenset({"199.36.153.4/30", "35.190.247.13/32"})
"""restricted.googleapis.com, and the server that licenses Windows."""
_LAST: Final = 65000
_MACHINES: Final = (
    "google_compute_instance",
    "google_compute_region_instance_template",
    "google_compute_instance_template",
)


def no_external_address(estate: Estate) -> Findings:
    """No machine, database or balancer has an address on the internet."""
    for item in estate.of(*_MACHINES):
        for interface in item.get("network_interface") or ():
            if interface.get("access_config") or interface.get("ipv6_access_config"):
                yield Finding(address=item.address, why="has an external address")
    for item in estate.of("google_compute_subnetwork"):
        if item.get("ipv6_access_type") == "EXTERNAL":
            yield Finding(address=item.address, why="gives every machine an IPv6 address on the internet")
    for item in estate.of("google_sql_database_instance"):
        if item.block("settings", "ip_configuration").get("ipv4_enabled") is not False:
            yield Finding(address=item.address, why="has a public address")
    for item in estate.of("google_compute_address", "google_compute_global_address"):
        if item.get("address_type") != "INTERNAL":
            yield Finding(address=item.address, why="reserves an external address")
    for item in estate.of("google_compute_forwarding_rule", "google_compute_global_forwarding_rule"):
        if str(item.get("load_balancing_scheme")).startswith("EXTERNAL"):
            yield Finding(address=item.address, why="listens on the internet")


def no_default_network(estate: Estate) -> Findings:
    """No network that Google fills by itself."""
    for item in estate.of("google_compute_network"):
        if item.get("auto_create_subnetworks") is not False:
            yield Finding(address=item.address, why="makes subnets in every region by itself")
    for item in estate.of("google_project"):
        if item.get("auto_create_network") is not False:
            yield Finding(address=item.address, why="starts with the default network, open to SSH and RDP")


def networks_start_closed(estate: Estate) -> Findings:
    """Every network denies everything, both ways, unless a rule says otherwise."""
    for network in estate.of("google_compute_network"):
        for direction, ranges in (("INGRESS", "source_ranges"), ("EGRESS", "destination_ranges")):
            if not any(
                rule.get("deny") and not rule.get("disabled") and rule.get("direction") == direction
                and rule.get("network") == network.get("id")
                and rule.get("priority") == _LAST and rule.get(ranges) == ["0.0.0.0/0"]
                and any(part["protocol"] == "all" for part in rule.get("deny"))
                for rule in estate.of("google_compute_firewall")
            ):  # fmt: skip
                yield Finding(address=network.address, why=f"{direction.lower()} is not denied as a rule")


def rules_name_their_ports(estate: Estate) -> Findings:
    """What a rule opens is TCP at ports that it names one by one."""
    for rule in _allowing(estate, "INGRESS", "EGRESS"):
        for part in rule.get("allow"):
            ports = part.get("ports") or ()
            if part.get("protocol") != "tcp" or not ports or any("-" in str(port) for port in ports):
                yield Finding(
                    address=rule.address, why=f"opens {part.get('protocol')} {', '.join(ports) or 'everywhere'}"
                )


def rules_are_logged(estate: Estate) -> Findings:
    """What a rule lets through or refuses is logged."""
    for rule in estate.of("google_compute_firewall"):
        if not rule.get("log_config"):
            yield Finding(address=rule.address, why="logs nothing")


def ingress_is_from_iap(estate: Estate) -> Findings:
    """What comes in comes from IAP, from the hub's own balancer, or from the PACS range that the site declared."""
    for rule in _allowing(estate, "INGRESS"):
        for source in set(rule.get("source_ranges") or ["everywhere"]) - _sources(estate, rule):
            yield Finding(address=rule.address, why=f"lets {source} in")


def _sources(estate: Estate, rule: Resource) -> set[str]:
    if rule.owner != HUB:
        return {_IAP, *_pacs(estate, rule.owner)}
    proxies = (
        item for item in estate.of("google_compute_subnetwork") if item.get("purpose") == "REGIONAL_MANAGED_PROXY"
    )
    return {_IAP, *_HEALTH_CHECKS, *(item.get("ip_cidr_range") for item in proxies)}


def rules_are_aimed(estate: Estate) -> Findings:
    """What opens a way in, or a way out beyond Google, is for one identity, and a site's rule for that site's."""
    for rule in _allowing(estate, "INGRESS", "EGRESS"):
        aimed = rule.get("target_service_accounts") or ()
        if not aimed and not (
            rule.get("direction") == "EGRESS" and set(rule.get("destination_ranges") or ()) <= _GOOGLE
        ):
            yield Finding(address=rule.address, why="applies to every machine of the network")
        for email in aimed:
            identity = estate.identities.get(f"serviceAccount:{email}")
            if identity is not None and identity.owner != rule.owner:
                yield Finding(address=rule.address, why=f"is for {email}, who is not {rule.owner}'s")


def egress_is_known(estate: Estate) -> Findings:
    """A site reaches Google's APIs, the hub, and the PACS range that it declared; the hub also its database."""
    for rule in _allowing(estate, "EGRESS"):
        for target in set(rule.get("destination_ranges") or ["everywhere"]) - _destinations(estate, rule):
            yield Finding(address=rule.address, why=f"lets packets out to {target}")


def _destinations(estate: Estate, rule: Resource) -> set[str]:
    mine = [
        item
        for item in estate.of("google_compute_address", "google_compute_global_address")
        if item.owner == rule.owner
    ]
    inside = {f"{item.get('address')}/{_bits(item)}" for item in mine}
    return {*_GOOGLE, *inside, *_pacs(estate, rule.owner)}


def _bits(address: Resource) -> int:
    length = address.get("prefix_length")
    return length if isinstance(length, int) and length else 32


def no_way_between_sites(estate: Estate) -> Findings:
    """Sites share no network, and nothing joins two networks."""
    for item in estate.of(
        "google_compute_network_peering", "google_network_connectivity_hub", "google_network_connectivity_spoke"
    ):
        yield Finding(address=item.address, why="joins networks")
    for item in estate.of(*_MACHINES):
        if len(item.get("network_interface") or ()) > 1:
            yield Finding(address=item.address, why="stands in two networks")
    owners: dict[Any, set[str]] = {}
    for item in estate.of("google_compute_subnetwork", "google_compute_ha_vpn_gateway", "google_compute_router"):
        owners.setdefault(item.get("network"), set()).add(item.owner)
    for network, names in owners.items():
        if len(names) > 1 and network != UNDECIDED:
            yield Finding(address=str(network), why=f"is shared by {', '.join(sorted(names))}")
    for item in estate.of("google_compute_route"):
        if item.owner != HUB and item.get("dest_range") not in _GOOGLE:
            yield Finding(address=item.address, why=f"leads a site to {item.get('dest_range')}")


def only_the_hub_reaches_the_internet(estate: Estate) -> Findings:
    """Address translation exists in the hub's network alone."""
    for item in estate.of("google_compute_router_nat"):
        if item.owner != HUB:
            yield Finding(address=item.address, why="gives a site a way to the internet")


def flow_logs_are_on(estate: Estate) -> Findings:
    """Every subnet of machines logs every flow."""
    for item in estate.of("google_compute_subnetwork"):
        if item.get("purpose") in {None, "PRIVATE"} and item.block("log_config").get("flow_sampling") != 1:
            yield Finding(address=item.address, why="does not log every flow")


def _allowing(estate: Estate, *directions: str) -> Iterator[Resource]:
    for rule in estate.of("google_compute_firewall"):
        if rule.get("allow") and (rule.get("direction") or "INGRESS") in directions:
            yield rule


def _pacs(estate: Estate, site: str) -> set[str]:
    declared = estate.declared.get(site, {}).get("pacs")
    return {declared} if declared else set()
