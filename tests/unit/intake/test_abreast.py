"""Objects settled beside each other: faster than one by one, and with the same outcome."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from intakesite import Site

from aegle import durable
from aegle.access import Act
from aegle.deid import HoldReason
from aegle.errors import StorageFull
from aegle.intake.abreast import Abreast
from aegle.intake.admit import Judged, Settled
from aegle.intake.quarantine import Settlement
from aegle.local.archive.upkeep import check
from aegle.local.audit import verify

WAIT_S = 20


def receive(site: Site, count: int) -> None:
    for number in range(count):
        site.receive(SOPInstanceUID=f"1.2.3.{number}")


def admit(site: Site) -> list[BaseException | None]:
    return [failure for _, failure in site.abreast.admit(site.spool.waiting())]


def outcomes(site: Site) -> list[Settled]:
    """In the order in which they came."""
    return [admission.settled for admission in sorted(site.heard, key=lambda admission: admission.name)]


def slowed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the one that is settled first wait until another is through, or a while."""
    first, another, really = threading.Lock(), threading.Event(), site.vault.record

    def record(*arguments: Any, **more: Any) -> None:
        if first.acquire(blocking=False):
            another.wait(0.3)
        really(*arguments, **more)
        another.set()

    monkeypatch.setattr(site.vault, "record", record)


def test_several_are_settled_at_once_and_share_their_waits_for_the_disk(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(site, 8)
    together, really = threading.Barrier(8, timeout=WAIT_S), site.vault.record

    def record(*arguments: Any, **more: Any) -> None:
        together.wait()  # breaks unless eight are here at the same time
        really(*arguments, **more)

    monkeypatch.setattr(site.vault, "record", record)
    assert admit(site) == [None] * 8
    assert outcomes(site) == [Settled.ADMITTED] * 8
    assert site.vault.commits < 8
    assert list(site.intake.work.iterdir()) == site.spool.waiting() == []


def test_of_two_objects_under_one_uid_the_first_is_admitted_however_slow_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed(site, monkeypatch)
    site.receive()
    site.receive(KVP="80")
    site.receive()
    assert admit(site) == [None] * 3
    assert outcomes(site) == [Settled.ADMITTED, Settled.HELD, Settled.REPEATED]
    (entry,) = site.quarantine.entries()
    assert entry.reason is HoldReason.CHANGED_SOURCE


def test_of_two_patients_under_one_study_the_first_is_admitted_however_slow_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed(site, monkeypatch)
    site.receive(SOPInstanceUID="1.2.3.1")
    site.receive(SOPInstanceUID="1.2.3.2", PatientID="SOMEBODY-ELSE")
    assert admit(site) == [None] * 2
    assert outcomes(site) == [Settled.ADMITTED, Settled.HELD]


def test_a_correction_and_its_repeat_follow_each_other(site: Site) -> None:
    site.receive()
    site.receive(KVP="80")
    admit(site)
    (entry,) = site.quarantine.entries()
    site.quarantine.settle(entry.entry_id, Settlement.REPLACING, by="anna")
    site.quarantine.give_back(entry=site.quarantine.due()[0], spool=site.spool)
    site.receive(KVP="80")
    site.heard.clear()
    assert admit(site) == [None] * 2
    assert outcomes(site) == [Settled.ADMITTED, Settled.REPEATED]


def test_one_that_fails_keeps_no_other_waiting_and_leaves_nothing_behind(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(site, 5)
    poison, really = site.spool.waiting()[2], site.intake.archive.put

    def put(source: Path, *arguments: Any) -> Any:
        if source.stem == poison.name:
            raise RecursionError
        return really(source, *arguments)

    monkeypatch.setattr(site.archive, "put", put)
    assert [type(failure) for failure in admit(site)] == [type(None)] * 2 + [RecursionError] + [type(None)] * 2
    assert site.spool.waiting() == [poison]
    assert list(site.intake.work.iterdir()) == []


def test_a_disk_that_is_full_stops_the_rest_and_loses_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(site, 24)
    with monkeypatch.context() as patch:
        patch.setattr(site.archive, "put", _full)
        failures = admit(site)
    assert 1 <= len(failures) < 24
    assert {type(failure) for failure in failures} == {StorageFull}
    assert len(site.spool.waiting()) == 24
    assert list(site.intake.work.iterdir()) == []
    assert admit(site) == [None] * 24
    assert list(check(site.intake.work.parent / "archive")) == []
    told = [event for event in site.audit.read(999) if event.act == Act.INTAKE_INSTANCE_ADMIT]
    assert len({event.subject for event in told}) == len(told) == 24
    assert isinstance(verify(site.audit.path, site.audit.name, []), int)


def _full(*_: Any) -> None:
    raise StorageFull


def test_objects_beyond_the_bound_go_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(site, 6)
    alone, really = threading.Lock(), site.intake.settle

    def settle(_: Any, judged: Judged) -> Any:
        assert alone.acquire(blocking=False)
        try:
            return really(judged)
        finally:
            alone.release()

    monkeypatch.setattr(type(site.intake), "settle", settle)
    abreast = Abreast(site.intake, bytes_at_once=1)
    assert [failure for _, failure in abreast.admit(site.spool.waiting())] == [None] * 6
    abreast.close()


def test_who_waits_for_one_commit_is_committed_by_the_next_and_only_the_one_at_fault_hears_of_it() -> None:
    batches: list[list[int]] = []
    begun, may_end = threading.Event(), threading.Event()

    def commit(items: Sequence[int]) -> None:
        begun.set()
        assert may_end.wait(WAIT_S)
        if 3 in items:
            raise StorageFull
        batches.append(list(items))

    together, heard = durable.Together(commit), dict[int, Exception | None]()

    def add(number: int) -> None:
        try:
            together.add(number)
        except StorageFull as failure:
            heard[number] = failure
        else:
            heard[number] = None

    threads = [threading.Thread(target=add, args=[number]) for number in range(6)]
    threads[0].start()
    assert begun.wait(WAIT_S)
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < 5:
        pass
    may_end.set()
    for thread in threads:
        thread.join()
    assert {number for number, failure in heard.items() if failure} == {3}
    assert sorted(number for batch in batches for number in batch) == [0, 1, 2, 4, 5]
    assert batches[0] == [0]
