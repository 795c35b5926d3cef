"""dciodvfy's opinion of a sample: new errors are told, without values; none where the program is missing."""

import json
from pathlib import Path

import pytest
from pydicom import dcmread

from aegle.deid import default_profile, standard
from aegle.deid.folder import REPORT, run_folder
from aegle.deid.treat import Task


def test_the_sample_is_the_same_every_time_and_about_as_large_as_asked():
    digests = [f"{number * 2654435761 % 2**32:08x}ffff" for number in range(4000)]
    taken = [digest for digest in digests if standard.in_sample(digest, 20)]
    assert 100 < len(taken) < 300
    assert taken == [digest for digest in digests if standard.in_sample(digest, 20)]
    assert not any(standard.in_sample(digest, 0) for digest in digests)


@pytest.mark.peer("dciodvfy")
def test_an_error_that_the_source_has_too_is_not_new(still, run):
    outcome = run(still())
    assert standard.new_errors(outcome.source, outcome.target) == frozenset()


@pytest.mark.peer("dciodvfy")
def test_an_attribute_lost_is_a_new_error_told_without_values(still, run):
    outcome = run(still())
    ds = dcmread(outcome.target)
    del ds.PatientName
    ds.PatientSex = "QUILLFEATHER"
    ds.save_as(outcome.target)
    found = standard.new_errors(outcome.source, outcome.target)
    assert any("PatientName" in message for message in found)
    assert "QUILL" not in " ".join(found).upper()


def folder_of_one(tmp_path: Path, content: bytes) -> tuple[list[Path], Task]:
    source = tmp_path / "in.dcm"
    source.write_bytes(content)
    profile = default_profile()
    task = Task(
        output=tmp_path / "clean", key=bytes(32), profile_name=profile.name, options=profile.options, compare_one_in=1
    )
    return [source], task


@pytest.mark.peer("dciodvfy")
def test_a_run_over_a_folder_reports_what_was_compared(still, written, tmp_path):
    files, task = folder_of_one(tmp_path, written(still(Manufacturer="Philips")))
    summary = run_folder(files, task, None, 1)
    assert (summary.written, summary.opinion.compared) == (1, 1)
    assert json.loads((task.output / REPORT).read_text())["dciodvfy"] == {"compared": 1, "new_errors": {}}


def test_where_the_program_is_missing_nothing_is_compared(still, written, tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "PROGRAM", "no-such-program")
    files, task = folder_of_one(tmp_path, written(still(Manufacturer="Philips")))
    summary = run_folder(files, task, None, 1)
    assert (summary.written, summary.opinion.compared) == (1, 0)
