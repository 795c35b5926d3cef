"""`kill -9` at every named point of the way, and in the middle of work: nothing acknowledged is lost, nothing comes twice."""

import ast
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import HOSPITAL, LAB, Stage, staged

import aegle
from aegle.deid import HoldReason
from aegle.faults import Point
from aegle.local.postgres import Postgres

SITE_POINTS = [
    Point.SPOOL_WRITTEN, Point.RECEIPTS_WRITTEN, Point.INTAKE_DEIDENTIFIED, Point.INTAKE_VAULTED, Point.ARCHIVE_WRITTEN,
    Point.ARCHIVE_RENAMED, Point.ARCHIVE_INDEXED, Point.INTAKE_AUDITED, Point.REQUEST_SENT, Point.OUTCOME_KEPT,
    Point.OUTCOME_COLLECTED, Point.RESULT_BUILT, Point.RESULT_ARCHIVED, Point.RESULT_RESTORED, Point.RESULT_SENT,
]  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("kills"), "worker-1", HOSPITAL, "pacs") as running:
        yield running


@pytest.mark.parametrize("point", SITE_POINTS)
def test_a_site_killed_at_a_point_loses_and_doubles_nothing(stage: Stage, point: Point) -> None:
    stage.kill(HOSPITAL)
    stage.start(HOSPITAL, point)
    sent = stage.send()
    stage.await_death(HOSPITAL, point)
    stage.start(HOSPITAL)
    stage.until(lambda: stage.is_delivered(sent), f"the result after {point}")
    stage.check_nothing_lost_or_doubled(sent)


@pytest.mark.parametrize(
    ("name", "point"),
    [("hub", Point.HUB_ACCEPTED)]
    + [("worker-1", point) for point in (Point.WORKER_CLAIMED, Point.WORKER_PREDICTED, Point.WORKER_SETTLED)],
)
def test_hub_or_worker_killed_at_a_point_loses_and_doubles_nothing(stage: Stage, name: str, point: Point) -> None:
    stage.kill(name)
    stage.start(name, point)
    sent = stage.send()
    stage.await_death(name, point)
    stage.start(name)
    stage.until(lambda: stage.is_delivered(sent), f"the result after {point}")
    stage.check_nothing_lost_or_doubled(sent)


def test_a_site_killed_while_it_holds_an_instance_holds_it_once_and_forgets_nothing(stage: Stage) -> None:
    stage.kill(HOSPITAL)
    stage.start(HOSPITAL, Point.INTAKE_HELD)
    stage.send(change=lambda made: setattr(made, "BurnedInAnnotation", "YES"))
    stage.await_death(HOSPITAL, Point.INTAKE_HELD)
    stage.start(HOSPITAL)
    stage.until(lambda: not stage.leftovers(), "the held instance has left the spool")
    (entry,) = stage.held()
    assert entry.reason is HoldReason.BURNED_IN_RISK
    stage.check_chains()


@pytest.mark.parametrize("point", [Point.LABEL_RECORDED, Point.LABEL_SENT])
def test_a_label_that_was_kept_reaches_the_warehouse_once_whenever_its_site_is_killed(
    stage: Stage, point: Point
) -> None:
    if LAB not in stage.processes:
        stage.start(LAB)
    image = stage.upload_still(LAB)
    stage.kill(LAB)
    stage.start(LAB, point)
    stage.label(image)
    stage.await_death(LAB, point)
    stage.start(LAB)
    query = {"sql": f"SELECT count(*), count(DISTINCT event_id) FROM label WHERE sop_uid = '{image.sop_uid}'"}
    client = stage.operator()
    stage.until(
        lambda: client.call("POST", "/v1/admin/labels/query", query).json()["rows"] == [[1, 1]], "the label is stored"
    )
    stage.check_chains()


def test_a_database_killed_in_the_middle_of_work_loses_and_doubles_nothing(stage: Stage) -> None:
    known = {line["study_uid"] for line in stage.requests()}
    sent = stage.send()
    stage.until(
        lambda: stage.requests()[:1] and stage.requests()[0]["study_uid"] not in known, "the hub accepted the study"
    )
    os.kill(Postgres(stage.home.hub / "postgres").pid, signal.SIGKILL)
    stage.until(lambda: stage.is_delivered(sent), "the result after the database came back")
    stage.check_nothing_lost_or_doubled(sent)


def test_every_point_is_passed_somewhere_in_the_program() -> None:
    passed = set()
    for path in Path(aegle.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "faults.reach":
                passed.add(ast.unparse(node.args[0]).removeprefix("faults.Point."))
    assert passed == {point.name for point in Point}
