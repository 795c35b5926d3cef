"""How machines are kept: hardened, under an identity of their own, patched and copied."""

from collections.abc import Iterator
from typing import Final

from aegle.provision.policy.estate import HUB, Estate, Finding, Findings, Resource

_TOLD: Final = frozenset(
    {
        "aegle-facts", "aegle-jenkins-init", "aegle-jobs", "aegle-service", "block-project-ssh-keys", "enable-osconfig",
        "enable-oslogin", "serial-port-enable", "startup-script", "windows-startup-script-ps1",
    }
)  # fmt: skip
_WEEK_DAYS: Final = 7
_METADATA: Final = {"enable-oslogin": "TRUE", "block-project-ssh-keys": "TRUE", "serial-port-enable": "FALSE"}


def _machines(estate: Estate) -> Iterator[Resource]:
    return estate.of(
        "google_compute_instance", "google_compute_region_instance_template", "google_compute_instance_template"
    )


def machines_start_verified(estate: Estate) -> Findings:
    """Secure boot, measured boot and its watching are on."""
    for item in _machines(estate):
        shield = item.block("shielded_instance_config")
        for name in ("enable_secure_boot", "enable_vtpm", "enable_integrity_monitoring"):
            if shield.get(name) is not True:
                yield Finding(address=item.address, why=f"{name} is off")


def machines_have_their_own_identity(estate: Estate) -> Findings:
    """No machine runs as the project's default identity, and a site's machine runs as its site."""
    for item in _machines(estate):
        email = str(item.block("service_account").get("email") or "")
        identity = estate.identities.get(f"serviceAccount:{email}")
        if not email or email.endswith("-compute@developer.gserviceaccount.com"):
            yield Finding(address=item.address, why="runs as the project's default identity")
        elif identity is not None and identity.owner != item.owner:
            yield Finding(address=item.address, why=f"runs as {email}, who is {identity.owner}'s")


def machines_run_what_is_here(estate: Estate) -> Findings:
    """A machine is told what the blueprint tells it: no script from elsewhere, no keys, nothing for a whole project."""
    for item in _machines(estate):
        for name in sorted((item.get("metadata") or {}).keys() - _TOLD):
            yield Finding(address=item.address, why=f"metadata {name} is not known here")
        if item.get("metadata_startup_script") not in {None, ""}:
            yield Finding(address=item.address, why="starts by another script")
    for item in estate.of("google_compute_project_metadata", "google_compute_project_metadata_item"):
        yield Finding(address=item.address, why="tells every machine of a project")


def machines_let_nobody_in_past_iap(estate: Estate) -> Findings:
    """OS Login is on; project-wide keys, the serial port, forwarding and nested machines are off."""
    for item in _machines(estate):
        metadata = item.get("metadata") or {}
        for name, wanted in _METADATA.items():
            if str(metadata.get(name)).upper() != wanted:
                yield Finding(address=item.address, why=f"metadata {name} is not {wanted}")
        if item.get("can_ip_forward") is True:
            yield Finding(address=item.address, why="forwards other machines' packets")
        if item.block("advanced_machine_features").get("enable_nested_virtualization") is True:
            yield Finding(address=item.address, why="runs machines inside")


def machines_of_sites_stay(estate: Estate) -> Findings:
    """Google may not take a site's machine away while somebody works at it."""
    for item in _machines(estate):
        terms = item.block("scheduling")
        if item.owner != HUB and (terms.get("preemptible") is True or terms.get("provisioning_model") == "SPOT"):
            yield Finding(address=item.address, why="may be taken away at any time")


def machines_are_patched_and_copied(estate: Estate) -> Findings:
    """Every site's machine has a plan for patches, and its data disk is copied every day, for a week at least."""
    patched = {
        target
        for item in estate.of("google_os_config_patch_deployment")
        for target in item.block("instance_filter").get("instances") or ()
    }
    for item in estate.of("google_os_config_patch_deployment"):
        if item.block("patch_config").get("reboot_config") == "NEVER":
            yield Finding(address=item.address, why="never starts a machine anew, so that patches do not take hold")
    copied = {(item.owner, item.get("disk")) for item in estate.of("google_compute_disk_resource_policy_attachment")}
    for item in estate.of("google_compute_resource_policy"):
        daily = item.block("snapshot_schedule_policy", "schedule", "daily_schedule").get("days_in_cycle")
        days = item.block("snapshot_schedule_policy", "retention_policy").get("max_retention_days")
        if item.block("snapshot_schedule_policy") and (daily != 1 or not isinstance(days, int) or days < _WEEK_DAYS):
            yield Finding(address=item.address, why=f"copies every {daily} days and keeps copies for {days}")
    for item in estate.of("google_compute_instance"):
        if item.owner != HUB and item.get("id") and item.get("id") not in patched:
            yield Finding(address=item.address, why="is never patched")
    for item in estate.of("google_compute_disk"):
        if (item.owner, item.get("name")) not in copied:
            yield Finding(address=item.address, why="has no snapshots")
