"""Roughly what a resource costs a month, to tell a coffee from a car. Never a bill.

US dollars, list prices of a European region as remembered in 2026, without use (storage filled, traffic, queries).
"""

from typing import Final

from aegle.provision.policy.estate import Resource

AS_OF: Final = "2026"
_CPU: Final = {"e2": 25.0, "n2": 36.0, "n1": 35.0, "g2": 40.0, "c3": 40.0}  #: a virtual CPU with its memory, by family
_WINDOWS_CPU: Final = 34.0  #: licence, a virtual CPU
_GPU: Final = {"nvidia-l4": 520.0, "nvidia-tesla-t4": 260.0}
_DISK_GB: Final = 0.11  #: pd-balanced
_FLAT: Final = {
    "google_compute_vpn_tunnel": 37.0,
    "google_compute_forwarding_rule": 8.0,
    "google_compute_router_nat": 33.0,
    "google_kms_crypto_key": 0.1,
    "google_secret_manager_secret": 0.1,
    "google_dns_managed_zone": 0.2,
}
_DATABASE_CPU, _DATABASE_GB = 31.0, 5.3  #: of a `db-custom-CPUS-MEGABYTES` tier
_HOT_SPARE: Final = 2


def monthly(resource: Resource) -> float:
    """US dollars a month."""
    match resource.kind:
        case "google_compute_instance":
            windows = "windows" in str(resource.block("boot_disk", "initialize_params").get("image"))
            return _machine(str(resource.get("machine_type")), windows=windows) + 100 * _DISK_GB
        case "google_compute_region_instance_template":
            gpus: float = sum(
                _GPU.get(item["type"], 400.0) * item["count"] for item in resource.get("guest_accelerator") or ()
            )
            return _machine(str(resource.get("machine_type"))) + 100 * _DISK_GB + gpus
        case "google_compute_disk":
            return float(resource.get("size") or 0) * _DISK_GB
        case "google_sql_database_instance":
            return _database(str(resource.block("settings").get("tier")))
        case kind:
            return _FLAT.get(kind, 0.0)


def _machine(name: str, *, windows: bool = False) -> float:
    family, _, rest = name.partition("-")
    cpus = int(rest.rpartition("-")[2]) if rest.rpartition("-")[2].isdigit() else 2
    return cpus * (_CPU.get(family, 36.0) + (_WINDOWS_CPU if windows else 0.0))


def _database(tier: str) -> float:
    parts = tier.split("-")
    if len(parts) != 4 or not (parts[2].isdigit() and parts[3].isdigit()):
        return 100.0
    return _HOT_SPARE * (int(parts[2]) * _DATABASE_CPU + int(parts[3]) / 1024 * _DATABASE_GB)
