"""A release is not gone back to once a later one has changed what lies on the disk."""

import sqlite3
from pathlib import Path

import pytest

from aegle.errors import Conflict
from aegle.local import forms


def brought_to(path: Path, form: int) -> None:
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {form}")
    database.close()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    brought_to(tmp_path / "site.db", 1)
    brought_to(tmp_path / "archive" / "index.db", 2)
    return tmp_path


def test_a_release_that_left_everything_in_its_form_is_gone_back_from(site: Path) -> None:
    forms.note(site, "0.1.0")
    forms.check(site, "0.1.0")
    brought_to(site / "new.db", 1)
    forms.check(site, "0.1.0")


def test_a_database_that_was_brought_forward_has_no_way_back_and_the_remedy_is_said(site: Path) -> None:
    forms.note(site, "0.1.0")
    brought_to(site / "archive" / "index.db", 3)
    forms.note(site, "0.2.0")
    with pytest.raises(Conflict, match=r"0\.1\.0 cannot read archive/index\.db .*`aegle site restore`"):
        forms.check(site, "0.1.0")
    forms.check(site, "0.2.0")


def test_a_release_that_never_ran_here_may_be_tried(site: Path) -> None:
    forms.check(site, "9.0")
