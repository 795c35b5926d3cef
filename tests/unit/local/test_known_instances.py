"""What the index found lately is held, and never beyond a change."""

from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from aegle.dicom.describe import describe
from aegle.local.archive import known
from aegle.local.archive.known import Known
from aegle.local.archive.store import stored_as

PATH = Path(get_testdata_file("CT_small.dcm", download=False))
INSTANCE = stored_as(describe(PATH), PATH, "0" * 64)


def test_what_was_read_before_a_change_is_not_held() -> None:
    held = Known()
    before = held.changes
    held.forget("2.25.1")  # meanwhile another thread changes something
    held.keep(INSTANCE, before)
    assert held.get(INSTANCE.sop_uid) is None
    held.keep(INSTANCE, held.changes)
    assert held.get(INSTANCE.sop_uid) == INSTANCE
    held.forget(INSTANCE.sop_uid)
    assert held.get(INSTANCE.sop_uid) is None


def test_what_is_held_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 0)
    held = Known()
    held.keep(INSTANCE, held.changes)
    assert held.get(INSTANCE.sop_uid) is None
