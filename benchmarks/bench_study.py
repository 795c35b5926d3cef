"""One study's way by step, and studies a second with one and two workers, beside the bare model on the same pictures.

The floor is `inference.read_study` on the same stills from a local archive in one process: decode, quality, network, decision.
Each figure is a median of three runs; runs of ours and of the floor alternate.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from aegle.demo.stage import Stage, staged
from aegle.demo.studies import SyntheticPatient, write_still
from aegle.inference.process import ModelProcess
from aegle.inference.reading import read_study
from aegle.local.archive import FileArchive
from aegle.records import OperatingPoint, StoredInstance
from aegle.site.state import Step
from aegle.wiring import load_bundle

STUDIES = 12
RUNS = 3
YAML = """\
hub: {{{{workers: {workers}}}}}
sites:
  st-anna:
    kind: hospital
    door: {{{{quiet_seconds: 0.2, allow: [{{{{ae_title: {{title}}}}}}]}}}}
    pacs: {{{{port: {{port}}, ae_title: {{title}}}}}}
"""


def draw(folder: Path, count: int) -> list[Path]:
    """Stills of different patients, one a study."""
    paths = []
    for number in range(count):
        patient = SyntheticPatient(patient_id=f"BENCH-{number:04}", name=f"Bench^{number}")
        paths += write_still(
            folder / f"study-{number}", seed=number, finding=("NILM", "LSIL", "HSIL")[number % 3], patient=patient
        )
    return paths


def bare(paths: Sequence[Path], folder: Path, stage: Stage) -> float:
    """Seconds a study of the model alone."""
    archive = FileArchive(folder)
    stored: list[StoredInstance] = []
    for path in paths:
        copy = folder / path.name
        copy.write_bytes(path.read_bytes())
        stored.append(archive.put(copy))
    bundle = load_bundle(stage.applied)
    point = OperatingPoint(threshold=0.5, policy="bench")
    with ModelProcess(bundle.model, bundle.card) as process:
        read_study(archive, stored[:1], bundle, process, point)
        started = time.perf_counter()
        for item in stored:
            read_study(archive, [item], bundle, process, point)
        took = time.perf_counter() - started
    archive.close()
    return took / len(paths)


def through(stage: Stage, studies: Sequence[Path], known: int) -> list[dict[Step, float]]:
    """Send studies at once; when the last is delivered, the moments of each new one."""
    for path in studies:
        target = stage.pacs_folder / "outgoing" / path.parent.name
        target.mkdir(parents=True)
        (target / path.name).write_bytes(path.read_bytes())
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with stage.state() as state:
            timelines = [state.timeline(study.study_uid) for study in state.studies()] if state else []
        done = [timeline for timeline in timelines if Step.DELIVERED in timeline]
        if len(done) == known + len(studies):
            moments = [{step: at.timestamp() for step, at in timeline.items()} for timeline in done]
            return sorted(moments, key=lambda each: each[Step.RECEIVED])[known:]
        time.sleep(0.1)
    raise SystemExit("the studies were not delivered within 300 s")


def measure(workers: int, folder: Path, paths: Sequence[Path]) -> tuple[dict[str, float], float, float]:
    """Seconds of each step of a study alone, studies a second of a batch, seconds a study of the bare model."""
    with staged(folder / "home", YAML.format(workers=workers)) as stage:
        (stage.pacs_folder / "outgoing").mkdir(parents=True)
        (alone,) = through(stage, paths[:1], 0)
        floor = bare(paths, folder / "bare", stage)
        batch = through(stage, paths[1:], 1)
    order = list(Step)
    steps = {f"{before} to {after}": alone[after] - alone[before] for before, after in itertools.pairwise(order)}
    decided = sorted(each[Step.DECIDED] for each in batch)
    return steps, (len(decided) - 1) / (decided[-1] - decided[0]), floor


def main() -> None:
    """Print both sides."""
    for workers in (1, 2):
        measured = []
        for _ in range(RUNS):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "home").mkdir()
                (folder / "bare").mkdir()
                measured.append(measure(workers, folder, draw(folder / "studies", STUDIES + 1)))
        print(f"\n{workers} worker(s), {STUDIES} stills of 1024 x 768, median of {RUNS}")
        for step in measured[0][0]:
            print(f"  {step:24} {statistics.median(run[0][step] for run in measured):6.2f} s")
        rate = statistics.median(run[1] for run in measured)
        floor = statistics.median(run[2] for run in measured)
        print(
            f"  studies a second          {rate:6.2f}   bare model, one process: {1 / floor:6.2f}   ratio {rate * floor:5.2f}"
        )


if __name__ == "__main__":
    main()
