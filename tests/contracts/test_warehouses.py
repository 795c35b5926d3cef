"""The Warehouse contract on every implementation: DuckDB on this machine, and BigQuery by its double."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import live
import pytest
from cloud_double import Cloud, clouded

from aegle.access import Act, event
from aegle.errors import AegleError, BadMessage, PeerUnreachable, Unavailable
from aegle.google import BigQuery, Session
from aegle.local.warehouse import DuckWarehouse
from aegle.ports import Warehouse
from aegle.records import (
    BundleRef,
    Failure,
    Label,
    LabelSubject,
    OperatingPoint,
    Outcome,
    Prediction,
    Quality,
    Rejection,
    RejectReason,
)

AT = datetime(2026, 11, 25, 8, 30, 0, 123456, tzinfo=UTC)
BUNDLE = BundleRef(name="papnet", version="1.0.0", digest="b" * 64)


@dataclasses.dataclass(frozen=True)
class Kept:
    """A warehouse, and its audit rows, which no query reaches."""

    port: Warehouse
    audit: Callable[[], list[dict[str, Any]]]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with clouded() as opened:
        yield opened


@pytest.fixture
def session(cloud: Cloud) -> Iterator[Session]:
    with httpx.Client() as client:
        yield Session(cloud.identity("aegle-hub@p.iam.gserviceaccount.com"), client, wait=lambda seconds: None)


@pytest.fixture
def bigquery(cloud: Cloud, session: Session) -> BigQuery:
    return BigQuery(session, "p", "europe-west4", "aegle", cloud.url)


@pytest.fixture(params=["duckdb", "bigquery", pytest.param("live", marks=pytest.mark.live)])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    if request.param == "live":
        with live.project() as place, live.warehouse(place) as found:
            yield Kept(found, lambda: _audit_at_google(found))
        return
    if request.param == "bigquery":
        cloud: Cloud = request.getfixturevalue("cloud")
        yield Kept(request.getfixturevalue("bigquery"), lambda: cloud.warehouse.rows("audit"))
        return
    with DuckWarehouse(tmp_path / "w.duckdb") as opened:
        yield Kept(opened, lambda: _audit_of(opened))


def _audit_at_google(warehouse: BigQuery) -> list[dict[str, Any]]:
    answer = warehouse._run("SELECT chain, number, act FROM audit", {})
    return [
        {"chain": chain["v"], "number": int(number["v"]), "act": act["v"]}
        for chain, number, act in (row["f"] for row in answer.get("rows", ()))
    ]


def _audit_of(warehouse: DuckWarehouse) -> list[dict[str, Any]]:
    found = warehouse._database.cursor().execute("SELECT * FROM audit")
    names = [item[0] for item in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def label(number: int = 1, **changes: object) -> Label:
    values = {
        "event_id": f"e{number}", "made_at": AT, "site": "cytolab", "reader": "r1", "study_uid": "2.25.1",
        "series_uid": "2.25.2", "sop_uid": "2.25.3", "subject": LabelSubject.REGION, "code": "HSIL", "shape": "box",
        "points_px": ((1.5, 2.0), (3.0, 4.0)), "label_id": f"l{number}", **changes,
    }  # fmt: skip
    return Label(**values)  # type: ignore[arg-type]


def outcomes() -> tuple[Outcome, ...]:
    common: dict[str, Any] = {"site": "st-anna", "study_uid": "2.25.1", "input_digest": "a" * 64, "decided_at": AT}
    return (
        Prediction(
            request_id="r1", prediction_id="p1", sources=(), bundle=BUNDLE, finding="HSIL", score=0.75, scores=(),
            operating_point=OperatingPoint(threshold=0.4, policy="bundle-default"), regions=(), evidence=(),
            quality=Quality(accepted=True, focus=0.9, cells=10), **common,
        ),
        Rejection(
            request_id="r2", bundle=BUNDLE, reason=RejectReason.OUT_OF_FOCUS, detail="focus 0.1", quality=None, **common
        ),
        Failure(request_id="r3", code="NOT_FOUND", detail="gone", **common),
    )  # fmt: skip


def rows(kept: Kept, sql: str) -> list[tuple[Any, ...]]:
    return list(kept.port.query(sql).rows)


def test_a_label_is_kept_once_whoever_sends_it_again(kept: Kept) -> None:
    kept.port.add_labels([label(1), label(2), label(2, code="NILM")])
    kept.port.add_labels([label(2, code="LSIL"), label(3)])
    kept.port.add_labels([])
    assert rows(kept, "SELECT event_id, code FROM label ORDER BY 1") == [("e1", "HSIL"), ("e2", "HSIL"), ("e3", "HSIL")]


def test_a_label_comes_back_whole(kept: Kept) -> None:
    kept.port.add_labels([label(1), label(2, shape="none", points_px=(), subject=LabelSubject.SLIDE)])
    found = rows(kept, "SELECT made_at, points_px, subject, retracted FROM label ORDER BY event_id")
    boxes = [{"column_px": 1.5, "row_px": 2.0}, {"column_px": 3.0, "row_px": 4.0}]
    assert found == [(AT.isoformat(), boxes, "region", False), (AT.isoformat(), [], "slide", False)]
    (arrived,) = rows(kept, "SELECT min(arrived_at) FROM label")[0]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(arrived)).total_seconds()) < 600


def test_what_was_corrected_or_taken_back_is_not_current(kept: Kept) -> None:
    fixed, taken = (
        label(2, supersedes="e1", label_id="l1", code="LSIL"),
        label(4, supersedes="e3", retracted=True, code=""),
    )
    kept.port.add_labels(
        [label(1), fixed, label(3), taken, dataclasses.replace(label(5, supersedes="e2"), site="other")]
    )
    assert rows(kept, "SELECT event_id FROM label_current ORDER BY 1") == [("e2",), ("e5",)]
    alias = "SELECT label_current.code, c.site FROM label_current JOIN label_current AS c USING (event_id) ORDER BY 2"
    assert rows(kept, alias) == [("LSIL", "cytolab"), ("HSIL", "other")]
    named = "WITH label_current AS (SELECT 1 AS one) SELECT one FROM label_current"
    assert rows(kept, named) == [(1,)]


def test_an_outcome_of_each_kind_is_a_row(kept: Kept) -> None:
    kept.port.add_outcomes(outcomes())
    kept.port.add_outcomes(outcomes()[:2])
    found = rows(kept, "SELECT request_id, outcome, code, score, operating_point, bundle FROM prediction ORDER BY 1")
    assert found == [
        ("r1", "prediction", "HSIL", 0.75, 0.4, "papnet 1.0.0"),
        ("r2", "rejection", "OUT_OF_FOCUS", None, None, "papnet 1.0.0"),
        ("r3", "failure", "NOT_FOUND", None, None, ""),
    ]


def test_acts_are_kept_once_by_their_place_and_no_query_reaches_them(kept: Kept) -> None:
    acts = [event(Act.HUB_SITE_ENROLL, subject="st-anna"), event(Act.HUB_PROCESS_START)]
    kept.port.add_audit("hub/hub-1", 1, acts)
    kept.port.add_audit("hub/hub-1", 1, [*acts, event(Act.HUB_PROCESS_START)])
    kept.port.add_audit("hub/hub-2", 1, acts[:1])
    found = sorted((row["chain"], row["number"], row["act"]) for row in kept.audit())
    assert [item[:2] for item in found] == [("hub/hub-1", 1), ("hub/hub-1", 2), ("hub/hub-1", 3), ("hub/hub-2", 1)]
    with pytest.raises(BadMessage, match="no table audit"):
        kept.port.query("SELECT * FROM audit")


def test_rows_are_bounded_and_the_cut_is_said(kept: Kept) -> None:
    kept.port.add_labels([label(number) for number in range(8)])
    table = kept.port.query("SELECT event_id FROM label ORDER BY 1", limit=5)
    assert (len(table.rows), table.truncated) == (5, True)
    assert not kept.port.query("SELECT event_id FROM label", limit=8).truncated


PLAIN = "SELECT CAST('nan' AS FLOAT64), DATE '2026-01-02', TRUE, NULL, TIMESTAMP '2026-01-02 03:04:05+00'"


def test_values_come_as_json_can_hold_them(kept: Kept) -> None:
    assert rows(kept, PLAIN) == [(None, "2026-01-02", True, None, "2026-01-02T03:04:05+00:00")]


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM label", "SELECT 1; SELECT 2", "SELECT * FROM other", "SELECT * FROM aegle_read.label_current",
     "SELECT * FROM `p.aegle.label`", "SELECT nothing_like_it FROM label", "SELECT * FROM EXTERNAL_QUERY('a', 'b')",
     "EXPORT DATA OPTIONS(uri='gs://b/*') AS SELECT 1", "SELECT SESSION_USER() AS s FROM audit"],
)  # fmt: skip
def test_nothing_but_a_question_about_its_own_tables_is_taken(kept: Kept, sql: str) -> None:
    with pytest.raises(BadMessage):
        kept.port.query(sql)


# --- BigQuery alone


def test_what_a_live_run_makes_it_takes_away(cloud: Cloud, session: Session) -> None:
    place = live.Project(name="p", region="europe-west4", session=session, endpoint=cloud.url)
    with live.warehouse(place):
        assert len([path for method, path in cloud.made if path.endswith("/tables")]) == 4
    made = [path for method, path in cloud.made if method == "POST" and path.endswith("/datasets")]
    assert len(made) == len([path for method, path in cloud.made if method == "DELETE"]) == 2


def test_a_job_that_takes_its_time_is_waited_for(bigquery: BigQuery, cloud: Cloud) -> None:
    cloud.warehouse.slow = 3
    bigquery.add_labels([label(number) for number in range(8)])
    assert len(bigquery.query("SELECT event_id FROM label").rows) == 8


def test_a_job_without_end_is_cancelled(cloud: Cloud, session: Session) -> None:
    cloud.warehouse.slow = 10**9
    ticks = iter(range(0, 1000, 10))
    impatient = BigQuery(session, "p", "europe-west4", "aegle", cloud.url, clock=lambda: float(next(ticks)))
    with pytest.raises(BadMessage, match="longer than 30 s"):
        impatient.query("SELECT 1")
    with pytest.raises(Unavailable):
        impatient.add_labels([label()])
    assert len(cloud.warehouse.cancelled) == 2


def test_what_a_question_may_cost_is_bounded(bigquery: BigQuery, cloud: Cloud) -> None:
    bigquery.query("SELECT 1")
    assert int(cloud.warehouse.bodies[-1]["maximumBytesBilled"]) <= 100 << 30


def test_a_warehouse_that_is_away_may_be_tried_later(bigquery: BigQuery, cloud: Cloud) -> None:
    cloud.away.add("bigquery")
    with pytest.raises(AegleError) as away:
        bigquery.add_labels([label()])
    assert away.value.meaning.retryable and isinstance(away.value, PeerUnreachable)
    cloud.away.clear()
    bigquery.add_labels([label()])
    assert cloud.warehouse.rows("label")[0]["event_id"] == "e1"


def test_a_console_that_asks_every_few_seconds_costs_one_question_a_minute(cloud: Cloud, session: Session) -> None:
    now = [0.0]
    bigquery = BigQuery(session, "p", "europe-west4", "aegle", cloud.url, clock=lambda: now[0])
    counts = "SELECT site, count(*) FROM label_current GROUP BY site"
    for _ in range(20):
        now[0] += 3
        bigquery.query(counts)
    assert len(cloud.warehouse.bodies) == 1
    now[0] += 60
    bigquery.query(counts)
    assert len(cloud.warehouse.bodies) == 2


def test_whoever_writes_rows_sees_them_in_the_next_answer(bigquery: BigQuery) -> None:
    counts = "SELECT count(*) FROM label"
    assert bigquery.query(counts).rows == ((0,),)
    bigquery.add_labels([label()])
    assert bigquery.query(counts).rows == ((1,),)
    assert (
        bigquery.query("SELECT event_id FROM label", limit=0).rows != bigquery.query("SELECT event_id FROM label").rows
    )
