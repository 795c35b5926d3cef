"""Aegle's folder on one machine: who lives where, and what was applied last."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from aegle import durable
from aegle.config import Config, HubConfig, SiteConfig
from aegle.errors import BadConfig


class AppliedHub(BaseModel):
    """The hub as `aegle apply` last made it: every port is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int
    pages_port: int
    config: HubConfig


class AppliedSite(BaseModel):
    """A site as `aegle apply` last made it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    door_port: int
    archive_port: int
    pages_port: int
    config: SiteConfig


class Applied(BaseModel):
    """What runs, or would run at the next `aegle up`. Programs read this, never aegle.yaml, so an edit does nothing
    before `aegle apply`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hub: AppliedHub
    sites: dict[str, AppliedSite] = {}

    def site(self, name: str) -> AppliedSite:
        """One site. Raises BadConfig with the remedy."""
        if name not in self.sites:
            known = ", ".join(self.sites) or "none"
            raise BadConfig(
                f"no site {name!r} was applied (known: {known}); add it to aegle.yaml and run `aegle apply`"
            )
        return self.sites[name]


@dataclass(frozen=True, kw_only=True)
class Home:
    """The layout below `AEGLE_HOME`."""

    root: Path

    @property
    def hub(self) -> Path:
        """The hub's own folder."""
        return self.root / "hub"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "log"

    def site(self, name: str) -> Path:
        """A site's own folder."""
        return self.root / "sites" / name

    def applied(self) -> Applied | None:
        """What was applied last, None before the first time."""
        path = self._applied
        return Applied.model_validate_json(path.read_bytes()) if path.exists() else None

    def require_applied(self) -> Applied:
        """What was applied last. Raises BadConfig before the first time."""
        found = self.applied()
        if found is None:
            raise BadConfig(f"nothing was applied in {self.root} yet; run `aegle apply`")
        return found

    def write_applied(self, applied: Applied) -> None:
        """Replace it, whole or not at all."""
        durable.write(self._applied, applied.model_dump_json(indent=1).encode())

    @property
    def _applied(self) -> Path:
        return self.root / "applied.json"


def same_hub(config: Config, applied: Applied | None) -> bool:
    """Whether the hub stands as aegle.yaml wants it."""
    return applied is not None and applied.hub.config == config.hub
