"""aegle.yaml as the inputs of the blueprint's two roots."""

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aegle import __version__
from aegle.config import Config, Pacs, SiteConfig
from aegle.errors import BadConfig
from aegle.estate import Google, OnGoogle

_TOLD: Final = {"door", "query", "pacs", "deid", "operating_point"}
INSTALLERS: Final = "aegle.software.json"
"""Beside aegle.yaml: what `aegle infra mirror` has checked."""


def foundation(google: Google) -> dict[str, Any]:
    """Inputs of `infra/foundation`."""
    return {
        "estate": {
            "prefix": google.prefix,
            "parent": google.folder or f"organizations/{google.organisation}",
            "organisation": google.organisation,
            "customer": google.customer,
            "billing_account": google.billing_account,
            "region": google.region,
        },
        "deploy": {"issuer": google.deploy.issuer, "subject": google.deploy.subject},
    }


def platform(config: Config, google: Google, made: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Inputs of `infra/platform`; `made` are the foundation's outputs, `folder` is where aegle.yaml lies."""
    deploy = f"serviceAccount:{made['deploy']['identity']}"
    return {
        "estate": {
            "prefix": google.prefix,
            "region": google.region,
            "zone": f"{google.region}-{google.zone}",
            "billing_account": google.billing_account,
            "currency": google.currency,
            "mail": google.mail,
            "access_policy": google.access_policy,
            "enforced": google.perimeter == "enforced",
            "members": [deploy, *google.perimeter_members],
            **made["estate"],
        },
        "hub": {
            "name": google.hub_name,
            "release": __version__,
            "workers_max": google.workers_max,
            "gpu": google.gpu,
            "bundle": google.bundle,
            "migration_until": google.migration_until,
        },
        "analysts": {who.name: {"member": who.group, "sites": list(who.sites)} for who in google.analysts},
        "installers": installers(folder),
        "sites": {name: _site(name, site, folder) for name, site in config.sites.items()},
    }


def installers(folder: Path) -> dict[str, dict[str, str]]:
    """What `aegle infra mirror` wrote down; empty before it ran."""
    path = folder / INSTALLERS
    found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _site(name: str, site: SiteConfig, folder: Path) -> dict[str, Any]:
    if site.google is None:
        raise BadConfig("a site on Google Cloud needs the block google, with its cidr")
    place = site.google
    return {
        "kind": site.kind.value,
        "frozen": site.frozen,
        "cidr": place.cidr,
        "operators": list(place.operators),
        "gateway": place.gateway,
        "system": place.system,
        "machine": place.machine,
        "disk_gb": place.disk_gb,
        "door_port": site.door.port or 11112,
        "budget": place.budget,
        "settings": json.dumps(_settings(name, site, place)),
        "ca_pem": None if place.ca_file is None else _text(folder / place.ca_file),
        "pacs": None if place.pacs is None else place.pacs.model_dump(),
        "vpn": None if place.vpn is None else place.vpn.model_dump(),
    }


def _settings(name: str, site: SiteConfig, place: OnGoogle) -> dict[str, Any]:
    """What the machine on Google Cloud is told of the block; a hospital's own machine has an aegle.yaml of its own."""
    if place.gateway != "vm":
        return {}
    if any(it.tls is not None for it in (site.door, site.door.stow, site.query, site.pacs) if it is not None):
        raise BadConfig(
            f"sites.{name}: files of a tls block do not travel to a machine on Google Cloud; the tunnel encrypts: leave tls out"
        )
    if site.pacs is not None:
        _check_reachable(name, site.pacs, place)
    return site.model_dump(mode="json", exclude_defaults=True, include=_TOLD)


def _check_reachable(name: str, pacs: Pacs, place: OnGoogle) -> None:
    """The firewall opens one range and one port, so results can go nowhere else."""
    behind = place.pacs
    if behind is None or pacs.port != behind.port or not _lies_in(pacs.host, behind.cidr):
        raise BadConfig(
            f"sites.{name}: results go to pacs (an address as host, and port), so google: pacs: must open both (cidr, port)"
        )


def _lies_in(host: str, cidr: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(cidr)
    except ValueError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise BadConfig(f"{path}: not a PEM file that can be read; give the authority's certificate") from None
