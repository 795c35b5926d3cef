"""What Google refuses and a schema cannot say: names, members, addresses, roles outside the one list, overlaps."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

from infra.standin.world import World

Finding = tuple[str, str, tuple[str, ...]]  #: summary, detail, path

_RFC1035: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_MEMBER: Final = re.compile(
    r"(user|group|serviceAccount|domain):[^\s:]+@?[^\s:]+|principal(Set)?://iam\.googleapis\.com/\S+"
    r"|allUsers|allAuthenticatedUsers"
)
_NAMES: Final = {
    "google_compute": ("name", _RFC1035),
    "google_service_account": ("account_id", re.compile(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")),
    "google_project": ("project_id", re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]")),
    "google_storage_bucket": ("name", re.compile(r"[a-z0-9][-a-z0-9_.]{1,61}[a-z0-9]")),
    "google_bigquery_dataset": ("dataset_id", re.compile(r"\w{1,1024}")),
    "google_secret_manager_secret": ("secret_id", re.compile(r"[\w-]{1,255}")),
    "google_healthcare_dataset": ("name", re.compile(r"[\w.-]{1,256}")),
    "google_kms_crypto_key": ("name", re.compile(r"[\w-]{1,63}")),
}
"""By resource type, or by the start of it: which argument must look how."""

_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def of_arguments(kind: str, shape: dict[str, Any], values: dict[str, Any], roles: frozenset[str]) -> Iterator[Finding]:
    """What is wrong with the arguments of one resource, seen alone."""
    yield from _decided_by_google(shape, values, ())
    for start, (argument, pattern) in _NAMES.items():
        value = values.get(argument)
        named = kind == start or (start == "google_compute" and kind.startswith(f"{start}_"))
        if named and isinstance(value, str) and not pattern.fullmatch(value):
            yield f"invalid {argument} {value!r}", f"must match {pattern.pattern}", (argument,)
    if "_iam_" in kind:
        yield from _grant(values, roles)
    yield from _addresses(values)
    if isinstance(values.get("labels"), dict) and kind != "google_monitoring_notification_channel":  # settings there
        for key, value in values["labels"].items():
            if not _LABEL.fullmatch(key) or (isinstance(value, str) and not re.fullmatch(r"[a-z0-9_-]{0,63}", value)):
                yield f"invalid label {key}={value!r}", "small letters, digits, _ and -", ("labels",)
    if kind == "google_compute_firewall" and values.get("allow") and values.get("deny"):
        yield "allow conflicts with deny", "", ("allow",)


def _decided_by_google(shape: dict[str, Any], values: dict[str, Any], path: tuple[str, ...]) -> Iterator[Finding]:
    for name, attribute in shape["attributes"].items():
        only_google = attribute.get("computed") and not attribute.get("optional")
        if only_google and values.get(name) is not None:
            yield "Value for unconfigurable attribute", f"{name} is decided by Google", (*path, name)
    for name, below in shape["blocks"].items():
        inner = values.get(name)
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict):
                yield from _decided_by_google(below["block"], item, (*path, name))


def _grant(values: dict[str, Any], roles: frozenset[str]) -> Iterator[Finding]:
    members = [values.get("member"), *(values.get("members") or ())]
    for member in members:
        if isinstance(member, str) and not _MEMBER.fullmatch(member):
            yield f"invalid IAM member {member!r}", "", ("member",)
    role = values.get("role")
    if isinstance(role, str) and roles and role not in roles:
        yield f"role {role} is not in the list this project may grant", "infra/roles.json", ("role",)


def _addresses(values: dict[str, Any]) -> Iterator[Finding]:
    for name in ("ip_cidr_range", "dest_range"):
        if isinstance(values.get(name), str):
            try:
                ipaddress.ip_network(values[name])
            except ValueError as problem:
                yield f"invalid {name}", str(problem), (name,)


def against_others(kind: str, values: dict[str, Any], cloud: World) -> Iterator[Finding]:
    """What Google refuses because of what exists already."""
    if kind == "google_healthcare_dicom_store" and not cloud.read("google_healthcare_dataset", values["dataset"]):
        yield f"Error 404: dataset {values['dataset']} not found", "", ("dataset",)
    if kind == "google_compute_subnetwork":
        mine = ipaddress.ip_network(values["ip_cidr_range"])
        for identity, other in cloud.of(kind).items():
            same_network = other["network"] == values["network"] and other["name"] != values["name"]
            if same_network and mine.overlaps(ipaddress.ip_network(other["ip_cidr_range"])):
                yield f"Error 400: {mine} overlaps {identity}", "", ("ip_cidr_range",)
