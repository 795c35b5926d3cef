"""At a site: an object with a word nobody has decided about waits, and goes on by itself once it is decided."""

from pathlib import Path

from intakesite import Site
from pydicom import dcmread

from aegle.deid import Decision, HoldReason
from aegle.intake.admit import Settled
from aegle.intake.quarantine import Settlement


def test_an_object_waits_for_its_word_and_goes_on_once_it_is_approved(site: Site) -> None:
    site.receive(ManufacturerModelName="Ottokar's own")
    held = site.admit()
    assert (held.settled, held.reason) == (Settled.HELD, HoldReason.FIRST_SEEN_VALUE)
    (word,) = site.values.words()
    assert (word.keyword, word.value) == ("ManufacturerModelName", "Ottokar's own")
    assert site.quarantine.blocks(held.study_alias)
    assert site.intake.decided() == []
    site.values.decide(word.digest, Decision.APPROVE, by="anna")
    (entry,) = site.intake.decided()
    site.quarantine.settle(entry.entry_id, Settlement.RELEASED, by="its words were decided")
    assert site.quarantine.blocks(held.study_alias), "until it is in the spool again"
    (due,) = site.quarantine.due()
    site.quarantine.give_back(due, site.spool)
    admitted = site.admit()
    assert admitted.settled is Settled.ADMITTED
    assert admitted.stored is not None
    assert dcmread(site.archive.open(admitted.stored)).ManufacturerModelName == "Ottokar's own"
    assert site.intake.decided() == []
    assert not site.quarantine.blocks(held.study_alias)


def test_a_denied_word_is_emptied_for_every_later_object(site: Site) -> None:
    site.receive(ManufacturerModelName="Ottokar's own")
    site.admit()
    (word,) = site.values.words()
    site.values.decide(word.digest, Decision.DENY, by="anna")
    site.receive(ManufacturerModelName="OTTOKAR'S OWN")
    admitted = site.admit()
    assert admitted.stored is not None
    assert dcmread(site.archive.open(admitted.stored)).ManufacturerModelName == ""


def test_neither_the_trail_nor_the_facts_of_quarantine_hold_the_word(site: Site, tmp_path: Path) -> None:
    site.receive(ManufacturerModelName="Ottokar's own")
    site.admit()
    places = [*(tmp_path / "audit").rglob("*"), *(tmp_path / "quarantine").rglob("*")]
    assert len([path for path in places if path.is_file()]) >= 3
    assert all(b"Ottokar" not in path.read_bytes() for path in places if path.is_file())
