"""A PACS corrected an object: it is held, and replaces the one before when a person says so."""

import pytest
from intakesite import Site
from pydicom import dcmread

from aegle.deid import HoldReason
from aegle.errors import Conflict
from aegle.intake.admit import Settled
from aegle.intake.quarantine import Settlement
from aegle.intake.spool import Mark
from aegle.records import StoredInstance


def admitted(site: Site) -> StoredInstance:
    site.receive(ManufacturerModelName="LightSpeed Plus")
    stored = site.admit().stored
    assert stored is not None
    return stored


def test_a_correction_replaces_what_was_admitted_once_a_person_says_so(site: Site) -> None:
    before = admitted(site)
    site.receive(ManufacturerModelName="LightSpeed Plus", PatientName="Corrected^Name", KVP="80")
    held = site.admit()
    assert held.reason is HoldReason.CHANGED_SOURCE
    (entry,) = site.quarantine.entries()
    assert entry.detail.endswith("; of what goes out, KVP differ"), "and a name goes nowhere"
    site.quarantine.settle(entry.entry_id, Settlement.REPLACING, by="anna")
    assert site.quarantine.blocks(held.study_alias)
    (due,) = site.quarantine.due()
    assert site.quarantine.give_back(due, site.spool).state is Settlement.REPLACED
    (waiting,) = site.spool.waiting()
    assert waiting.mark is Mark.REPLACES, "also after the site was started again: it is in the file's name"
    again = site.admit()
    assert again.settled is Settled.ADMITTED
    assert again.stored is not None
    assert (again.stored.sop_uid, again.stored.digest != before.digest) == (before.sop_uid, True)
    assert dcmread(site.archive.open(again.stored)).KVP == 80
    assert site.vault.identity(held.study_alias).text(0x00100010) == "Corrected^Name"
    lines = list(site.ledger.all(held.study_alias))
    assert [line.reason for line in lines] == [""], "the report tells of what is there now"
    acts = [event.act for event in site.audit.read(1)]
    assert acts == ["intake:instance:replace"]
    assert not site.quarantine.blocks(held.study_alias)


def test_the_same_correction_again_is_a_repeat(site: Site) -> None:
    admitted(site)
    site.receive(ManufacturerModelName="LightSpeed Plus", KVP="80")
    site.admit()
    (entry,) = site.quarantine.entries()
    site.quarantine.give_back(site.quarantine.settle(entry.entry_id, Settlement.REPLACING, by="anna"), site.spool)
    site.admit()
    site.receive(ManufacturerModelName="LightSpeed Plus", KVP="80")
    assert site.admit().settled is Settled.REPEATED


def test_a_replacement_cut_short_between_vault_and_archive_is_made_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted(site)
    site.receive(ManufacturerModelName="LightSpeed Plus", KVP="80")
    site.admit()
    (entry,) = site.quarantine.entries()
    site.quarantine.give_back(site.quarantine.settle(entry.entry_id, Settlement.REPLACING, by="anna"), site.spool)
    (item,) = site.spool.waiting()

    def killed(source: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(site.archive, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        site.intake.admit(item)
    monkeypatch.undo()
    stored = site.intake.admit(item).stored
    assert stored is not None
    assert dcmread(site.archive.open(stored)).KVP == 80


def test_only_a_changed_source_can_replace(site: Site) -> None:
    site.receive(ManufacturerModelName="Ottokar's own")
    site.admit()
    (entry,) = site.quarantine.entries()
    with pytest.raises(Conflict, match="CHANGED_SOURCE"):
        site.quarantine.settle(entry.entry_id, Settlement.REPLACING, by="anna")
    site.quarantine.settle(entry.entry_id, Settlement.RELEASED, by="anna")
    with pytest.raises(Conflict, match="decided before"):
        site.quarantine.settle(entry.entry_id, Settlement.REJECTED, by="omar")
