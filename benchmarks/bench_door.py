"""The whole door: from dcmsend's first byte until the last object is in the archive, with de-identification, its check, vault,
ledger, receipts and audit on, in a site's own program. Beside it the same door with no intake behind it, in turns.

Says whether intake slows the door, and how fast objects come through. Needs 2 GB of disk.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import bench_cstore as doors
import deid_corpus as corpus

from aegle.config import Config
from aegle.local.home import Home
from aegle.local.provisioner import LocalProvisioner, free_port

RUNS = 3


def site(folder: Path) -> tuple[Home, int]:
    """One laboratory, applied; its door's port."""
    port = free_port()
    door = {"port": port, "ae_title": "BENCH", "allow": [{"ae_title": "DCMSEND"}], "quiet_seconds": 3600}
    home = Home(root=folder)
    LocalProvisioner(Config.model_validate({"sites": {"bench": {"kind": "lab", "door": door}}}), home).apply()
    return home, port


def archived(home: Home) -> int:
    """How many objects the archive has."""
    path = home.site("bench") / "archive" / "index.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as index:
        return int(index.execute("SELECT count(*) FROM instance").fetchone()[0])


def held(home: Home) -> int:
    """How many objects are held instead."""
    folder = home.site("bench") / "quarantine"
    return len(list(folder.glob("*.json"))) if folder.exists() else 0


def whole(folders: Sequence[Path], work: Path) -> tuple[float, float, float, int]:
    """Seconds to the last acknowledgement and to the last object settled, of the site's processor, and how many were held."""
    count = sum(len(list(folder.iterdir())) for folder in folders)
    with tempfile.TemporaryDirectory(dir=work) as place:
        home, port = site(Path(place))
        words = [sys.executable, "-m", "aegle", "run", "site", "bench", "--home", place]
        with (Path(place) / "log").open("wb") as log:
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log, env=doors.ENVIRONMENT)
        try:
            while not doors.answers(port):
                assert process.poll() is None, (Path(place) / "log").read_text()
            os.sync()
            idle, began = processor_seconds(process.pid), time.perf_counter()
            acknowledged = doors.send(folders, port)
            until = began + 600
            while archived(home) + held(home) < count:
                assert time.perf_counter() < until, (archived(home), held(home), count)
                time.sleep(0.02)
            settled, used = time.perf_counter() - began, processor_seconds(process.pid)
            return acknowledged, settled, used - idle, held(home)
        finally:
            process.kill()
            process.wait()


def processor_seconds(pid: int) -> float:
    """What a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(folders: Sequence[Path], work: Path) -> float:
    """Seconds to the last acknowledgement with no intake behind the door."""
    with tempfile.TemporaryDirectory(dir=work) as place, doors.running(doors.SERVERS["ours"], Path(place)) as (port, _):
        os.sync()
        return doors.send(folders, port)


def measure(name: str, folders: Sequence[Path], work: Path) -> None:
    """Medians of three, in turns."""
    files = [path for folder in folders for path in folder.iterdir()]
    size = sum(path.stat().st_size for path in files) / 1e6
    alone, runs = [], []
    for _ in range(RUNS):
        alone.append(bare(folders, work))
        runs.append(whole(folders, work))
    columns = (alone, *list(zip(*runs, strict=True))[:3])
    door, acknowledged, settled, used = (statistics.median(column) for column in columns)
    rates = f"{len(files) / settled:.0f} | {size / settled:.0f} | {1e3 * used / len(files):.1f}"
    print(f"| {name} | {door:.2f} | {acknowledged:.2f} | {settled:.2f} | {rates} | {runs[-1][3]} |", flush=True)


def main() -> None:
    """Write the objects, then measure each kind of work."""
    print(
        "| | door alone, s | door with intake, s | settled, s | objects a second | MB/s | processor ms an object | held |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        for name in ("ct", "stills", "slide"):
            (work / name).mkdir()
        corpus.write_ct(work / "ct", 200)
        corpus.write_stills(work / "stills", 30)
        corpus.write_slide(work / "slide", doors.SLIDE_BYTES)
        measure("200 slices, 1 association", [work / "ct"], work)
        measure("200 slices, 4 associations", doors.split(work / "ct", 4), work)
        measure("30 stills, 2 associations", doors.split(work / "stills", 2), work)
        measure("slide of 310 MB", [work / "slide"], work)


if __name__ == "__main__":
    main()
