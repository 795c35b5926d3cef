"""`aegle up`: starts and watches hub, workers and sites as they were applied, and picks up a new site while the rest runs on."""

import threading
from collections.abc import Mapping
from pathlib import Path

from aegle import logs
from aegle.errors import AegleError
from aegle.local.enrolment import OperatorClient, enroll, freeze_others
from aegle.local.home import Applied, AppliedSite, Home
from aegle.local.processes import Kept

_HOPELESS = 3


class Supervisor:
    """Keeps what `applied.json` names running. Touches a process only when its own part of the file changed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._hub: Kept | None = None
        self._operator: OperatorClient | None = None
        self._workers: list[Kept] = []
        self._sites: dict[str, tuple[AppliedSite, Kept]] = {}
        self._settled: frozenset[str] | None = None  #: the sites that run, all others being frozen at the hub

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping` is set; then everything is stopped, sites first."""
        try:
            while not stopping.wait(0.5 if self._sites else 0.1):
                self.tend()
        finally:
            self.stop()

    def tend(self) -> None:
        """One look: start what is missing, restart what died or changed, stop what is no longer wanted."""
        applied = self._home.require_applied()
        wanted = {name: site for name, site in applied.sites.items() if not site.config.frozen}
        self._tend_hub(applied)
        if self._operator is None:
            self._operator = OperatorClient(self._home, applied.hub.port)
        client = self._operator
        if client.is_ready():
            self._tend_workers(applied)
            for name, site in wanted.items():
                self._tend_site(client, name, site)
        for name in self._sites.keys() - wanted.keys():
            self._sites.pop(name)[1].stop()
            self._settled = None
        if self._settled != wanted.keys() and client.is_ready():
            self._freeze_others(client, frozenset(wanted))
        for _, process in self._sites.values():
            process.keep()

    def stop(self) -> None:
        """Sites, then workers, then the hub with its database."""
        for process in self._kept_now():
            process.stop()

    def pids(self) -> Mapping[str, int]:
        """Process ids by name, of what runs now."""
        return {process.name: process.pid for process in self._kept_now() if process.pid is not None}

    def failing(self) -> Mapping[str, str]:
        """What cannot stay up, by name: its last words after three quick deaths in a row."""
        return {process.name: process.last_words() for process in self._kept_now() if process.quick_deaths >= _HOPELESS}

    def _kept_now(self) -> list[Kept]:
        """In the order to stop them."""
        return [*(process for _, process in self._sites.values()), *self._workers, *([self._hub] if self._hub else [])]

    def _tend_hub(self, applied: Applied) -> None:
        if self._hub is None:
            self._hub = self._kept("hub", "run", "hub")
        self._hub.keep()

    def _tend_workers(self, applied: Applied) -> None:
        wanted = applied.hub.config.workers
        for number in range(len(self._workers) + 1, wanted + 1):
            self._workers.append(self._kept(f"worker-{number}", "run", "worker", "--number", str(number)))
        while len(self._workers) > wanted:
            self._workers.pop().stop()
        for worker in self._workers:
            worker.keep()

    def _tend_site(self, client: OperatorClient, name: str, site: AppliedSite) -> None:
        known = self._sites.get(name)
        if known is not None and known[0] == site:
            return
        try:
            enroll(self._home, client, name, site)
        except AegleError as error:
            logs.error("site not enrolled", site=name, code=error.meaning.code)
            return
        if known is not None:
            known[1].stop()
        self._sites[name] = (site, self._kept(name, "run", "site", name))

    def _freeze_others(self, client: OperatorClient, wanted: frozenset[str]) -> None:
        """Tell the hub, once for each set of sites; also of one that was retired while nothing ran here."""
        try:
            freeze_others(client, wanted)
        except AegleError as error:
            logs.error("frozen sites not told to the hub", code=error.meaning.code)
            return
        self._settled = wanted

    def _kept(self, name: str, *arguments: str) -> Kept:
        return Kept(name, [*arguments, "--home", str(self._home.root)], Path(self._home.logs) / f"{name}.log")
