"""The demonstration as it runs: two synthetic studies from a stand-in PACS, through a hospital's site, and back."""

import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pydicom
from rich.console import Console
from rich.table import Table

from aegle import durable
from aegle.access import Role
from aegle.demo import pacs
from aegle.demo.stage import HOSPITAL, Stage, staged
from aegle.demo.studies import SyntheticPatient, write_slide, write_still
from aegle.errors import Conflict
from aegle.local.accounts import SqliteAccounts
from aegle.local.enrolment import OperatorClient
from aegle.pages.accounts import new_account
from aegle.records import Prediction
from aegle.site.folder import SiteFolder
from aegle.site.state import Step, Study

LAB = "cytolab"
_MARK = "this-folder-belongs-to-the-aegle-demo"
_PEOPLE = (
    (HOSPITAL, "doctor", Role.CLINICIAN),
    (HOSPITAL, "admin", Role.ADMINISTRATOR),
    (LAB, "reader", Role.CYTOLOGIST),
)
_SHORT = {
    Step.COMPLETE: "complete",
    Step.SUBMITTED: "asked",
    Step.DECIDED: "read",
    Step.BUILT: "built",
    Step.DELIVERED: "in PACS",
}
_HUB_PEOPLE = (("operator", Role.OPERATOR), ("analyst", Role.ANALYST))
_WORDS = {
    Step.RECEIVED: "received at the door, de-identified, archived",
    Step.COMPLETE: "complete: nothing new for two seconds",
    Step.SUBMITTED: "asked of the hub, with a grant to read this study only",
    Step.DECIDED: "read by the model",
    Step.BUILT: "result objects built and put under the patient",
    Step.DELIVERED: "result accepted by the PACS",
}


_YAML = """\
# The demo's sites. `aegle site add NAME --kind hospital|lab` adds another.
target: local
hub: {{workers: 1}}
sites:
  st-anna:
    kind: hospital
    door:
      quiet_seconds: 2
      allow: [{{ae_title: {title}}}]   # the only node that may send here
    pacs: {{port: {port}, ae_title: {title}}}   # where results go
  cytolab:
    kind: lab
    door: {{quiet_seconds: 2}}
"""


def run(folder: Path, *, exit_after: bool, timeout_seconds: int, console: Console | None = None) -> int:
    """Run the demo; 0 when both results reached the PACS in time, 1 when not. With `exit_after` it ends by itself."""
    console = console or Console()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    console.print("[bold]Aegle demo[/]: every picture and patient is synthetic; the model is not for clinical use.\n")
    with _fresh(folder), staged(folder, _YAML) as stage:
        _prepare_studies(stage.pacs_folder)
        done = _follow(stage, console, stopping, time.monotonic() + timeout_seconds)
        _conclude(stage, console)
        if not exit_after and not stopping.is_set():
            console.print("Running. Ctrl-C stops everything.")
            stopping.wait()
    return 0 if done else 1


@contextmanager
def _fresh(folder: Path) -> Iterator[None]:
    """An empty folder that is the demo's alone. Never removes a folder it did not make."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise Conflict(f"{folder} is not the demo's; name another with --home")
    durable.private_folder(folder)
    lock = durable.claim(folder.parent / f".{folder.name}.lock", f"the demo in {folder}", wait_seconds=1)
    try:
        shutil.rmtree(folder)
        durable.private_folder(folder)
        (folder / _MARK).touch()
        yield
    finally:
        lock.close()


def _prepare_studies(folder: Path) -> None:
    """Draw a still and a slide, and lay them into the PACS whole: a name with a dot is not yet complete."""
    outgoing = durable.private_folder(folder / "outgoing")
    still, slide = outgoing / "still.part", outgoing / "slide.part"
    write_still(still, seed=1, finding="HSIL", patient=SyntheticPatient(patient_id="DEMO-0001", name="Demo^Anna"))
    still.rename(still.with_suffix(""))
    write_slide(slide, seed=2, finding="LSIL", patient=SyntheticPatient(patient_id="DEMO-0002", name="Demo^Berta"))
    slide.rename(slide.with_suffix(""))


def _follow(stage: Stage, console: Console, stopping: threading.Event, deadline: float) -> bool:
    """Tell each step as it happens, until both studies are delivered."""
    told: set[tuple[str, Step]] = set()
    started = time.monotonic()
    while not stopping.is_set() and time.monotonic() < deadline:
        studies = _studies(stage)
        for study, timeline in studies:
            for step in timeline:
                if (study.study_uid, step) not in told:
                    told.add((study.study_uid, step))
                    passed = time.monotonic() - started
                    console.print(f"  {passed:5.1f} s  study …{study.study_uid[-6:]}  {_WORDS[step]}", highlight=False)
        if len(studies) == 2 and all(Step.DELIVERED in timeline for _, timeline in studies):
            return _all_received(stage)
        for name, words in stage.supervisor.failing().items():
            console.print(f"[bold red]{name} cannot stay up:[/] {words}", soft_wrap=True)
            return False
        stopping.wait(0.2)
    console.print(f"[bold red]The results did not come back in time.[/] The logs in {stage.home.logs} say why.")
    return False


def _studies(stage: Stage) -> list[tuple[Study, dict[Step, datetime]]]:
    try:
        with stage.state() as state:
            return [(study, state.timeline(study.study_uid)) for study in state.studies()] if state else []
    except sqlite3.OperationalError:  # the file is there before its tables: the site's program is just making it
        return []


def _all_received(stage: Stage) -> bool:
    """The PACS itself holds a result under each of its own two studies."""
    sent = {
        pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID
        for path in stage.pacs_folder.glob("sent/*/*.dcm")
    }
    return sent == {line["study_uid"] for line in pacs.received(stage.pacs_folder)}


def _tell_doors(stage: Stage, console: Console) -> None:
    """Where to look, and an account for each page made for this demo. Lines, not a table: an address must stay whole."""
    for site, name, role in _PEOPLE:
        place = stage.applied.site(site)
        account, password = new_account(name, role, place.config.kind)
        accounts = SqliteAccounts(SiteFolder(root=stage.home.site(site)).accounts)
        accounts.put(account)
        accounts.close()
        _tell_door(console, site, place.pages_port, name, password, role)
    hub = stage.applied.hub
    client = OperatorClient(stage.home, hub.port)
    for name, role in _HUB_PEOPLE if client.is_ready() else ():
        password = client.call("PUT", f"/v1/admin/people/{name}", {"role": role.value}).json()["password"]
        _tell_door(console, "hub", hub.pages_port, name, password, role)
    console.print()


def _tell_door(console: Console, host: str, port: int, name: str, password: str, role: Role) -> None:
    address = f"http://{host}.localhost:{port}"
    console.print(
        f"  [bold]{host}[/]  {address}   sign in as [bold]{name}[/] / {password}   ({role.value})", soft_wrap=True
    )


def _conclude(stage: Stage, console: Console) -> None:
    steps = list(_SHORT)
    table = Table("study", "finding", "score", *_SHORT.values(), title="Seconds after the first image")
    with stage.state() as state:
        for study in state.studies() if state else ():
            wish = state.latest_wish(study.study_uid) if state else None
            outcome = wish.outcome if wish else None
            told = (outcome.finding, f"{outcome.score:.2f}") if isinstance(outcome, Prediction) else ("-", "-")
            timeline = state.timeline(study.study_uid) if state else {}
            seconds = [
                f"{(timeline[step] - study.first_at).total_seconds():.1f}" if step in timeline else "-"
                for step in steps
            ]
            table.add_row(f"…{study.study_uid[-6:]}", *told, *seconds)
    console.print(table)
    console.print(f"Results in the PACS, under the original patients: {stage.pacs_folder / 'store'}\n", highlight=False)
    _tell_doors(stage, console)
    sys.stdout.flush()
