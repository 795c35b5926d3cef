"""URL to port: the one place that knows which machine this is, and hands every program what it needs.

A name is imported when it is asked for: a command that looks after a site needs neither the hub nor a model's runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aegle.wiring.hub import lodged_heads, migrate_hub, running_hub
    from aegle.wiring.keeping import backups, hub_version, mirror, say, site_secrets
    from aegle.wiring.site import running_site, site_folder
    from aegle.wiring.worker import load_bundle, run_worker

_PLACES = {
    "hub": ("lodged_heads", "migrate_hub", "running_hub"),
    "keeping": ("backups", "hub_version", "mirror", "say", "site_secrets"),
    "site": ("running_site", "site_folder"),
    "worker": ("load_bundle", "run_worker"),
}

__all__ = [
    "backups",
    "hub_version",
    "load_bundle",
    "lodged_heads",
    "migrate_hub",
    "mirror",
    "run_worker",
    "running_hub",
    "running_site",
    "say",
    "site_folder",
    "site_secrets",
]


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(name)
