"""What exists in the pretended cloud: resources kept in memory, the calls that were made, and failures put in on purpose."""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

from infra.standin import identities

Key = tuple[str, str]  #: (resource type, id)

_REPLACED_BY: Final = frozenset(
    {
        "account_id", "bucket_id", "crypto_key_id", "dataset", "dataset_id", "dicom_store_id", "instance", "ip_version",
        "key_ring", "location", "member", "name", "network", "project", "project_id", "region", "repository_id", "role",
        "secret_id", "service", "service_account_id", "subnetwork", "table_id", "topic", "zone",
    }
)  # fmt: skip
"""Arguments whose change replaces the resource (the wheel does not say; these are the names for which Google does)."""

_IN_PLACE: Final = frozenset(
    {("google_project", "name"), ("google_project", "project"), ("google_logging_metric", "bucket")}
)


class Refusal(Exception):
    """The cloud says no."""


@dataclass(kw_only=True)
class World:
    """One pretended cloud, shared by the google and google-beta providers. Thread-safe."""

    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)  #: (create|update|delete, type, id), in order
    failing: dict[str, str] = field(default_factory=dict)  #: type -> words with which its next creation fails
    project: str | None = None  #: the provider's default project
    lock: Any = field(default_factory=threading.RLock)
    _serial: int = 100_000_000_000

    def read(self, kind: str, identity: str) -> dict[str, Any] | None:
        """The resource as it is now, None when it is gone."""
        with self.lock:
            return self.objects.get((kind, identity))

    def create(self, kind: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """(id, what Google decides) of a new resource. Raises Refusal."""
        with self.lock:
            if kind in self.failing:
                raise Refusal(self.failing.pop(kind))
            project = values.get("project") if isinstance(values.get("project"), str) else self.project
            self._serial += 1
            identity = identities.id_of(kind, values, project, self._serial)
            if (kind, identity) in self.objects:
                raise Refusal(f"Error 409: {identity} already exists")
            return identity, identities.computed(kind, identity, values, project, self._serial)

    def keep(self, call: str, kind: str, identity: str, values: dict[str, Any]) -> None:
        """Remember a created or updated resource."""
        with self.lock:
            self.objects[kind, identity] = values
            self.calls.append((call, kind, identity))

    def delete(self, kind: str, identity: str, prior: dict[str, Any]) -> None:
        """Forget a resource. Raises Refusal where it is protected."""
        if prior.get("deletion_protection") is True or prior.get("deletion_policy") == "PREVENT":
            raise Refusal(f"{identity} is protected against deletion")
        with self.lock:
            self.objects.pop((kind, identity), None)
            self.calls.append(("delete", kind, identity))

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Every resource of a kind, by id."""
        with self.lock:
            return {identity: values for (known, identity), values in self.objects.items() if known == kind}


def replaced_by(kind: str, prior: dict[str, Any], wanted: dict[str, Any], unknown: object) -> list[str]:
    """Arguments whose change makes Google build the resource anew."""
    return [
        name
        for name in sorted(_REPLACED_BY & wanted.keys())
        if (kind, name) not in _IN_PLACE
        and prior.get(name) is not None
        and wanted[name] is not None
        and wanted[name] is not unknown
        and wanted[name] != prior[name]
    ]
