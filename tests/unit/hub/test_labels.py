"""What may enter the warehouse, rule by rule."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hubworld import label

from aegle.errors import Forbidden, TooLarge
from aegle.hub.labels import BATCH_MAX, fault_of, store
from aegle.ports import Table
from aegle.records import Label, LabelSubject, Site, SiteKind

LAB = Site(name="cytolab", kind=SiteKind.LAB)
FREE_TEXT = "Jane Doe, born 1970"


class Kept:
    """A warehouse that remembers what it was given."""

    def __init__(self) -> None:
        self.labels: list[Label] = []

    def add_labels(self, labels: Sequence[Label]) -> None:
        self.labels += labels

    def query(self, sql: str, limit: int = 10_000) -> Table:
        raise NotImplementedError


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shape": "point", "points_px": ((0.0, 0.0),)},
        {"shape": "none", "points_px": (), "subject": LabelSubject.SLIDE, "code": "UNSAT"},
        {"retracted": True, "code": "", "supersedes": label(2).event_id},
        {"supersedes": label(2).event_id},
    ],
)
def test_a_fit_label_has_no_fault(changes: dict[str, object]) -> None:
    assert fault_of(label(**changes)) == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": FREE_TEXT}, "event_id"), ({"label_id": FREE_TEXT}, "label_id"),
        ({"supersedes": FREE_TEXT}, "supersedes"), ({"reader": FREE_TEXT}, "reader"),
        ({"study_uid": FREE_TEXT}, "study_uid"), ({"series_uid": ""}, "study_uid"),
        ({"sop_uid": "1" * 65}, "study_uid"),
        ({"code": FREE_TEXT}, "code"), ({"code": ""}, "code"), ({"code": "hsil"}, "code"),
        ({"retracted": True}, "retracted"),
        ({"made_at": datetime(2026, 1, 1)}, "made_at"),
        ({"made_at": datetime.now(UTC) + timedelta(days=3)}, "made_at"),
        ({"shape": "none", "points_px": ()}, "shape"), ({"subject": LabelSubject.SLIDE}, "shape"),
        ({"shape": FREE_TEXT}, "points_px"), ({"shape": "point"}, "points_px"), ({"points_px": ()}, "points_px"),
        ({"points_px": ((1.0, float("nan")), (2.0, 2.0))}, "points_px"),
        ({"points_px": ((1.0, -1.0), (2.0, 2.0))}, "points_px"),
        ({"points_px": ((1.0, 1e9), (2.0, 2.0))}, "points_px"),
    ],
)  # fmt: skip
def test_free_text_and_odd_geometry_are_refused_by_field_and_never_repeated(
    changes: dict[str, object], field: str
) -> None:
    fault = fault_of(label(**changes))
    assert fault.startswith(field)
    assert FREE_TEXT not in fault


def test_the_fit_labels_of_a_batch_are_kept_beside_unfit_ones() -> None:
    kept = Kept()
    receipt = store(kept, LAB, (label(1), label(2, code="x"), label(3)))
    assert receipt.stored == (label(1).event_id, label(3).event_id)
    assert list(receipt.refused) == [label(2).event_id]
    assert [item.event_id for item in kept.labels] == list(receipt.stored)


def test_one_label_of_another_site_refuses_the_batch() -> None:
    kept = Kept()
    with pytest.raises(Forbidden):
        store(kept, LAB, (label(1), label(2, site="otherlab")))
    assert kept.labels == []


def test_a_batch_has_a_bound() -> None:
    with pytest.raises(TooLarge):
        store(Kept(), LAB, tuple(label(number) for number in range(BATCH_MAX + 1)))
