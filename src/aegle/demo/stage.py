"""Hub, sites, workers and a stand-in PACS, each a process of its own: what demo and benchmarks run on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aegle import config as configuration
from aegle import durable, logs
from aegle.demo import pacs
from aegle.local.home import Applied, Home
from aegle.local.processes import Kept
from aegle.local.provisioner import LocalProvisioner, free_port
from aegle.local.supervisor import Supervisor
from aegle.site.folder import SiteFolder
from aegle.site.state import SiteState

HOSPITAL = "st-anna"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything the demo started."""

    home: Home
    applied: Applied
    pacs_folder: Path
    supervisor: Supervisor

    @contextmanager
    def state(self) -> Iterator[SiteState | None]:
        """The hospital's memory of its studies, to look on; None before its program has made it."""
        path = SiteFolder(root=self.home.site(HOSPITAL)).state
        found = SiteState(path, read_only=True) if path.exists() else None
        try:
            yield found
        finally:
            if found is not None:
                found.close()


@contextmanager
def staged(folder: Path, yaml_text: str) -> Iterator[Stage]:
    """Apply an aegle.yaml, in which `{title}` and `{port}` are the PACS's, and keep hub, sites, workers and PACS running,
    each a process of its own, until the block ends."""
    home = Home(root=folder)
    yaml, pacs_port = folder / "aegle.yaml", free_port()
    yaml.write_text(yaml_text.format(title=pacs.TITLE, port=pacs_port), encoding="utf-8")
    LocalProvisioner(configuration.load(yaml), home).apply()
    applied = home.require_applied()
    logs.start("demo", to=durable.private_folder(home.logs) / "demo.log")
    supervisor = Supervisor(home)
    stage = Stage(home=home, applied=applied, pacs_folder=folder / "pacs", supervisor=supervisor)
    door = str(applied.site(HOSPITAL).door_port)
    peer = Kept(
        "pacs",
        ["run", "demo-pacs", str(stage.pacs_folder), "--port", str(pacs_port), "--door", door],
        home.logs / "pacs.log",
    )
    ended = threading.Event()
    tending = threading.Thread(target=supervisor.run, args=(ended,), name="supervisor")
    peer.keep()
    tending.start()
    try:
        yield stage
    finally:
        ended.set()
        tending.join()
        peer.stop()
