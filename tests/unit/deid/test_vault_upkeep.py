"""A vault under another key, backed up without its key, and brought back; many instances in one commit."""

import os
import sqlite3
import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegle.deid import Deidentified, Vault
from aegle.deid import vault_upkeep as upkeep
from aegle.errors import Conflict, NotFound, Unreadable

OLD, NEW = bytes(range(1, 33)), bytes(range(2, 34))


@pytest.fixture
def done(still, run) -> Deidentified:
    return run(still()).done


def numbered(done: Deidentified, number: int) -> Deidentified:
    """Another instance of the same study."""
    alias = replace(done.alias, sop_uid=f"2.25.{number}")
    return replace(done, alias=alias, uids={**done.uids, alias.sop_uid: f"1.2.3.{number}"})


@pytest.fixture
def path(done: Deidentified, tmp_path: Path) -> Path:
    """A vault of 25 instances under the old key."""
    made = tmp_path / "site" / "vault.db"
    made.parent.mkdir()
    vault = Vault(made, OLD)
    for number in range(25):
        vault.record(numbered(done, number), f"digest {number}", None)
    vault.close()
    return made


def originals(vault: Vault) -> list[str]:
    return [vault.original_uid(f"2.25.{number}") for number in range(25)]


EXPECTED = [f"1.2.3.{number}" for number in range(25)]


# --- another key


def test_after_a_rotation_the_new_key_alone_opens_everything(path: Path, done: Deidentified) -> None:
    assert not upkeep.is_rotated(path, [NEW, OLD])
    count = sum(upkeep.rotate(path, [NEW, OLD]))
    assert count == upkeep.verify(path, [NEW])
    assert upkeep.is_rotated(path, [NEW, OLD])
    vault = Vault(path, NEW)
    assert originals(vault) == EXPECTED
    assert vault.identity(done.alias.study_uid) == done.identity
    vault.close()
    with pytest.raises(Unreadable):
        Vault(path, OLD)


@pytest.mark.parametrize("steps", range(6))
def test_a_rotation_stopped_anywhere_reads_everything_and_goes_on(path: Path, done: Deidentified, steps: int) -> None:
    list(islice(upkeep.rotate(path, [NEW, OLD], batch=7), steps))
    vault = Vault(path, NEW, OLD)
    assert originals(vault) == EXPECTED
    vault.record(numbered(done, 99), "digest 99", None)
    vault.close()
    assert not upkeep.is_rotated(path, [NEW, OLD])
    sum(upkeep.rotate(path, [NEW, OLD], batch=7))
    assert upkeep.verify(path, [NEW]) > 25


def test_nothing_that_the_old_key_opens_is_left_in_the_files(path: Path) -> None:
    with sqlite3.connect(path) as database:
        sealed = [row[0] for row in database.execute("SELECT original FROM uid")]
    database.close()
    sum(upkeep.rotate(path, [NEW, OLD]))
    left = b"".join(file.read_bytes() for file in path.parent.glob("vault.db*"))
    assert len(sealed) > 25
    assert not [value for value in sealed if value in left]


# --- backup and the way back


def test_a_backup_made_while_the_vault_is_open_brings_everything_back(
    path: Path, done: Deidentified, tmp_path: Path
) -> None:
    vault = Vault(path, OLD)
    made = upkeep.backup(path, [OLD], tmp_path / "backup")
    assert (made.instances, made.studies) == (25, 1)
    vault.record(numbered(done, 99), "digest 99", None)
    vault.close()
    upkeep.bring_back(tmp_path / "backup", [OLD], path)
    again = Vault(path, OLD)
    assert originals(again) == EXPECTED
    with pytest.raises(NotFound):
        again.original_uid("2.25.99")
    again.close()
    (kept,) = path.parent.glob("vault.db.before-*")
    before = Vault(kept, OLD)
    assert before.original_uid("2.25.99") == "1.2.3.99"
    before.close()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    uids=st.dictionaries(
        st.integers(0, 10**9).map(lambda n: f"2.25.7{n}"), st.text("0123456789.", min_size=1, max_size=64), max_size=8
    ),
    study=st.integers(0, 10**9),
)
def test_what_is_backed_up_is_what_comes_back(
    uids: dict[str, str], study: int, done: Deidentified, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    alias = replace(done.alias, study_uid=f"2.25.{study}")
    vault = Vault(folder / "vault.db", OLD)
    vault.record(replace(done, alias=alias, uids=uids), "digest", None)
    vault.close()
    upkeep.backup(folder / "vault.db", [OLD], folder / "backup")
    sum(upkeep.rotate(folder / "vault.db", [NEW, OLD]))
    upkeep.bring_back(folder / "backup", [NEW, OLD], folder / "vault.db")
    back = Vault(folder / "vault.db", NEW, OLD)
    assert {alias: back.original_uid(alias) for alias in uids} == uids
    assert back.identity(alias.study_uid) == done.identity
    back.close()


def test_a_backup_never_holds_a_key_nor_lies_beside_one(path: Path, tmp_path: Path) -> None:
    secrets = path.parent / "secrets"
    secrets.mkdir()
    (secrets / "vault-key.1").write_bytes(OLD)
    for folder in (secrets, secrets / "backup", path.parent, tmp_path):
        with pytest.raises(Conflict):
            upkeep.require_no_key(folder, [OLD], secrets)
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "note.txt").write_text(f"the key: {OLD.hex().upper()}")
    for folder in (tmp_path / "stick", tmp_path / "stick" / "backup"):
        with pytest.raises(Conflict, match=r"note\.txt"):
            upkeep.require_no_key(folder, [OLD], secrets)
    upkeep.require_no_key(tmp_path / "elsewhere" / "backup", [OLD], secrets)
    upkeep.backup(path, [OLD], tmp_path / "elsewhere" / "backup")
    content = b"".join(file.read_bytes() for file in (tmp_path / "elsewhere" / "backup").iterdir())
    assert OLD not in content
    assert OLD.hex().encode() not in content


def test_a_damaged_or_foreign_backup_changes_nothing(path: Path, tmp_path: Path) -> None:
    upkeep.backup(path, [OLD], tmp_path / "backup")
    before = path.read_bytes()
    with pytest.raises(Unreadable, match="key is wrong"):
        upkeep.bring_back(tmp_path / "backup", [NEW], path)
    copy = tmp_path / "backup" / upkeep.FILE
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    with pytest.raises(Unreadable, match="changed"):
        upkeep.bring_back(tmp_path / "backup", [OLD], path)
    with pytest.raises(NotFound):
        upkeep.bring_back(tmp_path, [OLD], path)
    assert path.read_bytes() == before
    with pytest.raises(Conflict, match="not empty"):
        upkeep.backup(path, [OLD], tmp_path / "backup")


# --- several records, one commit


def test_instances_that_wait_together_are_committed_together(done: Deidentified, tmp_path: Path) -> None:
    vault, ready = Vault(tmp_path / "vault.db", OLD), threading.Barrier(9)
    failures: list[Exception] = []

    def record(number: int) -> None:
        ready.wait()
        try:
            vault.record(numbered(done, number), "other" if number == 7 else f"digest {number}", None)
        except Conflict as conflict:
            failures.append(conflict)

    vault.record(numbered(done, 7), "digest 7", None)
    commits = vault.commits
    threads = [threading.Thread(target=record, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    with vault._lock:
        ready.wait()
        while len(vault._waiting) < 8:  # all of them are at the door
            os.sched_yield() if hasattr(os, "sched_yield") else None
    for thread in threads:
        thread.join()
    assert vault.commits - commits == 1
    assert len(failures) == 1, "a conflict is its own instance's alone"
    assert vault.admission("2.25.3") is not None
    assert vault.admission("2.25.7").source_digest == "digest 7"
    vault.close()


def test_a_failed_commit_is_told_to_every_instance_in_it(
    done: Deidentified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(tmp_path / "vault.db", OLD)

    def broken(recording: object) -> None:
        raise sqlite3.IntegrityError("no")

    monkeypatch.setattr(vault, "_keep", broken)
    with pytest.raises(sqlite3.IntegrityError):
        vault.record(done, "digest", None)
    monkeypatch.undo()
    vault.record(done, "digest", None)
    assert vault.admission(done.alias.sop_uid) is not None
    vault.close()


def test_a_patients_studies_are_found_by_alias(done: Deidentified, path: Path) -> None:
    vault = Vault(path, OLD)
    assert vault.studies_of(done.patient_alias) == [done.alias.study_uid]
    assert vault.studies_of("AG-0") == []
    vault.close()
