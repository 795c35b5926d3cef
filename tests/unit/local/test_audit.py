"""The audit chain: durable, verifiable, and honest about what a lone chain cannot show."""

import errno
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from aegle.access import Act, event
from aegle.errors import Overloaded, StorageFull
from aegle.local.audit import ChainedLines, Fault, verify


def written(folder: Path, count: int) -> ChainedLines:
    chain = ChainedLines(folder, "st-anna", "site")
    for number in range(count):
        chain.append(event(Act.INTAKE_INSTANCE_ADMIT, site="st-anna", subject=f"2.25.{number}"))
    return chain


def test_a_chain_verifies_and_goes_on_after_opening_again(tmp_path: Path) -> None:
    written(tmp_path, 3).close()
    chain = written(tmp_path, 2)
    assert verify(chain.path, chain.name, [chain.head()]) == 5
    assert [found.subject for found in chain.read(2)] == ["2.25.1", "2.25.0"]
    chain.close()


def test_a_changed_line_is_named(tmp_path: Path) -> None:
    chain = written(tmp_path, 5)
    lines = chain.path.read_text().splitlines()
    lines[2] = lines[2].replace("2.25.2", "2.25.9")
    chain.path.write_text("\n".join(lines) + "\n")
    fault = verify(chain.path, chain.name, [])
    assert isinstance(fault, Fault)
    assert fault.line == 3
    chain.close()


def test_a_removed_line_is_named(tmp_path: Path) -> None:
    chain = written(tmp_path, 5)
    lines = chain.path.read_text().splitlines()
    chain.path.write_text("\n".join(lines[:1] + lines[2:]) + "\n")
    fault = verify(chain.path, chain.name, [])
    assert isinstance(fault, Fault)
    assert fault.line == 2
    chain.close()


def test_a_cut_tail_is_found_only_with_the_lodged_head(tmp_path: Path) -> None:
    chain = written(tmp_path, 5)
    head = chain.head()
    lines = chain.path.read_text().splitlines()
    chain.path.write_text("\n".join(lines[:3]) + "\n")
    assert verify(chain.path, chain.name, []) == 3
    fault = verify(chain.path, chain.name, [head])
    assert isinstance(fault, Fault)
    assert fault.line == 4
    chain.close()


def test_a_rewritten_last_line_is_found_with_the_lodged_head(tmp_path: Path) -> None:
    chain = written(tmp_path, 3)
    head = chain.head()
    chain.close()
    lines = chain.path.read_text().splitlines()
    chain.path.write_text("\n".join(lines[:2]) + "\n")
    forged = written(tmp_path, 1)
    assert verify(forged.path, forged.name, []) == 3
    fault = verify(forged.path, forged.name, [head])
    assert isinstance(fault, Fault)
    assert fault.line == 3
    forged.close()


def test_a_line_cut_short_by_a_crash_was_never_acknowledged(tmp_path: Path) -> None:
    chain = written(tmp_path, 2)
    chain.close()
    with chain.path.open("a") as file:
        file.write('{"n":3,"prev":"abc')
    again = written(tmp_path, 1)
    assert verify(again.path, again.name, [again.head()]) == 3
    again.close()


def test_two_writers_of_one_chain_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = written(tmp_path, 1)
    monkeypatch.setattr("aegle.durable.claim.__defaults__", (0.1,))
    with pytest.raises(Overloaded):
        ChainedLines(tmp_path, "st-anna", "site")
    chain.close()


def test_a_fact_outside_the_allow_list_is_a_bug() -> None:
    with pytest.raises(ValueError, match="patient_name"):
        event(Act.INTAKE_INSTANCE_ADMIT, patient_name="x")


def test_lines_are_json_with_the_event_inside(tmp_path: Path) -> None:
    chain = written(tmp_path, 1)
    entry = json.loads(chain.path.read_text())
    assert entry["event"]["act"] == "intake:instance:admit"
    assert entry["prev"] == "0" * 64
    chain.close()


def test_a_full_disk_in_the_middle_of_a_line_leaves_a_whole_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = written(tmp_path, 2)
    for name in ("fsync", "write"):
        with monkeypatch.context() as full:
            full.setattr(os, name, no_room)
            with pytest.raises(StorageFull):
                chain.append(event(Act.INTAKE_INSTANCE_ADMIT, site="st-anna", subject="2.25.7"))
    chain.append(event(Act.INTAKE_INSTANCE_ADMIT, site="st-anna", subject="2.25.8"))
    assert verify(chain.path, chain.name, [chain.head()]) == 3
    assert [found.subject for found in chain.read(3)] == ["2.25.8", "2.25.1", "2.25.0"]
    chain.close()


really_write = os.write


def no_room(descriptor: int, content: bytes = b"") -> int:
    """Half of the bytes fit on the disk, and then none."""
    if len(content) > 40:
        return really_write(descriptor, content[: len(content) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_who_waits_for_the_disk_together_writes_together_and_one_fault_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, sizes, faults = written(tmp_path, 0), list[int](), list[Exception]()
    together = chain._together
    commit = together._commit
    monkeypatch.setattr(together, "_commit", lambda items: (sizes.append(len(items)), commit(items)))
    bad = replace(event(Act.INTAKE_INSTANCE_ADMIT, site="st-anna"), facts={"count": object()})  # type: ignore[dict-item]

    def append(number: int) -> None:
        try:
            chain.append(bad if number == 3 else event(Act.INTAKE_INSTANCE_ADMIT, site="st-anna"))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(8)]
    with together._turn:
        for thread in threads:
            thread.start()
        while len(together._waiting) < 8:
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert sizes == [8, *[1] * 8]
    assert len(faults) == 1
    assert verify(chain.path, chain.name, [chain.head()]) == 7
    chain.close()
