"""A whole installation on loopback for tests: hub, worker, a hospital, a laboratory and a stand-in PACS, each a process that
a test may kill by its id and start again."""

import contextlib
import dataclasses
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pydicom

from aegle import api
from aegle import config as configuration
from aegle.access import Principal, Role
from aegle.demo import pacs
from aegle.demo.studies import SyntheticPatient, write_still
from aegle.faults import Point
from aegle.hub.database import Database
from aegle.hub.people import HubAccounts
from aegle.intake.quarantine import Entry
from aegle.intake.slots import is_slot
from aegle.local.accounts import SqliteAccounts
from aegle.local.audit import verify
from aegle.local.enrolment import OperatorClient, enroll
from aegle.local.home import Applied, Home
from aegle.local.provisioner import LocalProvisioner, free_port
from aegle.local.secrets import FileSecrets
from aegle.pages.accounts import AccountStore, SignIn, new_account
from aegle.records import AuditEvent, SiteKind, StoredInstance
from aegle.site.folder import SiteFolder
from aegle.site.state import SiteState
from certificates import authority

HOSPITAL, LAB = "st-anna", "cytolab"
T = TypeVar("T")
Change = Callable[[pydicom.Dataset], None]
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
      stow: {{port: {ports[13]}}}
    pacs: {{port: {ports[2]}, ae_title: DEMO-PACS}}
    archive_port: {ports[3]}
    query: {{port: {ports[12]}, allow: [{{ae_title: STAFF}}]}}
    pages: {{port: {ports[4]}}}
  st-berta:
    kind: hospital
    door:
      quiet_seconds: 0.3
      port: {ports[6]}
      allow: [{{ae_title: SCANNER}}]
      tls: {{certificate: door.crt, key: door.key, authorities: hospital.pem}}
    pacs: {{port: {ports[14]}, ae_title: PACS, tls: {{certificate: door.crt, key: door.key, authorities: hospital.pem}}}}
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
    _logged: dict[str, int] = field(default_factory=dict)  #: size of each log when its process was started

    @property
    def applied(self) -> Applied:
        return self.home.require_applied()

    def folder(self, site: str) -> SiteFolder:
        return SiteFolder(root=self.home.site(site))

    # --- processes

    def start(self, name: str, fault: str = "", *, program: Sequence[str] = ("-m", "aegle")) -> None:
        """Start a process; with `fault` it will die at that point (`aegle.faults`). `program` runs in place of aegle."""
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
            self._logged[name] = log.tell()
            self.processes[name] = subprocess.Popen(
                [sys.executable, *program, *arguments],
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
        # before it has opened anything a signal ends it at once, as it would any process
        assert status == 0 or (status == -signal.SIGTERM and not self._has_begun(name)), (
            f"{name} ended with {status}\n{self.log(name)}"
        )

    def _has_begun(self, name: str) -> bool:
        log = (self.home.logs / f"{name}.log").read_bytes()
        return b"process started" in log[self._logged[name] :]

    def await_death(self, name: str, point: Point, seconds: float = 60) -> None:
        """Wait until the process died at its fault point."""
        process = self.processes[name]
        self.until(lambda: process.poll() is not None, f"{name} reaches {point}", seconds)
        assert process.returncode == -signal.SIGKILL, f"{name} ended with {process.returncode}: {self.log(name)}"
        self.kill(name)

    def until(self, met: Callable[[], T], what: str, seconds: float = 120) -> T:
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

    def requests(self) -> list[dict[str, str]]:
        """The hub's requests, newest first."""
        lines: list[dict[str, str]] = self.operator().call("GET", "/v1/admin/requests").json()
        return lines

    @contextmanager
    def visit(self, site: str, role: Role, name: str = "") -> Iterator[httpx.Client]:
        """A browser in which a person of this role has signed in at a site."""
        kind = self._kind(site)
        keys = FileSecrets((self.home.hub if site == "hub" else self.home.site(site)) / "secrets")
        account, password = new_account(name or role.value, role, kind)
        with self._accounts(site) as accounts, self.stranger(site) as client:
            accounts.put(account)
            sign_in = SignIn(accounts, kind, keys.get("page-key"))
            token, _ = sign_in.open(account.name, password)
            client.cookies.set(f"aegle_{site}", token)
            client.headers["x-form-token"] = sign_in.form_token(token)
            yield client

    def principal(self, site: str, role: Role) -> Principal:
        """Who a person of this role is there."""
        return Principal(name=role.value, role=role, kind=self._kind(site))

    @contextmanager
    def stranger(self, site: str) -> Iterator[httpx.Client]:
        """A browser in which nobody has signed in."""
        port = self.applied.hub.pages_port if site == "hub" else self.applied.site(site).pages_port
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            yield client

    def _kind(self, site: str) -> SiteKind | None:
        return None if site == "hub" else self.applied.site(site).config.kind

    @contextmanager
    def _accounts(self, site: str) -> Iterator[AccountStore]:
        if site != "hub":
            with closing(SqliteAccounts(self.folder(site).accounts)) as accounts:
                yield accounts
            return
        with closing(Database((self.home.hub / "database-url").read_text(), connections=1)) as database:
            yield HubAccounts(database)

    def await_pages(self, site: str) -> None:
        """Wait until the site's pages answer."""
        with self.stranger(site) as client:
            self.until(lambda: _answers(client), f"the pages of {site}")

    def enroll(self) -> None:
        """Make every site known to the hub and give it its credential."""
        client = self.operator()
        self.until(client.is_ready, "the hub answers")
        for name, site in self.applied.sites.items():
            enroll(self.home, client, name, site)

    # --- studies

    def send(self, patient: SyntheticPatient | None = None, change: Change | None = None) -> Sent:
        """Lay one synthetic still into the PACS, which sends it until the door has taken it."""
        return self.send_file(self.still(patient, change))

    def send_file(self, path: Path) -> Sent:
        """Lay a file into the PACS as a study of its own."""
        folder = self.pacs_folder / "outgoing" / f"study-{next(_numbers)}.part"
        folder.mkdir()
        made = pydicom.dcmread(shutil.copy(path, folder), stop_before_pixels=True)
        folder.rename(folder.with_suffix(""))
        return Sent(study_uid=str(made.StudyInstanceUID), sop_uid=str(made.SOPInstanceUID))

    def held(self, site: str = HOSPITAL) -> list[Entry]:
        """What the site's quarantine lists."""
        return [api.decode(Entry, path.read_bytes()) for path in self.folder(site).quarantine.glob("*.json")]

    def upload_still(
        self, site: str, patient: SyntheticPatient | None = None, change: Change | None = None
    ) -> StoredInstance:
        """Upload a still through the site's page and wait until the archive has it; under its alias."""
        before = set(self.archived(site))
        with self.visit(site, Role.TECHNICIAN) as client:
            self.until(lambda: _answers(client), f"the pages of {site}")
            assert client.post("/upload", content=self.still(patient, change).read_bytes()).status_code == 200
        self.until(lambda: set(self.archived(site)) - before, "the upload is archived")
        (study,) = set(self.archived(site)) - before
        (found,) = self.instances(study, site)
        return found

    def label(self, image: StoredInstance, site: str = LAB, name: str = "") -> None:
        """Say HSIL of a whole image, through the page; the site may die before it answers."""
        said = {"label_id": str(uuid.uuid4()), "subject": "slide", "code": "HSIL", "shape": "none", "points": [],
                "series": image.series_uid, "sop": image.sop_uid}  # fmt: skip
        with self.visit(site, Role.CYTOLOGIST, name) as client, contextlib.suppress(httpx.RemoteProtocolError):
            self.until(lambda: _answers(client), f"the pages of {site}")
            answer = client.post(f"/studies/{image.study_uid}/labels", json=said)
            assert answer.status_code == 200, answer.text

    def still(self, patient: SyntheticPatient | None = None, change: Change | None = None) -> Path:
        """A file of a still that no other test has."""
        number = next(_numbers)
        patient = patient or SyntheticPatient(patient_id=f"DEMO-{number:04d}", name="Demo^Flow")
        folder = self.home.root.parent / f"still-{number}"
        (path,) = write_still(folder, seed=number, finding="HSIL", patient=patient, width_px=512, height_px=512)
        if change:
            made = pydicom.dcmread(path)
            change(made)
            made.save_as(path, enforce_file_format=True)
        return path

    def labels(self) -> list[Any]:
        """Every label of the warehouse."""
        query = {"sql": "SELECT sop_uid, code FROM label"}
        rows: list[Any] = self.operator().call("POST", "/v1/admin/labels/query", query).json()["rows"]
        return rows

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
        """The modalities of what the archive lists, by study alias."""
        found: dict[str, list[str]] = {}
        for study, modality in self._index(site, "SELECT study_uid, modality FROM instance"):
            found.setdefault(study, []).append(modality)
        return found

    def instances(self, study: str, site: str = HOSPITAL) -> list[StoredInstance]:
        """What the archive lists of a study."""
        fields = [item.name for item in dataclasses.fields(StoredInstance)]
        rows = self._index(site, f"SELECT {', '.join(fields)} FROM instance WHERE study_uid = ?", study)
        return [StoredInstance(**dict(zip(fields, row, strict=True))) for row in rows]

    def _index(self, site: str, query: str, *values: str) -> list[Any]:
        path = self.folder(site).archive / "index.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as index:
            return index.execute(query, values).fetchall()

    def audit(self, site: str = HOSPITAL) -> list[AuditEvent]:
        process = "hub" if site == "hub" else "site"
        path = (self.home.hub if site == "hub" else self.home.site(site)) / "audit" / f"{process}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [api.decode(AuditEvent, json.dumps(json.loads(line)["event"])) for line in lines]

    # --- what must hold after any crash

    def leftovers(self, site: str = HOSPITAL) -> list[str]:
        """Files that should be gone once everything is settled."""
        place = self.folder(site)
        folders = (place.spool, place.work, place.outbox, place.archive / "incoming")
        odd = [path for path in place.quarantine.iterdir() if path.suffix not in (".sealed", ".json")]
        found = [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]
        left = [path for path in found if not (is_slot(path) and _is_empty(path))]  # made, and nothing came yet
        return [str(path.relative_to(place.root)) for path in left] + [str(path) for path in odd]

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


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/sign-in").is_success
    except httpx.TransportError:
        return False


@contextmanager
def staged(folder: Path, *processes: str) -> Iterator[Stage]:
    """An installation below `folder` with hub and these processes running; all are ended afterwards."""
    ports = [free_port() for _ in range(15)]
    signer = authority(folder, "hospital")
    for name in ("door", "scanner", "pacs"):
        signer.issue(name, signer.file)
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


def _is_empty(path: Path) -> bool:
    """Also of a file that goes while one looks: a start clears away the slots that nothing came in."""
    try:
        return not path.stat().st_size
    except FileNotFoundError:
        return True
