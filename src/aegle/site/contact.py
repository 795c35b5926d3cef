"""What a site tells the hub of itself, now and then."""

import shutil
from dataclasses import dataclass

from aegle import __version__, api
from aegle.intake.quarantine import Quarantine
from aegle.intake.spool import Spool
from aegle.site.folder import SiteFolder
from aegle.site.heads import keep_heads
from aegle.site.site_ports import SitePorts
from aegle.site.state import SiteState


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Steps of the site's program. Both raise what the hub's port raises."""

    folder: SiteFolder
    ports: SitePorts
    quarantine: Quarantine
    spool: Spool
    state: SiteState

    def say_hello(self) -> bool:
        """That the site lives, and what waits there."""
        self.ports.hub.hello(
            api.Hello(
                software=__version__,
                held=sum(entry.blocks_study for entry in self.quarantine.entries()),
                spooled=len(self.spool.waiting()),
                undelivered=self.state.undelivered(),
                disk_free_bytes=shutil.disk_usage(self.folder.root).free,
            )
        )
        return False

    def exchange_heads(self) -> bool:
        """Lodge the heads of the site's trails there, and keep the hub's."""
        keep_heads(self.folder.lodged, self.ports.hub.exchange_heads(self.ports.heads()))
        return False
