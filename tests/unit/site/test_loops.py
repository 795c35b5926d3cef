"""Steady work: what fails waits alone."""

from pathlib import Path

import pytest

from aegle.errors import BadMessage, PeerUnreachable, StorageFull
from aegle.intake.abreast import Abreast
from aegle.intake.admit import Judged, Settled
from aegle.intake.spool import Door, Spool, Spooled
from aegle.records import InstanceRef
from aegle.site.admissions import TRIES, Admissions
from aegle.site.folder import SiteFolder
from aegle.site.loops import each


class Intake:
    """Fails for one instance in a way nobody foresaw, and settles the others."""

    def __init__(self, spool: Spool, poison: Spooled, error: Exception) -> None:
        self.spool, self.poison, self.error = spool, poison, error
        self.given_up: list[tuple[Spooled, str]] = []
        self.tries = 0

    def identify(self, item: Spooled) -> InstanceRef:
        if item == self.poison:
            self.tries += 1
            raise self.error
        return InstanceRef(study_uid="", series_uid="", sop_uid="", sop_class="")

    def judge(self, item: Spooled, said: InstanceRef) -> Judged:
        return Judged(item=item, said=said, study_alias="", digest="", size_bytes=1, verdict=Settled.OWN_RESULT)

    def settle(self, judged: Judged) -> None:
        self.spool.settle(judged.item)

    def give_up(self, item: Spooled, error: str) -> None:
        self.given_up.append((item, error))
        self.spool.settle(item)


def admissions(spool: Spool, intake: Intake) -> Admissions:
    abreast = Abreast(intake)  # type: ignore[arg-type]
    return Admissions(spool=spool, intake=intake, abreast=abreast, pause_seconds=0)  # type: ignore[arg-type]


def test_an_instance_that_cannot_be_settled_is_held_after_some_tries_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1_000)
    poison, healthy = spool.receive([b"a"], Door.DIMSE), spool.receive([b"b"], Door.DIMSE)
    intake = Intake(spool, poison, RecursionError())
    step = admissions(spool, intake)
    assert step.admit_waiting()
    assert spool.waiting() == [poison]
    assert not healthy.path.exists()
    for _ in range(TRIES):
        step.admit_waiting()
    assert spool.waiting() == []
    assert intake.given_up == [(poison, "RecursionError")]
    assert intake.tries == TRIES


def test_nothing_is_held_because_the_disk_is_full(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1_000)
    poison = spool.receive([b"a"], Door.DIMSE)
    intake = Intake(spool, poison, StorageFull())
    for _ in range(2 * TRIES):
        with pytest.raises(StorageFull):
            admissions(spool, intake).admit_waiting()
    assert spool.waiting() == [poison]


def test_each_takes_every_item_and_raises_the_first_failure_last() -> None:
    taken: list[int] = []

    def step(item: int) -> None:
        taken.append(item)
        if item == 2:
            raise BadMessage("two")

    with pytest.raises(BadMessage):
        each([1, 2, 3], step)
    assert taken == [1, 2, 3]
    assert not each([], step)


def test_each_stops_at_once_for_a_peer_that_is_away() -> None:
    taken: list[int] = []

    def step(item: int) -> None:
        taken.append(item)
        raise PeerUnreachable

    with pytest.raises(PeerUnreachable):
        each([1, 2], step)
    assert taken == [1]


def test_what_a_crash_left_half_made_is_removed_and_what_is_still_to_be_sent_stays(tmp_path: Path) -> None:
    folder = SiteFolder(root=tmp_path)
    folder.tidy(keep=())
    for place, names in (
        (folder.work, ["1-dimse-ab.dcm", ".x.dcm.ab12"]),
        (folder.outbox, ["due.dcm", "sent.dcm", ".due.dcm.ab12"]),
        (folder.quarantine, ["e.json", "e.sealed", "f.part", ".f.json.ab12"]),
    ):
        place.mkdir()
        for name in names:
            (place / name).touch()
    folder.tidy(keep={"due.dcm"})
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["due.dcm", "e.json", "e.sealed"]
