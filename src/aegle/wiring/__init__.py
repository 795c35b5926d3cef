"""URL to port: the one place that knows which machine this is, and hands every program what it needs."""

from aegle.wiring.hub import lodged_heads, migrate_hub, running_hub
from aegle.wiring.site import running_site, site_folder
from aegle.wiring.worker import load_bundle, run_worker

__all__ = ["load_bundle", "lodged_heads", "migrate_hub", "run_worker", "running_hub", "running_site", "site_folder"]
