"""Random kills of everything, for `make soak`: a hundred schedules, each from its own seed, told when one fails."""

import os
import random
import signal
import time
from collections.abc import Iterator

import pytest
from stage import HOSPITAL, Stage, staged

from aegle.faults import Point
from aegle.local.postgres import Postgres

FAULTS = {
    HOSPITAL: [point for point in Point if not point.startswith(("hub", "worker", "label", "intake-held"))],
    "hub": [Point.HUB_ACCEPTED],
    "worker-1": [Point.WORKER_CLAIMED, Point.WORKER_PREDICTED, Point.WORKER_SETTLED],
}
LONGEST_S = 8.0  #: between two blows; a study's whole way takes about two seconds


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("soak"), "worker-1", HOSPITAL, "pacs") as running:
        yield running


def schedule(seed: int) -> list[tuple[str, str, float]]:
    """Blows: what to kill, the point where it dies by itself (else it is killed from outside), and after how long."""
    chance = random.Random(seed)
    names = chance.choices([HOSPITAL, "hub", "worker-1", "database"], k=chance.randint(1, 4))
    blows = []
    for name in names:
        point = chance.choice(FAULTS[name]) if name in FAULTS and chance.random() < 0.5 else ""
        passage = f":{chance.randint(1, 3)}" if point else ""
        blows.append((name, f"{point}{passage}", chance.uniform(0, LONGEST_S)))
    return blows


def strike(stage: Stage, name: str, fault: str, seconds: float) -> None:
    """One blow, and the stricken process is started again."""
    if name == "database":
        time.sleep(seconds)
        if pid := Postgres(stage.home.hub / "postgres").pid:
            os.kill(pid, signal.SIGKILL)
        return
    if fault:
        stage.kill(name)
        stage.start(name, fault)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and stage.processes[name].poll() is None:
        time.sleep(0.02)
    stage.kill(name)
    stage.start(name)


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(100))
def test_whatever_is_killed_in_whatever_order_nothing_is_lost_or_doubled(stage: Stage, seed: int) -> None:
    blows = schedule(seed)
    sent = [stage.send() for _ in range(2)]
    for blow in blows:
        strike(stage, *blow)
    sent.append(stage.send())
    for study in sent:
        stage.until(lambda study=study: stage.is_delivered(study), f"seed {seed}: {blows}", 180)  # type: ignore[misc]
    for study in sent:
        stage.check_nothing_lost_or_doubled(study)
