"""`kill -9` at every named point of the way, and in the middle of work: nothing acknowledged is lost, nothing comes twice."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import HOSPITAL, Stage, staged

import aegle
from aegle.faults import Point

SITE_POINTS = [
    Point.SPOOL_WRITTEN, Point.SPOOL_RENAMED, Point.INTAKE_DEIDENTIFIED, Point.INTAKE_VAULTED, Point.ARCHIVE_WRITTEN,
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


def test_every_point_is_passed_somewhere_in_the_program() -> None:
    passed = set()
    for path in Path(aegle.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "faults.reach":
                passed.add(ast.unparse(node.args[0]).removeprefix("faults.Point."))
    assert passed == {point.name for point in Point}
