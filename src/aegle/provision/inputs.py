"""aegle.yaml as the inputs of the blueprint's two roots."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aegle import __version__
from aegle.config import Config, SiteConfig
from aegle.errors import BadConfig
from aegle.estate import Google

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
        "sites": {name: _site(site, folder) for name, site in config.sites.items()},
    }


def installers(folder: Path) -> dict[str, dict[str, str]]:
    """What `aegle infra mirror` wrote down; empty before it ran."""
    path = folder / INSTALLERS
    found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _site(site: SiteConfig, folder: Path) -> dict[str, Any]:
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
        "ca_pem": None if place.ca_file is None else _text(folder / place.ca_file),
        "pacs": None if place.pacs is None else place.pacs.model_dump(),
        "vpn": None if place.vpn is None else place.vpn.model_dump(),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise BadConfig(f"{path}: not a PEM file that can be read; give the authority's certificate") from None
