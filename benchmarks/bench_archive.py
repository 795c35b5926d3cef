"""The archive's DICOMweb endpoint beside Orthanc: storing, retrieving, tiles of a slide; its search among a million instances.

Ours runs as a site runs it: grants checked, every act audited, each object synced before it is acknowledged. Orthanc is as Debian
delivers it with TCP_NODELAY on, no authentication and no audit, and syncs its files as delivered. Each server starts fresh in a
process of its own, their order rotates, the disk is synced between runs; figures are medians of three with their range. The
clients are the same for both. Needs 15 GB of disk; `bench_archive.py NAME...` runs some of: ct, stills, slide, search, memory.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deid_corpus as corpus
import million
import numpy as np
import pydicom
from bench_cstore import ENVIRONMENT, RUNS, SLIDE_BYTES, peak_mb
from dicomweb_load import Share, Told, drive

from aegle.access import Act
from aegle.local.archive import FileArchive
from aegle.local.audit import ChainedLines
from aegle.local.processes import keep_loaded
from aegle.pages.servers import HttpServer
from aegle.site import grants
from aegle.site.endpoint import ArchiveEndpoint

PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
KEY = bytes(range(32))
PART_10 = 'multipart/related; type="application/dicom"; transfer-syntax=*'
TILE = 'multipart/related; type="image/jpeg"'
TILES = 4_000  #: asked of ours alone: Orthanc reads the whole slide for each and took minutes for one
LARGE_BYTES = 5_000_000_000
GOALS = {  #: must, aim: times Orthanc
    "STOW, CT, 1 client": (1.5, 2.0), "STOW, CT, 4 clients": (1.0, 1.3), "STOW, stills, 2 clients": (1.5, 2.2),
    "STOW, slide": (2.0, 3.5), "WADO, CT, 1 client": (2.0, 3.0), "WADO, CT, 4 clients": (2.0, 3.0),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server's command for (folder, port), and the path of its service."""

    command: Callable[[Path, int], list[str]]
    root: str = ""


def serve(folder: Path, port: int) -> None:
    """Our endpoint as a site's program runs it, until the process is ended."""
    archive, audit = FileArchive(folder / "archive"), ChainedLines(folder / "audit", "bench", "site")
    endpoint = ArchiveEndpoint(
        site="bench", archive=archive, audit=audit, key=KEY, folder=folder / "storing", part_max_bytes=20_000_000_000
    )
    HttpServer(endpoint.application(), "127.0.0.1", port).start()
    keep_loaded()
    while True:
        time.sleep(60)


def orthanc(folder: Path, port: int) -> list[str]:
    """As Debian delivers it, but for what hinders a fast client."""
    settings = {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": False,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "Plugins": [PLUGIN],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    return ["Orthanc", str(folder / "orthanc.json")]


SERVERS: Mapping[str, Server] = {
    "ours": Server(command=lambda folder, port: [sys.executable, __file__, "serve", str(folder), str(port)]),
    "Orthanc": Server(command=orthanc, root="/dicom-web"),
}


@contextmanager
def running(server: Server, folder: Path) -> Iterator[tuple[Share, int]]:
    """What a client needs to know, and the process, once the port is open."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server.command(folder, port), stdout=log, stderr=log, env=ENVIRONMENT)
    may = grants.READING | {Act.ARCHIVE_INSTANCE_STORE}
    token = grants.give(KEY, "bench", grants.EVERY_STUDY, datetime.now(UTC) + timedelta(days=1), may)
    until = time.monotonic() + 120
    try:
        while not _is_open(port):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)
        yield Share(port=port, root=server.root, token=token), process.pid
    finally:
        process.terminate()
        process.wait(timeout=60)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        is_open = probe.connect_ex(("127.0.0.1", port)) == 0
        return is_open and probe.getsockname() != probe.getpeername()  # a port of the system's choice may meet itself


def stored(share: Share, files: Sequence[Path], clients: int) -> Told:
    """Files dealt out to so many clients and stored, one a request."""
    os.sync()
    return drive([_share(share, send=tuple(map(str, files[part::clients]))) for part in range(clients)])


def got(share: Share, paths: Sequence[str], clients: int, accept: str) -> Told:
    """Paths dealt out to so many clients and retrieved."""
    return drive([_share(share, get=tuple(paths[part::clients]), accept=accept) for part in range(clients)])


def _share(share: Share, **more: object) -> Share:
    return Share(**(vars(share) | more))  # type: ignore[arg-type]


def path_of(file: Path) -> str:
    """The instance's resource."""
    made = pydicom.dcmread(file, stop_before_pixels=True)
    return f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"


def bench_ct(files: Sequence[Path], share: Share, server: str) -> Iterator[tuple[str, Told]]:
    """Store by one client, then retrieve by one and by four."""
    paths = [path_of(file) for file in files]
    yield "STOW, CT, 1 client", stored(share, files, 1)
    yield "WADO, CT, 1 client", got(share, paths, 1, PART_10)
    yield "WADO, CT, 4 clients", got(share, paths, 4, PART_10)


def bench_ct_at_once(files: Sequence[Path], share: Share, server: str) -> Iterator[tuple[str, Told]]:
    """Store by four clients."""
    yield "STOW, CT, 4 clients", stored(share, files, 4)


def bench_stills(files: Sequence[Path], share: Share, server: str) -> Iterator[tuple[str, Told]]:
    """Store by two clients."""
    yield "STOW, stills, 2 clients", stored(share, files, 2)


def bench_slide(files: Sequence[Path], share: Share, server: str) -> Iterator[tuple[str, Told]]:
    """Store, then tiles from all over it."""
    yield "STOW, slide", stored(share, files, 1)
    if server != "ours":
        return
    count, path = int(pydicom.dcmread(files[0], stop_before_pixels=True).NumberOfFrames), path_of(files[0])
    tiles = [f"{path}/frames/{1 + number * 7919 % count}" for number in range(TILES)]
    yield "tiles, 1 client", got(share, tiles, 1, TILE)
    yield "tiles, 8 clients", got(share, tiles, 8, TILE)


def measure(bench: Callable[[Sequence[Path], Share, str], Iterator[tuple[str, Told]]], folder: Path) -> None:
    """Run it on every server in rotating order; a table a kind of work."""
    files = sorted(folder.iterdir())
    found: dict[str, dict[str, list[Told]]] = {}
    memory: dict[str, float] = {}
    for run in range(RUNS):
        names = list(SERVERS)
        for name in names[run % 2 :] + names[: run % 2]:
            with (
                tempfile.TemporaryDirectory(dir=folder.parent) as place,
                running(SERVERS[name], Path(place)) as (share, pid),
            ):
                for work, told in bench(files, share, name):
                    found.setdefault(work, {}).setdefault(name, []).append(told)
                    os.sync()
                memory[name] = peak_mb(pid)
    for work, by_server in found.items():
        _table(work, by_server, sum(file.stat().st_size for file in files), memory)


def _table(work: str, by_server: Mapping[str, Sequence[Told]], size: int, memory: Mapping[str, float]) -> None:
    goal = GOALS.get(work)
    said = (
        f"must {goal[0]:g}, aim {goal[1]:g} x Orthanc"
        if goal
        else "p99: must 5 ms, aim 2; tiles/s: must 1,000, aim 5,000"
    )
    print(f"\n## {work}; {said}\n")
    print("| | seconds (range) | requests/s | MB/s | p99 ms | x Orthanc | peak MB |\n|---|---|---|---|---|---|---|")
    rates = {name: statistics.median(len(it.each) / it.seconds for it in told) for name, told in by_server.items()}
    for name, told in by_server.items():
        seconds = sorted(it.seconds for it in told)
        middle = statistics.median(seconds)
        bytes_each = statistics.median(it.received for it in told) if "STOW" not in work else size
        latency = statistics.median(it.p99_ms for it in told) if len(told[0].each) > 1 else 0
        spread = f"{middle:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}) | {rates[name]:.0f} | {bytes_each / middle / 1e6:.0f}"
        print(
            f"| {name} | {spread} | {latency:.1f} | {_beside(rates, name)} | {memory[name]:.0f} |",
            flush=True,
        )


def _beside(rates: Mapping[str, float], name: str) -> str:
    return f"**{rates[name] / rates['Orthanc']:.2f}**" if "Orthanc" in rates else "-"


def bench_memory(work: Path) -> None:
    """Peak memory of our process when a slide goes in and comes out, whole and by tiles."""
    print(
        "\n## Memory; must 200 MB, aim 100\n\n| slide | in, s | out, s | peak MB in | and out |\n|---|---|---|---|---|"
    )
    for size in (SLIDE_BYTES, LARGE_BYTES):
        folder = work / f"memory-{size}"
        folder.mkdir()
        write_slide(folder / "slide.dcm", size)
        with running(SERVERS["ours"], folder) as (share, pid):
            into = stored(share, [folder / "slide.dcm"], 1)
            after_in = peak_mb(pid)
            out = got(share, [path_of(folder / "slide.dcm")], 1, PART_10)
            times = f"{into.seconds:.1f} | {out.seconds:.1f}"
            print(f"| {size / 1e6:.0f} MB | {times} | {after_in:.0f} | {peak_mb(pid):.0f} |", flush=True)
        subprocess.run(["rm", "-r", str(folder)], check=True)


def bench_search(work: Path) -> None:
    """Searches of a million instances by each key, and pages at any depth."""
    folder = work / "million"
    seconds = million.fill(folder / "archive")
    print(
        f"\n## Search; must 20 ms, aim 5. {million.STUDIES:,} studies, {million.INSTANCES:,} instances in {seconds:.0f} s\n"
    )
    print("| search | median ms | p99 ms | most ms |\n|---|---|---|---|")
    with running(SERVERS["ours"], folder) as (share, pid):
        for name, paths in million.searches():
            each = sorted(got(share, paths, 1, "application/dicom+json").each)
            told = [statistics.median(each), each[int(len(each) * 0.99)], each[-1]]
            print(f"| {name} | {' | '.join(f'{one * 1000:.1f}' for one in told)} |", flush=True)
        print(f"\nPeak memory {peak_mb(pid):.0f} MB.")


def write_slide(path: Path, size_bytes: int) -> None:
    """A slide that says it is de-identified."""
    noise = np.random.default_rng(3)
    tiles = [corpus.jpeg(corpus.noisy_tile(number, noise), quality=80) for number in range(24)]
    count = size_bytes // (sum(map(len, tiles)) // len(tiles))
    header = corpus.slide_header(count)
    header.PatientIdentityRemoved = "YES"
    corpus.write_encapsulated(header, path, (tiles[number * 7 % 24] for number in range(count)))


def write(work: Path, name: str) -> Path:
    """A folder of objects that say they are de-identified."""
    folder = work / name
    folder.mkdir()
    if name == "slide":
        write_slide(folder / "slide.dcm", SLIDE_BYTES)
        return folder
    (corpus.write_ct if name == "ct" else corpus.write_stills)(folder, 800 if name == "ct" else 60)
    for path in folder.iterdir():
        made = pydicom.dcmread(path)
        made.PatientIdentityRemoved = "YES"
        made.save_as(path)
    return folder


def main(names: Sequence[str]) -> None:
    """Write the objects, then measure each kind of work."""
    version = subprocess.run(["Orthanc", "--version"], capture_output=True, text=True, check=False).stdout.split()[1]
    print(f"Orthanc {version}, SQLite {million.SQLITE}")
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        benches = {"ct": (bench_ct, bench_ct_at_once), "stills": (bench_stills,), "slide": (bench_slide,)}
        for name, several in benches.items():
            if name in names or not names:
                folder = write(work, name)
                for bench in several:
                    measure(bench, folder)
        for name, alone in {"search": bench_search, "memory": bench_memory}.items():
            if name in names or not names:
                alone(work)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(sys.argv[1:])
