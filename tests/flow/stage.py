"""A whole installation on loopback for tests: hub, worker, a hospital, a laboratory and a stand-in PACS, each a process that
a test may kill by its id and start again."""

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pydicom

from aegle import api
from aegle import config as configuration
from aegle.demo import pacs
from aegle.demo.studies import SyntheticPatient, write_still
from aegle.faults import Point
from aegle.local.audit import verify
from aegle.local.enrolment import OperatorClient, enroll
from aegle.local.home import Applied, Home
from aegle.local.provisioner import LocalProvisioner, free_port
from aegle.records import AuditEvent
from aegle.site.folder import SiteFolder
from aegle.site.state import SiteState

HOSPITAL, LAB = "st-anna", "cytolab"
T = TypeVar("T")
_numbers = itertools.count(1)
_YAML = """\
target: local
hub: {{workers: 1, port: {ports[0]}, pages_port: {ports[1]}}}
sites:
  st-anna:
    kind: hospital
    door:
      port: {ports[5]}
      quiet_seconds: 0.3
      max_instance_mb: 4
      allow: [{{ae_title: DEMO-PACS}}, {{ae_title: ELSEWHERE, address: 192.0.2.7}}]
    pacs: {{port: {ports[2]}, ae_title: DEMO-PACS}}
    archive_port: {ports[3]}
    pages: {{port: {ports[4]}}}
  st-berta:
    kind: hospital
    door: {{quiet_seconds: 0.3, port: {ports[6]}}}
    archive_port: {ports[7]}
    pages: {{port: {ports[8]}}}
  cytolab:
    kind: lab
    door: {{quiet_seconds: 0.3, port: {ports[9]}, max_instance_mb: 4, allow: [{{ae_title: DEMO-PACS}}]}}
    archive_port: {ports[10]}
    pages: {{port: {ports[11]}}}
"""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A study on its way, by its original UIDs."""

    study_uid: str
    sop_uid: str


@dataclass(kw_only=True)
class Stage:
    """The installation below one folder. Processes are named `hub`, `worker-1`, `st-anna`, `cytolab`, `pacs`."""

    home: Home
    pacs_folder: Path
    pacs_port: int
    hub_port: int = 0  #: where sites reach the hub; the hub's own port unless something stands between
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def applied(self) -> Applied:
        return self.home.require_applied()

    def folder(self, site: str) -> SiteFolder:
        return SiteFolder(root=self.home.site(site))

    # --- processes

    def start(self, name: str, fault: str = "") -> None:
        """Start a process; with `fault` it will die at that point (`aegle.faults`)."""
        home = ["--home", str(self.home.root)]
        door = str(self.applied.site(HOSPITAL).door_port)
        words = {
            "hub": ["run", "hub", *home],
            "pacs": ["run", "demo-pacs", str(self.pacs_folder), "--port", str(self.pacs_port), "--door", door],
        }
        if name.startswith("worker-"):
            words[name] = ["run", "worker", "--number", name.partition("-")[2], *home]
        arguments = words.get(name, ["run", "site", name, *home])
        self.home.logs.mkdir(exist_ok=True)
        with (self.home.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "aegle", *arguments],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, "AEGLE_FAULT": fault},
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """As the power would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()

    def end(self, name: str) -> None:
        """Ask it to end."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        assert process.stdin is not None
        process.stdin.close()
        assert status == 0, f"{name} ended with {status}\n{self.log(name)}"

    def await_death(self, name: str, point: Point, seconds: float = 60) -> None:
        """Wait until the process died at its fault point."""
        process = self.processes[name]
        self.until(lambda: process.poll() is not None, f"{name} reaches {point}", seconds)
        assert process.returncode == -signal.SIGKILL, f"{name} ended with {process.returncode}: {self.log(name)}"
        self.kill(name)

    def until(self, met: Callable[[], T], what: str, seconds: float = 60) -> T:
        """Wait for a condition, with a bound."""
        deadline = time.monotonic() + seconds
        while True:
            if found := met():
                return found
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{self.logs()}"
            time.sleep(0.05)

    def log(self, name: str) -> str:
        path = self.home.logs / f"{name}.log"
        return "\n".join(path.read_text(encoding="utf-8").splitlines()[-6:]) if path.exists() else ""

    def logs(self) -> str:
        return "\n".join(f"--- {path.stem}\n{self.log(path.stem)}" for path in sorted(self.home.logs.glob("*.log")))

    def operator(self) -> OperatorClient:
        return OperatorClient(self.home, self.applied.hub.port)

    def enroll(self) -> None:
        """Make every site known to the hub and give it its credential."""
        client = self.operator()
        self.until(client.is_ready, "the hub answers")
        for name, site in self.applied.sites.items():
            enroll(self.home, client, name, site)

    # --- studies

    def send(
        self, patient: SyntheticPatient | None = None, change: Callable[[pydicom.Dataset], None] | None = None
    ) -> Sent:
        """Lay one synthetic still into the PACS, which sends it until the door has taken it."""
        number = next(_numbers)
        folder = self.pacs_folder / "outgoing" / f"study-{number}.part"
        patient = patient or SyntheticPatient(patient_id=f"DEMO-{number:04d}", name="Demo^Flow")
        (path,) = write_still(folder, seed=number, finding="HSIL", patient=patient, width_px=512, height_px=512)
        made = pydicom.dcmread(path)
        if change:
            change(made)
            made.save_as(path, enforce_file_format=True)
        sent = Sent(study_uid=str(made.StudyInstanceUID), sop_uid=str(made.SOPInstanceUID))
        folder.rename(folder.with_suffix(""))
        return sent

    def results(self, sent: Sent) -> list[dict[str, str]]:
        """Every C-STORE the PACS took for this study."""
        return [line for line in pacs.received(self.pacs_folder) if line["study_uid"] == sent.study_uid]

    def is_delivered(self, sent: Sent) -> bool:
        """The report and the picture lie in the PACS, and the site knows it and has nothing more to do for them."""
        return (
            {line["modality"] for line in self.results(sent)} >= {"SR"}
            and len({line["sop_uid"] for line in self.results(sent)}) == 2
            and self.undelivered() == 0
        )

    def undelivered(self) -> int:
        with self.state() as state:
            return state.undelivered()

    @contextmanager
    def state(self, site: str = HOSPITAL) -> Iterator[SiteState]:
        state = SiteState(self.folder(site).state, read_only=True)
        try:
            yield state
        finally:
            state.close()

    def archived(self, site: str = HOSPITAL) -> dict[str, list[str]]:
        """The modalities of what the archive lists, by study alias; each listed file is there with its digest."""
        found: dict[str, list[str]] = {}
        with closing(
            sqlite3.connect(f"{(self.folder(site).archive / 'index.db').as_uri()}?mode=ro", uri=True)
        ) as index:
            for study, modality in index.execute("SELECT study_uid, modality FROM instance"):
                found.setdefault(study, []).append(modality)
        return found

    def audit(self, site: str = HOSPITAL, process: str = "site") -> list[AuditEvent]:
        path = (self.home.hub if site == "hub" else self.home.site(site)) / "audit" / f"{process}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [api.decode(AuditEvent, json.dumps(json.loads(line)["event"])) for line in lines]

    # --- what must hold after any crash

    def leftovers(self, site: str = HOSPITAL) -> list[str]:
        """Files that should be gone once everything is settled."""
        place = self.folder(site)
        folders = (place.spool, place.work, place.outbox, place.archive / "incoming")
        odd = [path for path in place.quarantine.iterdir() if path.suffix not in (".sealed", ".json")]
        return [str(path.relative_to(place.root)) for folder in folders if folder.exists()
                for path in folder.rglob("*") if path.is_file()] + [str(path) for path in odd]  # fmt: skip

    def check_nothing_lost_or_doubled(self, sent: Sent) -> None:
        """One image in the archive, one set of results, one digest a UID in the PACS, whole audit chains, no leftovers."""
        assert self.is_delivered(sent)
        digests: dict[str, set[str]] = {}
        for line in pacs.received(self.pacs_folder):
            digests.setdefault(line["sop_uid"], set()).add(line["data_set_digest"])
        assert {uid: len(found) for uid, found in digests.items()} == dict.fromkeys(digests, 1)
        for modalities in self.archived().values():
            assert Counter(modalities) <= Counter(["GM", "SR", "SM", "OT"]) and modalities.count("GM") == 1, modalities
        self.until(lambda: not self.leftovers(), f"no leftovers: {self.leftovers()}", 10)
        self.check_chains()

    def check_chains(self) -> None:
        for folder, owner in ((self.home.hub, "hub"), *((self.home.site(name), name) for name in self.applied.sites)):
            for path in (folder / "audit").glob("*.jsonl"):
                found = verify(path, f"{owner}/{path.stem}", [])
                assert isinstance(found, int), found


@contextmanager
def staged(folder: Path, *processes: str) -> Iterator[Stage]:
    """An installation below `folder` with hub and these processes running; all are ended afterwards."""
    ports = [free_port() for _ in range(12)]
    yaml = folder / "aegle.yaml"
    yaml.write_text(_YAML.format(ports=ports), encoding="utf-8")
    home = Home(root=folder / "home")
    LocalProvisioner(configuration.load(yaml), home).apply()
    stage = Stage(home=home, pacs_folder=folder / "pacs", pacs_port=ports[2])
    (stage.pacs_folder / "outgoing").mkdir(parents=True)
    try:
        stage.start("hub")
        stage.enroll()
        for name in processes:
            stage.start(name)
        yield stage
    finally:
        for name in sorted(stage.processes, key=lambda name: name == "hub"):
            stage.end(name)
