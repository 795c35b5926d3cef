"""The vault survives, refuses the wrong key, notices changed values, and recognises repeats."""

import sqlite3
from dataclasses import replace

import pytest

from aegle.deid import Vault
from aegle.errors import BadConfig, Conflict, NotFound, Unreadable

KEY = bytes(range(1, 33))


@pytest.fixture
def done(still, run):
    return run(still()).done


def test_everything_survives_a_reopen(done, tmp_path):
    path = tmp_path / "v"
    first = Vault(path, KEY)
    first.record(done, "source", "archived")
    first.close()
    again = Vault(path, KEY)
    assert all(again.original_uid(alias) == original for alias, original in done.uids.items())
    assert again.identity(done.alias.study_uid) == done.identity
    assert again.patient_alias(done.alias.study_uid) == done.patient_alias
    admission = again.admission(done.alias.sop_uid)
    assert admission and admission.alias == done.alias and admission.archived_digest == "archived"
    assert again.admission_of_source("source") == admission
    assert again.admission("2.25.1") is None
    again.close()


def test_every_uid_of_the_written_object_is_known(still, run, vault):
    outcome = run(still())
    vault.record(outcome.done, "d", None)
    for element in outcome.dataset.iterall():
        if element.VR == "UI" and str(element.value).startswith("2.25."):
            assert vault.original_uid(str(element.value)).startswith("1.2.826")


def test_a_repeat_changes_nothing_and_adds_the_archived_digest(done, vault):
    vault.record(done, "d", None)
    vault.record(done, "d", "archived")
    vault.record(done, "d", None)
    admission = vault.admission(done.alias.sop_uid)
    assert admission and admission.archived_digest == "archived"


def test_other_content_under_a_known_uid_is_a_conflict_and_leaves_no_trace(done, vault):
    vault.record(done, "d", None)
    changed = replace(done, uids={**done.uids, "2.25.99": "1.9.9"})
    with pytest.raises(Conflict):
        vault.record(changed, "other", None)
    with pytest.raises(NotFound):
        vault.original_uid("2.25.99")


def test_a_study_under_two_patients_is_a_conflict(done, vault):
    vault.record(done, "d", None)
    stranger = replace(done, patient_alias="AG-0", alias=replace(done.alias, sop_uid="2.25.7"))
    with pytest.raises(Conflict, match="another patient"):
        vault.record(stranger, "e", None)


def test_the_wrong_key_opens_nothing(done, tmp_path):
    path = tmp_path / "v"
    vault = Vault(path, KEY)
    vault.record(done, "d", None)
    vault.close()
    with pytest.raises(Unreadable):
        Vault(path, bytes(32))
    with pytest.raises(BadConfig):
        Vault(path, b"short")


def test_a_value_moved_to_another_row_does_not_open(done, tmp_path):
    path = tmp_path / "v"
    vault = Vault(path, KEY)
    vault.record(done, "d", None)
    raw = sqlite3.connect(path)
    raw.execute("UPDATE uid SET original = (SELECT original FROM uid WHERE alias = ?)", (done.alias.study_uid,))
    raw.commit()
    raw.close()
    with pytest.raises(Unreadable):
        vault.original_uid(done.alias.sop_uid)
    assert vault.original_uid(done.alias.study_uid) == done.source.study_uid
    vault.close()


def test_no_original_stands_in_the_file(done, tmp_path):
    path = tmp_path / "v"
    vault = Vault(path, KEY)
    vault.record(done, "d", None)
    vault.close()
    content = b"".join(file.read_bytes() for file in tmp_path.glob("v*"))
    for original in ("Quillfeather", "MRN-4711", done.source.study_uid, "ACC-778899"):
        assert original.encode() not in content


def test_a_file_that_is_no_vault_is_refused(tmp_path):
    (tmp_path / "v").write_bytes(b"not a database at all" * 100)
    with pytest.raises(Unreadable):
        Vault(tmp_path / "v", KEY)


def test_own_results_are_recognised(vault):
    vault.remember_result("2.25.5", "2.25.6")
    vault.remember_result("2.25.5", "2.25.6")
    assert vault.is_own_result("2.25.5")
    assert not vault.is_own_result("2.25.6")


def test_a_person_may_let_a_changed_source_replace_the_first(done, vault):
    vault.record(done, "d", "archived")
    moved = replace(done, patient_alias="AG-1")
    vault.record(moved, "e", "archived again", replace=True)
    admission = vault.admission(done.alias.sop_uid)
    assert admission and (admission.source_digest, admission.archived_digest) == ("e", "archived again")
    assert vault.patient_alias(done.alias.study_uid) == "AG-1"
