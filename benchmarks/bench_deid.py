"""De-identification beside `cp` of the same files: 400 slices of 520 KB, 60 stills of 6 MB, one slide of 310 MB.

The engine alone in this process; `aegle deid run` with every check, its start included, with one process and two; each
installed rival by its own command. Order rotates; figures are medians of three runs and ratios to `cp`, and to `cp` and
`sync`, in the same run.
Processor time does not count the second process, which is not this one's child. Then the memory that belongs to one
process over a slide of 5 GB, a file with holes. Needs 12 GB of disk. With `--large` a slide of 2.5 GB, too: 20 GB more.
"""

import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import deid_corpus as corpus

from aegle.bench import rivals
from aegle.deid import Deidentified, Pseudonyms, Values, default_profile, deidentify

RUNS = 3
SLIDE_BYTES, LARGE_BYTES = 310_000_000, 2_500_000_000
HUGE_TILES, HUGE_TILE_BYTES = 2_500, 2_000_000
RIVAL_LIMIT_S = 300
GOALS = {
    "engine": {"ct": 2.0, "stills": 2.0, "slide": 2.0, "large": 2.0},
    "aegle deid run, 2 processes": {"ct": 8.0, "slide": 3.0, "large": 3.0},
}
#: An installed program has its bytecode beside it, whatever the shell that measures says.
_INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
Taken = tuple[float, float]  #: seconds elapsed, and of the processors, children included
Contender = Callable[[Sequence[Path], Path], None]


def copy(files: Sequence[Path], output: Path) -> None:
    """The floor."""
    subprocess.run(["cp", *map(str, files), str(output)], check=True)


def engine(files: Sequence[Path], output: Path) -> None:
    """In this process, without the check."""
    profile, pseudonyms, values = default_profile(), Pseudonyms.from_secret(bytes(32)), Values()
    for path in files:
        done = deidentify(path, output / path.name, profile, pseudonyms, values)
        assert isinstance(done, Deidentified), done


def command(jobs: int) -> Contender:
    """`aegle deid run`."""

    def run(files: Sequence[Path], output: Path) -> None:
        key = output.parent / "key"
        key.write_text("00" * 32)
        places = [str(files[0].parent), str(output), "--key", str(key), "--values", str(output.parent / "values.csv")]
        arguments = [sys.executable, "-m", "aegle", "deid", "run", *places, "--jobs", str(jobs)]
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, env=_INSTALLED)
        assert sum(1 for _ in output.rglob("2.25.*.dcm")) == len(files)

    return run


def copy_durably(files: Sequence[Path], output: Path) -> None:
    """What `aegle deid run` promises: the bytes are on the disk when it returns."""
    copy(files, output)
    subprocess.run(["sync", "-f", str(output)], check=True)


def rival(tool: rivals.Rival, scratch: Path) -> Contender:
    """A tool by its own command; it may refuse files, and is stopped when it takes too long."""

    def run(files: Sequence[Path], output: Path) -> None:
        arguments = tool.command(files[0].parent, output, scratch)
        subprocess.run(arguments, check=False, capture_output=True, timeout=RIVAL_LIMIT_S)

    tool.command(scratch, scratch, scratch)  # makes what it needs, a certificate for one, before any clock runs
    return run


def measured(contenders: Mapping[str, Contender], files: Sequence[Path], scratch: Path) -> dict[str, Taken]:
    """What each takes; the order rotates, and one that takes too long is asked once."""
    seconds: dict[str, list[Taken]] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(RUNS):
        for name in order:
            if seconds[name] and seconds[name][-1][0] > RIVAL_LIMIT_S / 10:
                continue
            seconds[name].append(timed(contenders[name], files, scratch))
        order = order[1:] + order[:1]
    return {name: (median(each, 0), median(each, 1)) for name, each in seconds.items()}


def median(runs: Sequence[Taken], part: int) -> float:
    """Of the elapsed seconds (0) or of the processors' (1)."""
    return statistics.median(run[part] for run in runs)


def timed(contender: Contender, files: Sequence[Path], scratch: Path) -> Taken:
    """One run into an empty folder, with nothing left to write when it starts."""
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "out").mkdir(parents=True)
    os.sync()
    began, before = time.perf_counter(), sum(os.times()[:4])
    try:
        contender(files, scratch / "out")
    except subprocess.TimeoutExpired:
        return float("inf"), float("inf")
    return time.perf_counter() - began, sum(os.times()[:4]) - before


def write_huge(path: Path) -> None:
    """A slide of 5 GB whose tiles are a head, a hole and an end."""
    tile = corpus.jpeg(corpus.blank_tile(), quality=80)
    corpus.slide_header(HUGE_TILES).save_as(path, enforce_file_format=True)
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.write(corpus.OPEN_PIXELS)
        for _ in range(HUGE_TILES):
            file.write(corpus.ITEM + struct.pack("<L", HUGE_TILE_BYTES) + tile[:-2])
            file.seek(HUGE_TILE_BYTES - len(tile), 1)
            file.write(tile[-2:])
        file.write(corpus.SEQUENCE_END)


def private_mb(files: Sequence[Path], scratch: Path) -> float:
    """Peak of the memory that is `aegle deid run`'s own, in MB (Linux: Private_* of smaps_rollup)."""
    peak, done = [0], threading.Event()
    child: list[int] = []

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max([peak[0], *map(private_kb, child)])

    def run(files: Sequence[Path], output: Path) -> None:
        (output.parent / "key").write_text("00" * 32)
        arguments = [sys.executable, "-m", "aegle", "deid", "run", str(files[0].parent), str(output), "--jobs", "1"]
        arguments += ["--key", str(output.parent / "key"), "--values", str(output.parent / "values.csv")]
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
            child.append(process.pid)
            assert process.wait() == 0

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        timed(run, files, scratch)
    finally:
        done.set()
        watcher.join()
    return peak[0] / 1024


def private_kb(pid: int) -> int:
    """Private memory of a process now; 0 where it cannot be known."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def show(kind: str, taken: Mapping[str, Taken]) -> None:
    """One table."""
    print(f"\n{kind:38} {'seconds':>9} {'x cp':>7} {'x durable':>9} {'processor':>10} {'x cp':>7}")
    for name, (seconds, processor) in taken.items():
        goal = GOALS.get(name, {}).get(kind)
        ratios = (seconds / taken["cp"][0], seconds / taken["cp and sync"][0], processor / taken["cp"][1])
        told = f"   goal {goal}" if goal else ""
        times = f"{seconds:9.2f} {ratios[0]:7.2f} {ratios[1]:9.2f} {processor:10.2f} {ratios[2]:7.2f}"
        print(f"  {name:36} {times}{told}", flush=True)


def main() -> None:
    """Print every figure."""
    contenders: dict[str, Contender] = {"cp": copy, "cp and sync": copy_durably, "engine": engine}
    contenders |= {f"aegle deid run, {jobs} process{'es'[: 2 * (jobs > 1)]}": command(jobs) for jobs in (1, 2)}
    found = rivals.installed() if "--ours" not in sys.argv else []
    print("rivals:", ", ".join(tool.name for tool in found) or "none asked for, or none installed")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for kind in ("ct", "stills", "slide", "large", "huge", "rivals"):
            (base / kind).mkdir()
        contenders |= {tool.name: rival(tool, base / "rivals") for tool in found}
        corpus.write_ct(base / "ct", 400)
        corpus.write_stills(base / "stills", 60)
        corpus.write_slide(base / "slide", SLIDE_BYTES)
        kinds = ["ct", "stills", "slide"]
        if "--large" in sys.argv:
            corpus.write_slide(base / "large", LARGE_BYTES)
            kinds.append("large")
        for kind in kinds:
            show(kind, measured(contenders, sorted((base / kind).iterdir()), base / "work"))
            shutil.rmtree(base / kind)
        write_huge(base / "huge" / "slide.dcm")
        print(
            f"\nslide of 5 GB: {private_mb([base / 'huge' / 'slide.dcm'], base / 'work'):.0f} MB private at its peak   goal 64"
        )


if __name__ == "__main__":
    main()
