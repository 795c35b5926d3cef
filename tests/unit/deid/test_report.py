"""The report of a study: counts, codes, checks and digests, and no value of a patient."""

import json
import sqlite3
from pathlib import Path

import pytest

from aegle.deid import Held, HoldReason, Pseudonyms, Values, default_profile
from aegle.deid.ledger import Ledger
from aegle.deid.profile import profile
from aegle.deid.report import Settled, held_back, report, study_of, written
from aegle.deid.table import DEFAULT_OPTIONS, Option
from aegle.deid.terms import terms_of
from aegle.records import InstanceRef

TERMS = terms_of(default_profile(), Values())
LATER = terms_of(profile("later", DEFAULT_OPTIONS | {Option.DEVICE}), Values())


@pytest.fixture
def clean(still, run) -> Settled:
    return written(run(still()).done, "source 1", TERMS)


def test_each_study_is_told_apart_with_its_counts_codes_checks_and_terms(clean: Settled) -> None:
    held = [
        held_back(Held(reason=HoldReason.CHECK_FAILED, detail="pixel bytes differ"), "source 2", "2.25.1", LATER),
        held_back(Held(reason=HoldReason.NOT_DICOM, detail="no mark"), "source 3", "", TERMS),
    ]
    told = report([clean, *held])
    assert (told["written"], told["held"]) == (1, {"CHECK_FAILED": 1, "NOT_DICOM": 1})
    assert set(told["studies"]) == {clean.study, "2.25.1", "not said"}
    ours = told["studies"][clean.study]
    assert ours["actions"]["00100020 patient"] == 1
    assert ours["checks"] == {"passed": 1, "failed": 0}
    assert ours["patient_identity_removed"] == {"YES": 1, "NO": 0}
    assert told["studies"]["2.25.1"]["checks"] == {"passed": 0, "failed": 1}
    (row,) = told["studies"]["not said"]["held_back"]
    assert row["reason"] == "NOT_DICOM"
    assert sorted(each["objects"] for each in told["treated_by"]) == [1, 2]
    (ours,) = told["studies"]["2.25.1"]["treated_by"]
    assert (ours["profile_digest"], ours["weaker_than_default_by"]) == (LATER.profile_digest, ("device",))


def test_nothing_of_the_patient_is_in_it(still, run, pseudonyms: Pseudonyms) -> None:
    done = run(still()).done
    text = json.dumps(report([written(done, "d", TERMS)]))
    for value in ("Quillfeather", "MRN-4711", "ACC-778899", "19610704", done.source.study_uid):
        assert value not in text


def test_a_study_uid_that_is_none_is_not_repeated(pseudonyms: Pseudonyms) -> None:
    junk = InstanceRef(study_uid="Quillfeather", series_uid="", sop_uid="", sop_class="")
    held = Held(reason=HoldReason.BAD_UID, detail="study", source=junk)
    assert study_of(held, pseudonyms.with_own_uids) == ""


def test_the_ledger_keeps_studies_apart_and_a_replacement_takes_the_line(clean: Settled, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.settle([clean, Settled(source_digest="other", study="2.25.9", reason="NO_UID")])
    assert list(ledger.all(clean.study)) == [clean]
    corrected = Settled(source_digest="source 1b", name=clean.name, study=clean.study, certified=True)
    ledger.settle([corrected])
    assert list(ledger.all(clean.study)) == [corrected]
    assert len(list(ledger.all())) == 2
    ledger.close()


def test_a_ledger_of_the_first_form_is_brought_forward(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute(
            "CREATE TABLE settled (source_digest TEXT PRIMARY KEY, name TEXT NOT NULL, reason TEXT NOT NULL,"
            " detail TEXT NOT NULL, counts TEXT NOT NULL) STRICT"
        )
        database.execute("INSERT INTO settled VALUES ('d', 'a/b/c.dcm', '', '', '{}')")
    database.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert list(ledger.all()) == [Settled(source_digest="d", name="a/b/c.dcm")]
    assert ledger.is_settled("d")
    ledger.close()
