"""C-STORE into a site's door beside Orthanc and dcmtk's storescp, sent by dcmtk's dcmsend.

Ours is the door as a site runs it up to the acknowledgement (spool, fsync, audit of each object), once with our own upper
layer and once with pynetdicom's in its place; the intake behind it is not running. Every server starts fresh in a process of
its own, their order rotates, the disk is synced between runs; figures are medians of three with their range. Orthanc has
TCP_NODELAY on both ends and 128 KB PDUs, and syncs its files as it is delivered; storescp syncs nothing. Needs 3 GB of disk.
"""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deid_corpus as corpus

from aegle.config import Peer
from aegle.errors import PeerUnreachable
from aegle.intake.spool import Spool
from aegle.local.audit import ChainedLines
from aegle.protocols import dimse
from aegle.protocols.door import DimseDoor
from aegle.protocols.library_door import LibraryDoor
from aegle.site.door import Notices, SiteDoor
from aegle.site.loops import Loop
from aegle.site.receipts import Receipts
from aegle.site.unwritten import Unwritten

RUNS = 3
SLIDE_BYTES = 310_000_000
ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}
MUSTS = {"ct, 1 association": 1.0, "ct, 4 associations": 1.0, "stills, 2 associations": 1.3, "slide": 2.0}


def serve(kind: str, folder: Path, port: int) -> None:
    """One of our doors, until the process is ended."""
    spool, audit = Spool(folder / "spool", 20_000_000_000), ChainedLines(folder / "audit", "bench", "site")
    unwritten = Unwritten()
    receipts = Receipts("bench", audit, unwritten)
    site = SiteDoor(
        site="bench", spool=spool, audit=audit, arrived=lambda: None, receipts=receipts, unwritten=unwritten
    )
    notices = Notices(site="bench", audit=audit, unwritten=unwritten)
    Loop("receipts", receipts.write, 0.25).start()  # as the site's program does
    slots: dict[str, Any] = {"slot": spool.slots.take} if kind == "ours" else {}
    made = {"ours": DimseDoor, "pynetdicom": LibraryDoor}[kind](
        **slots,
        ae_title="BENCH",
        address=("127.0.0.1", port),
        allow=[Peer(ae_title="DCMSEND")],
        folder=spool.incoming,
        receive=site.receive,
        notice=notices.of("dimse"),
    )
    made.start()
    while True:
        time.sleep(60)


def ours(kind: str) -> Callable[[Path, int], list[str]]:
    """The command of one of our doors."""
    return lambda folder, port: [sys.executable, __file__, "serve", kind, str(folder), str(port)]


def orthanc(folder: Path, port: int) -> list[str]:
    """As Debian delivers it, but for what hinders a fast sender."""
    settings = {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpServerEnabled": False,
        "DicomAet": "BENCH",
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "MaximumPduLength": 131_072,
        "TcpNoDelay": True,
        "DicomThreadsCount": 4,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    return ["Orthanc", str(folder / "orthanc.json")]


def storescp(folder: Path, port: int) -> list[str]:
    """A process for each association; syncs nothing."""
    return [tool("storescp"), "--fork", "-pdu", "131072", "+B", "+xa", "-aet", "BENCH", "-od", str(folder), str(port)]


SERVERS: Mapping[str, Callable[[Path, int], list[str]]] = {
    "ours": ours("ours"),
    "ours by pynetdicom": ours("pynetdicom"),
    "Orthanc": orthanc,
    "storescp": storescp,
}


def tool(name: str) -> str:
    """dcmtk's program: pynetdicom has some of the same name in the Python environment."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder) != Path(sys.executable).parent]
    found = shutil.which(name, path=os.pathsep.join(folders))
    assert found, f"{name} is not on this machine"
    return found


@contextmanager
def running(server: Callable[[Path, int], list[str]], folder: Path) -> Iterator[tuple[int, int]]:
    """The server's port and process, when it answers a C-ECHO."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server(folder, port), stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        until = time.monotonic() + 30
        while not answers(port):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(port: int) -> bool:
    """Whether somebody says yes to a C-ECHO."""
    try:
        return dimse.echo(dimse.Target(host="127.0.0.1", port=port, called="BENCH", calling="DCMSEND"))
    except PeerUnreachable:
        time.sleep(0.1)
        return False


def send(folders: Sequence[Path], port: int) -> float:
    """Seconds until each folder is sent, at once, on an association of its own. Every object must be stored: dcmsend's
    exit code does not say so, its report does."""
    words = ["-aet", "DCMSEND", "-aec", "BENCH", "-pdu", "131072", "--decompress-never", "127.0.0.1", str(port), "+sd"]
    reports = [folder.with_suffix(".report") for folder in folders]
    for report in reports:
        report.unlink(missing_ok=True)
    began = time.perf_counter()
    senders = [
        subprocess.Popen([tool("dcmsend"), "+crf", str(report), *words, str(folder)], env=ENVIRONMENT)
        for folder, report in zip(folders, reports, strict=True)
    ]
    codes = [sender.wait(timeout=600) for sender in senders]
    seconds = time.perf_counter() - began
    stored = [re.findall(r"with status SUCCESS +: (\d+)", report.read_text()) for report in reports]
    assert codes == [0] * len(folders), codes
    assert stored == [[str(len(list(folder.iterdir())))] for folder in folders], stored
    return seconds


def peak_mb(pid: int) -> float:
    """The most memory that the process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def measure(name: str, folders: Sequence[Path], work: Path) -> None:
    """One line a server: seconds with their range, objects and bytes a second, ratio to Orthanc, memory."""
    files = [path for folder in folders for path in folder.iterdir()]
    size = sum(path.stat().st_size for path in files)
    taken: dict[str, list[float]] = {server: [] for server in SERVERS}
    memory: dict[str, float] = {}
    for run in range(RUNS):
        for server in list(SERVERS)[run:] + list(SERVERS)[:run]:
            with tempfile.TemporaryDirectory(dir=work) as place, running(SERVERS[server], Path(place)) as (port, pid):
                os.sync()
                taken[server].append(send(folders, port))
                memory[server] = peak_mb(pid)
    beside = statistics.median(taken["Orthanc"])
    print(f"\n## {name}: {len(files)} objects, {size / 1e6:.0f} MB; must {MUSTS[name]:g} x Orthanc\n")
    print("| | seconds (range) | a second | MB/s | x Orthanc | peak MB |\n|---|---|---|---|---|---|")
    for server, seconds in taken.items():
        middle = statistics.median(seconds)
        spread = f"{middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
        rates = f"{len(files) / middle:.0f} | {size / middle / 1e6:.0f} | **{beside / middle:.2f}**"
        print(f"| {server} | {spread} | {rates} | {memory[server]:.0f} |", flush=True)


def split(source: Path, parts: int) -> list[Path]:
    """The files of a folder, by hard links, dealt into so many folders."""
    folders = [source.with_name(f"{source.name}-{parts}-{part}") for part in range(parts)]
    for folder in folders:
        folder.mkdir()
    for number, path in enumerate(sorted(source.iterdir())):
        (folders[number % parts] / path.name).hardlink_to(path)
    return folders


def main() -> None:
    """Write the objects, then measure each kind of work."""
    version = subprocess.run(["Orthanc", "--version"], capture_output=True, text=True, check=False).stdout.split()[1]
    print(f"Orthanc {version}")
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        for name in ("ct", "stills", "slide"):
            (work / name).mkdir()
        corpus.write_ct(work / "ct", 400)
        corpus.write_stills(work / "stills", 60)
        corpus.write_slide(work / "slide", SLIDE_BYTES)
        measure("ct, 1 association", [work / "ct"], work)
        measure("ct, 4 associations", split(work / "ct", 4), work)
        measure("stills, 2 associations", split(work / "stills", 2), work)
        measure("slide", [work / "slide"], work)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
