"""Studies and series in an archive's index: whatever is added, replaced and removed, they are those of the instances left."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from aegle.dicom.describe import Description, describe
from aegle.local.archive.index import Entry, Index
from aegle.local.archive.store import stored_as
from aegle.records import Level, Query, StoredInstance

CT = Path(get_testdata_file("CT_small.dcm", download=False))
FIRST, READ = stored_as(describe(CT), CT, ""), describe(CT)


class Act(NamedTuple):
    """Something done with one of four instances."""

    name: str  #: add, replace, remove, fail
    number: int
    series: int  #: 0 and 1 are one study's, 2 another's
    known_before: bool  #: made ready while the series was known or not


def made(act: Act) -> tuple[StoredInstance, Description]:
    place = {"study_uid": f"2.25.{act.series // 2}9", "series_uid": f"2.25.{act.series // 2}9.{act.series}"}
    place["sop_uid"] = f"2.25.7.{act.number}"
    told = {"0020000D": place["study_uid"], "0020000E": place["series_uid"], "00080018": place["sop_uid"]}
    header = READ.header | {tag: {"vr": "UI", "Value": [uid]} for tag, uid in told.items()}
    header["00080060"] = {"vr": "CS", "Value": ["CTMRSM"[act.series * 2 :][:2]]}
    return replace(FIRST, **place), replace(READ, instance=replace(READ.instance, **place), header=header)


def do(index: Index, act: Act, held: dict[int, int]) -> None:
    if act.name == "add":  # a second time, an archive adds the same alone
        act = act._replace(series=held.get(act.number, act.series))
    stored, description = made(act)
    if act.name == "remove":
        index.remove(stored.sop_uid)
        held.pop(act.number, None)
        return
    if act.name == "fail":
        with pytest.raises(Exception, match="cannot store TEXT"):
            index.add(Entry(replace(stored, size_bytes="many"), description))  # type: ignore[arg-type]
        return
    index.add(Entry(stored, description, instead=act.name == "replace", is_series_known=act.known_before))
    held[act.number] = act.series


def told(index: Index) -> list[list[str]]:
    """Every result of every level, with the counts that its study and series have."""
    counts = ("00201206", "00201208", "00201209", "00080061", "0020000D", "0020000E", "00080018")
    return [
        sorted(
            repr([item.attributes.get(tag) for tag in counts]) for item in index.search(Query(level=level, limit=100))
        )
        for level in Level
    ]


ACTS = st.builds(
    Act,
    st.sampled_from(("add", "add", "replace", "remove", "fail")),
    st.integers(0, 3),
    st.integers(0, 2),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=10))
@example([Act("add", 0, 0, False), Act("remove", 0, 0, False), Act("add", 1, 0, True)])
@example([Act("add", 0, 0, False), Act("replace", 0, 2, True), Act("add", 1, 0, True)])
@example([Act("fail", 0, 0, True), Act("add", 1, 0, True)])
def test_studies_and_series_are_those_of_the_instances_that_are_left(acts: list[Act]) -> None:
    with TemporaryDirectory() as place:
        index, fresh, held = Index(Path(place) / "index.db"), Index(Path(place) / "fresh.db"), dict[int, int]()
        for act in acts:
            do(index, act, held)
        fresh.add_all(made(Act("add", number, series, False)) for number, series in held.items())
        assert told(index) == told(fresh)
        index.close()
        fresh.close()
