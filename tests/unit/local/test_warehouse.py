"""The label warehouse: idempotent, queried in the BigQuery dialect, and locked from two sides."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from aegle.errors import BadMessage
from aegle.local.warehouse import DuckWarehouse
from aegle.records import Label, LabelSubject


def label(number: int = 1, **changes: object) -> Label:
    values = {
        "event_id": f"e{number}", "made_at": datetime(2026, 11, 25, 8, tzinfo=UTC), "site": "cytolab", "reader": "r1",
        "study_uid": "2.25.1", "series_uid": "2.25.2", "sop_uid": "2.25.3", "subject": LabelSubject.REGION,
        "code": "HSIL", "shape": "box", "points_px": ((1.5, 2.0), (3.0, 4.0)), "label_id": f"l{number}", **changes,
    }  # fmt: skip
    return Label(**values)  # type: ignore[arg-type]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckWarehouse]:
    with DuckWarehouse(tmp_path / "labels.duckdb", seconds_max=1.0) as opened:
        yield opened


def rows(warehouse: DuckWarehouse, sql: str) -> list[tuple[object, ...]]:
    return list(warehouse.query(sql).rows)


def test_an_event_is_kept_once(warehouse: DuckWarehouse) -> None:
    warehouse.add_labels([label(1), label(2)])
    warehouse.add_labels([label(2, code="LSIL"), label(3), label(3)])
    warehouse.add_labels([])
    assert rows(warehouse, "SELECT event_id, code FROM label ORDER BY 1") == [
        ("e1", "HSIL"), ("e2", "HSIL"), ("e3", "HSIL"),
    ]  # fmt: skip


def test_labels_outlive_the_process(tmp_path: Path) -> None:
    for expected in (1, 2):
        with DuckWarehouse(tmp_path / "labels.duckdb") as warehouse:
            warehouse.add_labels([label(expected)])
            assert rows(warehouse, "SELECT COUNT(*) FROM label") == [(expected,)]


def test_what_was_added_outlives_a_kill(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; import test_warehouse as t\n"
        "t.DuckWarehouse(Path(sys.argv[1])).add_labels([t.label(1), t.label(2)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "labels.duckdb"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code, path], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    with DuckWarehouse(path) as warehouse:
        assert rows(warehouse, "SELECT event_id FROM label ORDER BY 1") == [("e1",), ("e2",)]


def test_a_label_comes_back_as_json_can_hold_it(warehouse: DuckWarehouse) -> None:
    warehouse.add_labels([label(), label(2, shape="none", points_px=(), subject=LabelSubject.SLIDE)])
    points, made_at = rows(warehouse, "SELECT points_px, made_at FROM label ORDER BY event_id")[0]
    assert points == [{"column_px": 1.5, "row_px": 2.0}, {"column_px": 3.0, "row_px": 4.0}]
    assert made_at == "2026-11-25T08:00:00+00:00"
    plain = "SELECT CAST('nan' AS FLOAT64), NUMERIC '1.5', DATE '2026-01-02', b'abc', TRUE, NULL"
    assert rows(warehouse, plain) == [(None, 1.5, "2026-01-02", "YWJj", True, None)]


def test_what_was_corrected_or_taken_back_is_not_current(warehouse: DuckWarehouse) -> None:
    warehouse.add_labels(
        [
            label(1), label(2, supersedes="e1", label_id="l1", code="LSIL"),
            label(3), label(4, supersedes="e3", label_id="l3", code="", retracted=True),
            label(5),
        ]
    )  # fmt: skip
    assert rows(warehouse, "SELECT event_id FROM label_current ORDER BY 1") == [("e2",), ("e5",)]


def test_one_site_cannot_correct_anothers_label(warehouse: DuckWarehouse) -> None:
    warehouse.add_labels([label(1), dataclasses.replace(label(2, supersedes="e1"), site="otherlab")])
    assert rows(warehouse, "SELECT event_id FROM label_current ORDER BY 1") == [("e1",), ("e2",)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT site, COUNTIF(code = 'HSIL') AS n FROM label GROUP BY site", [("cytolab", 2)]),
        ("WITH a AS (SELECT code FROM label) SELECT code, COUNT(*) FROM a GROUP BY 1 ORDER BY 1",
         [("HSIL", 2), ("NILM", 1)]),
        ("SELECT AVG(p.row_px) FROM label, UNNEST(points_px) AS p", [(3.0,)]),
        ("SELECT AVG(p.row_px) FROM label AS l, l.points_px AS p", [(3.0,)]),
        ("SELECT event_id FROM label QUALIFY ROW_NUMBER() OVER (PARTITION BY code ORDER BY event_id) = 1 ORDER BY 1",
         [("e1",), ("e3",)]),
        ("SELECT COUNT(*) FROM label WHERE made_at < TIMESTAMP_ADD(TIMESTAMP '2026-11-25', INTERVAL 1 DAY)", [(3,)]),
        ("SELECT DATE_TRUNC(DATE(made_at), WEEK) FROM label LIMIT 1", [("2026-11-22",)]),
        ("(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1", [(1,), (2,)]),
        ("SELECT JSON_VALUE('{\"a\": \"b\"}', '$.a')", [("b",)]),
    ],
)  # fmt: skip
def test_analysts_write_the_bigquery_dialect(
    warehouse: DuckWarehouse, sql: str, expected: list[tuple[object, ...]]
) -> None:
    warehouse.add_labels([label(1), label(2), label(3, code="NILM")])
    assert rows(warehouse, sql) == expected


def test_rows_are_bounded_and_the_cut_is_said(warehouse: DuckWarehouse) -> None:
    warehouse.add_labels([label(number) for number in range(10)])
    cut = warehouse.query("SELECT event_id FROM label ORDER BY event_id", limit=3)
    assert (cut.rows, cut.truncated) == ((("e0",), ("e1",), ("e2",)), True)
    assert warehouse.query("SELECT event_id FROM label LIMIT 2", limit=3).truncated is False
    assert len(warehouse.query("SELECT event_id FROM label LIMIT 9999", limit=10).rows) == 10


ATTACKS = [
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT (SELECT content FROM read_blob('/etc/hostname'))",
    "SELECT * FROM label, LATERAL read_text('/etc/hostname')",
    "SELECT * FROM '/etc/hostname'",
    "SELECT * FROM `/etc/hostname`",
    "SELECT * FROM label.x",
    "SELECT * FROM read_csv('http://127.0.0.1/x')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT current_setting('memory_limit')",
    "SELECT getenv('HOME')",
    "SELECT @@version",
    "SELECT @x",
    "SELECT ?",
    "COPY label TO '/tmp/stolen.csv'",
    "EXPORT DATABASE '/tmp/stolen'",
    "ATTACH '/tmp/stolen.db'",
    "INSTALL httpfs",
    "LOAD '/tmp/x.so'",
    "PRAGMA version",
    "SET memory_limit = '9GB'",
    "CALL pragma_version()",
    "EXPLAIN SELECT 1",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "CREATE TABLE x AS SELECT 1",
    "DROP TABLE label",
    "DELETE FROM label WHERE TRUE",
    "INSERT INTO label SELECT * FROM label",
    "WITH x AS (DELETE FROM label RETURNING *) SELECT * FROM x",
    "TRUNCATE TABLE label",
    "SELECT 1; DROP TABLE label",
    "BEGIN",
    "",
    "not SQL at all",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT '" + "x" * 30_000 + "'",
    "SELECT REPEAT('x', 2000000000)",
    "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 1000000000))",
    "SELECT COUNT(*) FROM label a, label b, label c, label d, label e, label f, label g",
    "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n",
]


@pytest.mark.parametrize("sql", ATTACKS, ids=[attack[:60] or "empty" for attack in ATTACKS])
def test_what_is_not_one_bounded_select_is_refused_and_changes_nothing(
    warehouse: DuckWarehouse, sql: str, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.add_labels([label(number) for number in range(100)])
    with pytest.raises(BadMessage):
        warehouse.query(sql)
    assert rows(warehouse, "SELECT COUNT(*) FROM label") == [(100,)]
    assert caplog.text == ""


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '9GB'",
        "ATTACH '/tmp/stolen.db'",
        "COPY label TO '/tmp/stolen.csv'",
        "INSTALL httpfs",
    ],
)
def test_the_database_itself_refuses_what_would_pass_the_first_wall(warehouse: DuckWarehouse, statement: str) -> None:
    with pytest.raises(duckdb.Error):
        warehouse._database.cursor().execute(statement)


def test_a_mistake_is_told_in_the_databases_words(warehouse: DuckWarehouse) -> None:
    with pytest.raises(BadMessage, match="colour"):
        warehouse.query("SELECT colour FROM label")
