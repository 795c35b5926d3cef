"""What terraform says is there, or would be: resources with their site, and what the operator declared about each site."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from aegle.errors import BadConfig

_SITE: Final = re.compile(r'module\.site\["([^"]+)"\]')
UNDECIDED: Final = "(decided while applying)"
"""Stands in a plan for what Google will say: an assertion that needs it holds for now, and is asked again of the state."""
HUB: Final = "hub"
"""The owner of whatever is in no site's module."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One managed resource."""

    address: str
    kind: str
    values: Mapping[str, Any]

    @property
    def owner(self) -> str:
        """The site, or `hub`."""
        found = _SITE.match(self.address)
        return found[1] if found else HUB

    def get(self, name: str) -> Any:
        """An argument, None where it is not set; see UNDECIDED."""
        return self.values.get(name)

    def block(self, *path: str) -> Mapping[str, Any]:
        """The first block at a path of nested blocks; empty where there is none."""
        found: Mapping[str, Any] = self.values
        for name in path:
            below = found.get(name)
            found = below[0] if isinstance(below, list) and below else {}
        return found


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that must not be."""

    address: str
    why: str


Findings = Iterator[Finding]


@dataclass(frozen=True, kw_only=True)
class Estate:
    """Everything that the documents name, from however many roots."""

    resources: tuple[Resource, ...]
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: by site, from the output `declared`
    analysts: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  #: sites by member, none for all; output `analysts`

    def of(self, *kinds: str) -> Iterator[Resource]:
        """Resources of these types."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    def grants(self) -> Iterator[Resource]:
        """Every IAM grant of any kind."""
        return (item for item in self.resources if "_iam_" in item.kind and not item.kind.endswith("_audit_config"))

    @cached_property
    def _by_kind(self) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for item in self.resources:
            found.setdefault(item.kind, []).append(item)
        return found

    @cached_property
    def made_by(self) -> Mapping[str, Resource]:
        """The resource behind an id, a name in Google's long form, or a bucket's name."""
        found: dict[Any, Resource] = {}
        for item in self.resources:
            if "_iam_" not in item.kind:
                found |= {item.get(name): item for name in ("id", "name", "email", "secret_id") if item.get(name)}
        found.pop(UNDECIDED, None)
        return found

    @cached_property
    def identities(self) -> Mapping[str, Resource]:
        """Service accounts by their member."""
        accounts = {item.get("member"): item for item in self.of("google_service_account") if item.get("member")}
        return {member: item for member, item in accounts.items() if member != UNDECIDED}

    def frozen(self, site: str) -> bool:
        """Whether a site is on its way out: its identity is disabled."""
        return any(item.owner == site and item.get("disabled") is True for item in self.of("google_service_account"))

    @cached_property
    def sites(self) -> frozenset[str]:
        """Names of all sites."""
        return frozenset(item.owner for item in self.resources) - {HUB}

    def kind_of(self, site: str) -> str:
        """`hospital` or `lab`, as its archive is labelled."""
        stores = (item for item in self.of("google_healthcare_dicom_store") if item.owner == site)
        labels: Mapping[str, str] = next((item.get("labels") or {} for item in stores), {})
        return labels.get("aegle_kind", "")


def read(*documents: Mapping[str, Any]) -> Estate:
    """The estate of `terraform show -json` documents: states, plans, or both. Raises BadConfig for anything else."""
    resources: list[Resource] = []
    declared: dict[str, Mapping[str, Any]] = {}
    analysts: dict[str, tuple[str, ...]] = {}
    for document in documents:
        values = document.get("planned_values") or document.get("values")
        if not isinstance(values, dict) or "root_module" not in values:
            raise BadConfig("not a document of `terraform show -json`: it has no values; was anything applied?")
        undecided = {
            item["address"]: item["change"].get("after_unknown") for item in document.get("resource_changes", ())
        }
        resources += _resources(values["root_module"], undecided)
        outputs = values.get("outputs", {})
        declared |= outputs.get("declared", {}).get("value") or {}
        analysts |= {who: tuple(sites) for who, sites in (outputs.get("analysts", {}).get("value") or {}).items()}
    return Estate(resources=tuple(resources), declared=declared, analysts=analysts)


def _resources(module: Mapping[str, Any], undecided: Mapping[str, Any]) -> Iterator[Resource]:
    for item in module.get("resources", ()):
        if item["mode"] == "managed":
            values = _marked(item["values"], undecided.get(item["address"]) or {})
            yield Resource(address=item["address"], kind=item["type"], values=values)
    for below in module.get("child_modules", ()):
        yield from _resources(below, undecided)


def _marked(value: Any, unknown: Any) -> Any:
    """A planned value with UNDECIDED wherever terraform says so."""
    if unknown is True:
        return UNDECIDED
    if isinstance(unknown, dict) and isinstance(value, dict):
        return {name: _marked(value.get(name), unknown.get(name)) for name in value.keys() | unknown.keys()}
    if isinstance(unknown, list) and isinstance(value, list):
        marks = [*unknown, *([None] * len(value))]
        return [_marked(item, mark) for item, mark in zip(value, marks, strict=False)]
    return value
