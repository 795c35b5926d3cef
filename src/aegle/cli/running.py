"""`aegle up`, and the hidden `aegle run ...` that it starts: one program a process."""

import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from aegle import durable, logs, wiring
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import terminal
from aegle.cli.updating import moved_on, note_running
from aegle.demo import pacs
from aegle.demo.pacs import DemoPacs
from aegle.demo.stage import HOSPITAL
from aegle.local.processes import heed, until_told
from aegle.local.supervisor import Supervisor
from aegle.protocols.dimse import Target

app = typer.Typer(help="One program in this process; `aegle up` starts these.", no_args_is_help=True)
console = terminal()


def register(root: typer.Typer) -> None:
    """Add `up` to the root command."""
    root.command()(up)


def up(home_path: HomePath = HOME) -> None:
    """Start the hub, its workers and every applied site, and keep them running until Ctrl-C. Once for a folder."""
    place = home(home_path)
    applied = place.require_applied()
    with closing(durable.claim(place.root / "up.lock", f"{place.root} (`aegle up` runs there)", wait_seconds=1)):
        logs.start("up")
        console.print(
            f"Hub and {len(applied.sites)} site(s) from {place.root}; logs in {place.logs}. Ctrl-C stops them."
        )
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        Supervisor(place).run(stopping)


@app.command()
def hub(home_path: HomePath = HOME) -> None:
    """The hub: database, API, warehouse, console."""
    heed()
    logs.start("hub")
    with wiring.running_hub(home(home_path)):
        until_told()


@app.command()
def migration(home_path: HomePath = HOME) -> None:
    """The tables of a hub on Google Cloud: brought up to date, then this ends. Hub and workers wait for it."""
    logs.start("migration")
    steps = wiring.migrate_hub(home(home_path))
    console.print(f"{len(steps)} step(s) taken: {', '.join(steps) or 'the tables were up to date'}.")


@app.command()
def worker(
    number: Annotated[int, typer.Option(help="Which of this machine's workers.")] = 1, home_path: HomePath = HOME
) -> None:
    """One inference worker."""
    logs.start(f"worker-{number}")
    wiring.run_worker(home(home_path), number)


@app.command()
def site(name: str, home_path: HomePath = HOME) -> None:
    """One site: door, archive, requests, results, pages."""
    heed()
    logs.start(name)
    place = home(home_path)
    with wiring.running_site(place, name):
        note_running(place, name)
        until_told(moved_on())


@app.command("demo-pacs")
def demo_pacs(
    folder: Path,
    port: Annotated[int, typer.Option(help="Where it listens.")],
    door: Annotated[int, typer.Option(help="The port of the hospital's door.")],
) -> None:
    """The demo's stand-in for a hospital's PACS."""
    heed()
    logs.start("demo-pacs")
    peer = Target(host="127.0.0.1", port=door, called=HOSPITAL.upper(), calling=pacs.TITLE)
    stopping = threading.Event()
    stand_in = threading.Thread(target=DemoPacs(folder, port, peer).run, args=(stopping,))
    stand_in.start()
    until_told()
    stopping.set()
    stand_in.join()
