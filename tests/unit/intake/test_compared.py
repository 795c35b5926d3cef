"""dciodvfy's opinion of a sample at the door: new errors are told in the log, by number; nothing is held for them."""

from dataclasses import replace
from pathlib import Path

import pytest
from intakesite import Site

from aegle.deid import standard
from aegle.intake.admit import Settled


@pytest.fixture
def site(tmp_path: Path):
    site = Site(tmp_path)
    site.intake = replace(site.intake, compare_one_in=1)
    yield site
    site.close()


@pytest.mark.parametrize("found", [frozenset({"Error - one", "Error - two"}), frozenset()])
def test_new_errors_are_counted_in_the_log_and_the_object_is_admitted(found, site, monkeypatch, caplog):
    monkeypatch.setattr(standard, "installed", lambda: True)
    monkeypatch.setattr(standard, "new_errors", lambda source, target: found)
    with caplog.at_level("INFO", logger="aegle"):
        site.receive()
        assert site.admit().settled is Settled.ADMITTED
    told = [record for record in caplog.records if "dciodvfy" in record.getMessage()]
    assert [record.fields["count"] for record in told] == ([2] if found else [])


def test_nothing_is_compared_where_the_program_is_missing(site, monkeypatch):
    monkeypatch.setattr(standard, "PROGRAM", "no-such-program")
    site.receive()
    assert site.admit().settled is Settled.ADMITTED
