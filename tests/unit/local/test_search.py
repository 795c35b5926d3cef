"""A search of the index: every rule of matching, pages that neither overlap nor leave a gap, and what a page costs."""

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from aegle.dicom.describe import describe
from aegle.errors import Conflict, TooLarge
from aegle.local.archive import FileArchive, search
from aegle.local.archive.index import Entry, Index
from aegle.local.archive.schema import PLACES, VERSION
from aegle.local.archive.search import select
from aegle.local.archive.store import stored_as
from aegle.records import Criterion, Level, Match, Query

NAMES = ("Adams^Ann", "Baker^Bob", "baker^bill", "Clark^Cleo", "Évora^Ida")
MODALITIES = ("CT", "MR", "SM")
STUDY, DATE, NAME, MODALITY, IN_STUDY = "0020000D", "00080020", "00100010", "00080060", "00080061"


def fill(folder: Path) -> FileArchive:
    """15 studies of one to three series of two instances each."""
    made, archive = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)), FileArchive(folder / "archive")
    for study in range(15):
        for series in range(1 + study % 3):
            for number in range(2):
                made.StudyInstanceUID = f"2.25.{study + 1}"
                made.SeriesInstanceUID = f"2.25.{study + 1}.{series}"
                made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"2.25.{study + 1}.{series}.{number}"
                made.PatientName, made.PatientID = NAMES[study % 5], f"P{study // 5}"
                made.StudyDate, made.StudyTime = f"202601{study + 1:02}", f"{study:02}3000"
                made.Modality, made.InstanceNumber = MODALITIES[series], number
                made.save_as(folder / "one.dcm")
                archive.put(folder / "one.dcm")
    return archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileArchive]:
    made = fill(tmp_path_factory.mktemp("search"))
    yield made
    made.close()


def one_of(tag: str, *values: str) -> Criterion:
    return Criterion(tag=tag, match=Match.ONE_OF, values=values)


def like(tag: str, pattern: str) -> Criterion:
    return Criterion(tag=tag, match=Match.LIKE, values=(pattern,))


def between(tag: str, low: str, high: str) -> Criterion:
    return Criterion(tag=tag, match=Match.BETWEEN, values=(low, high))


def count(archive: FileArchive, level: Level, *criteria: Criterion) -> int:
    return len(archive.search(Query(level=level, criteria=criteria, limit=1000)))


@pytest.mark.parametrize(
    ("level", "criteria", "wanted"),
    [
        (Level.STUDY, (), 15),
        (Level.SERIES, (), 30),
        (Level.INSTANCE, (), 60),
        (Level.STUDY, (one_of(STUDY, "2.25.1", "2.25.3", "2.25.99"),), 2),
        (Level.STUDY, (like(NAME, "baker^b*"),), 6),
        (Level.STUDY, (like(NAME, "*a^i?a"),), 3),
        (Level.STUDY, (like(NAME, "[a]*"),), 0),
        (Level.STUDY, (between(DATE, "20260103", "20260105"),), 3),
        (Level.STUDY, (between(DATE, "", "20260105"),), 5),
        (Level.STUDY, (between(DATE, "20260111", ""),), 5),
        (Level.STUDY, (between("00080030", "020000.000000", "035959.999999"),), 2),
        (Level.STUDY, (one_of(IN_STUDY, "SM"),), 5),
        (Level.STUDY, (one_of(IN_STUDY, "MR", "SM"),), 10),
        (Level.STUDY, (one_of(IN_STUDY, "MR"), one_of("00100020", "P1")), 3),
        (Level.SERIES, (one_of(MODALITY, "MR"),), 10),
        (Level.SERIES, (one_of(MODALITY, "MR"), between(DATE, "20260101", "20260105")), 3),
        (Level.INSTANCE, (one_of(MODALITY, "SM"), one_of("00200013", "1")), 5),
        (Level.INSTANCE, (one_of("00200013", "1"),), 30),
        (Level.INSTANCE, (one_of("00080018", "2.25.3.2.1"), one_of(STUDY, "2.25.3")), 1),
        (Level.INSTANCE, (one_of("00080018", "2.25.3.2.1"), one_of(STUDY, "2.25.4")), 0),
    ],
)
def test_each_rule_of_matching_finds_what_it_should(
    archive: FileArchive, level: Level, criteria: tuple[Criterion, ...], wanted: int
) -> None:
    assert count(archive, level, *criteria) == wanted


CRITERIA = (
    one_of(IN_STUDY, "CT"), one_of(MODALITY, "CT"), one_of("00200013", "0"), like(NAME, "b*"), like(NAME, "*b*"),
    between(DATE, "20260102", "20260112"), one_of("00100020", "P1"), one_of(STUDY, "2.25.3", "2.25.9", "2.25.11"),
    between("00080030", "", "095959.999999"), one_of("0020000E", "2.25.3.0"), one_of(IN_STUDY, "MR", "SM"),
)  # fmt: skip
DEPTH = {
    STUDY: 0,
    DATE: 0,
    "00080030": 0,
    NAME: 0,
    "00100020": 0,
    IN_STUDY: 0,
    MODALITY: 1,
    "0020000E": 1,
    "00200013": 2,
}


@given(data=st.data(), level=st.sampled_from(Level), page=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_pages_neither_overlap_nor_leave_a_gap(
    archive: FileArchive, data: st.DataObject, level: Level, page: int
) -> None:
    able = [item for item in CRITERIA if DEPTH[item.tag] <= list(Level).index(level)]
    criteria = data.draw(st.lists(st.sampled_from(able), max_size=3, unique_by=lambda item: item.tag))
    query = Query(level=level, criteria=tuple(criteria), limit=1000)
    whole = archive.search(query)
    paged, asked = [], replace(query, limit=page)
    while found := archive.search(asked):
        paged += found
        asked = replace(asked, after=found[-1].place)
    assert paged == list(whole)
    by_offset = [archive.search(replace(query, limit=page, offset=at)) for at in range(0, len(whole), page)]
    assert [item for part in by_offset for item in part] == list(whole)
    assert len({item.place for item in whole}) == len(whole)


@pytest.mark.parametrize(
    "criterion", [*(item for item in CRITERIA if item.values[0] != "*b*" and len(item.values) == 1)]
)
@pytest.mark.parametrize("level", Level)
def test_a_page_is_one_walk_of_an_index_without_sorting(
    archive: FileArchive, criterion: Criterion, level: Level
) -> None:
    if DEPTH[criterion.tag] <= list(Level).index(level):
        statement, values = select(Query(level=level, criteria=(criterion,), limit=10))
        plan = [row[3] for row in archive._index._writer.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        assert "SEARCH" in plan[0], plan
        assert not any("TEMP B-TREE FOR" in step for step in plan) or "0020000E" in criterion.tag, plan


@pytest.mark.parametrize("level", Level)
def test_a_modality_within_a_range_of_dates_is_one_walk(archive: FileArchive, level: Level) -> None:
    dates = Criterion(tag=DATE, match=Match.BETWEEN, values=("20260103", "20260109"))
    query = Query(level=level, criteria=(one_of(IN_STUDY, "SM"), dates), limit=100)
    statement, values = select(query)
    plan = [row[3] for row in archive._index._writer.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert "study_modality_by_date (modality=? AND study_date>? AND study_date<?)" in plan[0], plan
    assert not any("TEMP B-TREE FOR" in step for step in plan), plan
    assert {found.attributes[DATE]["Value"][0] for found in archive.search(query)} == {
        "20260103",
        "20260106",
        "20260109",
    }


@pytest.mark.parametrize("level", Level)
def test_what_an_offset_skips_is_not_read(archive: FileArchive, level: Level) -> None:
    statement, values = select(Query(level=level, limit=10, offset=7))
    plan = [row[3] for row in archive._index._writer.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert next(step for step in plan if step.startswith("SCAN")).endswith(f"USING COVERING INDEX {PLACES[level]}"), (
        plan
    )
    assert statement.endswith("OFFSET ?") and values[-1] == 0


def test_a_search_that_takes_too_much_work_is_ended(archive: FileArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "STEPS_MAX", 100)
    monkeypatch.setattr(search, "_TELL", 50)
    with pytest.raises(TooLarge):
        count(archive, Level.INSTANCE)
    monkeypatch.undo()
    assert count(archive, Level.INSTANCE) == 60


def test_counts_and_modalities_follow_what_is_put_and_deleted(tmp_path: Path) -> None:
    archive = fill(tmp_path)
    query = Query(level=Level.STUDY, criteria=(one_of(STUDY, "2.25.3"),), limit=2)

    def told() -> tuple[object, ...]:
        (found,) = archive.search(query)
        return tuple(found.attributes[tag]["Value"] for tag in ("00201206", "00201208", IN_STUDY))

    assert told() == ([3], [6], ["CT", "MR", "SM"])
    for item in archive.instances("2.25.3"):
        if item.modality == "SM":
            archive.delete(item)
    assert told() == ([2], [4], ["CT", "MR"])
    for item in archive.instances("2.25.3"):
        archive.delete(item)
    assert list(archive.search(query)) == []
    archive.close()


FIRST_VERSION = """
CREATE TABLE instance (
    sop_uid TEXT PRIMARY KEY, study_uid TEXT NOT NULL, series_uid TEXT NOT NULL, sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL, size_bytes INTEGER NOT NULL, digest TEXT NOT NULL, modality TEXT NOT NULL,
    frames INTEGER NOT NULL, rows INTEGER NOT NULL, columns INTEGER NOT NULL,
    metadata BLOB NOT NULL, frame_table BLOB
) STRICT;
CREATE INDEX instance_of_study ON instance (study_uid, series_uid, sop_uid);
PRAGMA user_version = 1;
"""


def test_an_index_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = Path(get_testdata_file("SC_rgb_rle_2frame.dcm", download=False))
    described = describe(path)
    stored = stored_as(described, path, "0" * 64)
    old = sqlite3.connect(tmp_path / "index.db")
    old.executescript(FIRST_VERSION)
    assert described.table is not None
    row = {**vars(stored), "metadata": described.metadata, "frame_table": described.table.to_bytes()}
    old.execute(f"INSERT INTO instance ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    old.commit()
    old.close()
    for _ in range(2):
        index = Index(tmp_path / "index.db")
        assert index.find(stored.sop_uid) == stored
        assert len(index.frame_table(stored.sop_uid)) == 2
        (found,) = index.search(Query(level=Level.STUDY, limit=5))
        assert found.attributes["00201208"]["Value"] == [1]
        index.close()


def test_an_index_of_the_second_version_is_brought_up_to_date(tmp_path: Path) -> None:
    fill(tmp_path).close()
    with sqlite3.connect(tmp_path / "archive" / "index.db") as old:
        old.executescript(
            "DROP TRIGGER study_modality_added; DROP INDEX study_modality_by_date; DROP INDEX study_places;"
            "DROP INDEX series_places; ALTER TABLE study_modality DROP COLUMN study_date; PRAGMA user_version = 2;"
        )
    old.close()
    archive = FileArchive(tmp_path / "archive")
    dates = Criterion(tag=DATE, match=Match.BETWEEN, values=("20260103", "20260109"))
    found = archive.search(Query(level=Level.STUDY, criteria=(one_of(IN_STUDY, "SM"), dates), limit=10))
    assert [item.attributes[STUDY]["Value"] for item in found] == [["2.25.3"], ["2.25.6"], ["2.25.9"]]
    archive.close()


def test_an_index_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    newer = sqlite3.connect(tmp_path / "index.db")
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    with pytest.raises(Conflict, match="newer"):
        Index(tmp_path / "index.db")


def test_who_waits_to_write_shares_one_commit_and_one_failure_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, sizes = Index(tmp_path / "index.db"), list[int]()
    write = index._write
    monkeypatch.setattr(index, "_write", lambda together: (sizes.append(len(together)), write(together)))
    path = Path(get_testdata_file("CT_small.dcm", download=False))
    described = describe(path)

    def entry(number: int) -> tuple[threading.Thread, list[Exception]]:
        stored, errors = replace(stored_as(described, path, ""), sop_uid=f"2.25.{number}"), list[Exception]()
        if number == 7:
            stored = replace(stored, size_bytes="many")  # type: ignore[arg-type]  # a STRICT table refuses it

        def run() -> None:
            try:
                index.add(Entry(stored, described))
            except sqlite3.Error as error:
                errors.append(error)

        return threading.Thread(target=run), errors

    entries = [entry(number) for number in range(12)]
    with index._together._turn:
        for thread, _ in entries:
            thread.start()
        while len(index._together._waiting) < 12:
            threading.Event().wait(0.001)
    for thread, _ in entries:
        thread.join()
    assert [bool(errors) for _, errors in entries] == [number == 7 for number in range(12)]
    assert sizes == [12, *[1] * 12]  # together; then, since one is at fault, each alone
    assert len(index.all()) == 11
    index.close()
