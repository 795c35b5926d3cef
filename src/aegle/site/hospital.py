"""What a hospital's program does beyond a laboratory's: requests to the hub, results from it, deliveries to the PACS."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aegle.config import Pacs, SiteConfig
from aegle.deid import Pseudonyms, Vault
from aegle.protocols.dimse import Target
from aegle.site.folder import SiteFolder
from aegle.site.grants import OwnEndpoint
from aegle.site.pictures import Pictures, build
from aegle.site.results import Deliveries, Outcomes, Results
from aegle.site.site_ports import SitePorts
from aegle.site.state import SiteState
from aegle.site.studies import Requests, Studies

Steps = dict[str, tuple[Callable[[], bool], float]]  #: by name, each with its pause in seconds


@dataclass(frozen=True, kw_only=True)
class Hospital:
    """The parts that its steps share."""

    site: str
    config: SiteConfig
    title: str  #: AE title under which it sends
    folder: SiteFolder
    ports: SitePorts
    state: SiteState
    studies: Studies
    vault: Vault
    pseudonyms: Pseudonyms
    pictures: Pictures

    def steps(self) -> Steps:
        """Requests, outcomes, results, and deliveries where there is a PACS."""
        results = self._results()
        steps: Steps = {
            "requests": (self._requests().submit, 0.25),
            "outcomes": (self._outcomes().collect, 0.5),
            "results": (results.settle, 0.25),
        }
        if pacs := self.config.pacs:
            steps["deliveries"] = (self._deliveries(pacs, results).deliver, 0.5)
        return steps

    def _requests(self) -> Requests:
        url = f"http://127.0.0.1:{self.ports.archive_port}"
        return Requests(
            site=self.site,
            studies=self.studies,
            state=self.state,
            hub=self.ports.hub,
            audit=self.ports.audit,
            lender=self.ports.lender or OwnEndpoint(self.site, self.ports.secrets.get("grant-key"), url),
        )

    def _outcomes(self) -> Outcomes:
        return Outcomes(site=self.site, state=self.state, hub=self.ports.hub, audit=self.ports.audit)

    def _results(self) -> Results:
        return Results(
            site=self.site,
            state=self.state,
            archive=self.ports.archive,
            vault=self.vault,
            pseudonyms=self.pseudonyms,
            audit=self.ports.audit,
            build=partial(build, self.pictures),
            work=self.folder.work,
            outbox=self.folder.outbox,
        )

    def _deliveries(self, pacs: Pacs, results: Results) -> Deliveries:
        target = Target(host=pacs.host, port=pacs.port, called=pacs.ae_title, calling=self.title, tls=pacs.tls)
        return Deliveries(
            site=self.site,
            state=self.state,
            audit=self.ports.audit,
            outbox=self.folder.outbox,
            pacs=target,
            rebuild=results.rebuild,
        )
