"""At a site: an object with a word nobody has decided about waits, and goes on by itself once it is decided."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from aegle.deid import Decision, HoldReason, Pseudonyms, Vault, default_profile
from aegle.deid.value_book import ValueBook
from aegle.intake.admit import Admission, Intake, Settled
from aegle.intake.quarantine import Quarantine
from aegle.intake.spool import Door, Spool
from aegle.local.archive import FileArchive
from aegle.local.audit import ChainedLines


class Site:
    """Everything that admission needs, on one folder."""

    def __init__(self, folder: Path) -> None:
        self.heard: list[Admission] = []
        self.spool = Spool(folder / "spool", 1 << 30)
        self.values = ValueBook(folder / "values.db")
        self.quarantine = Quarantine(folder / "quarantine", bytes(32))
        self.vault = Vault(folder / "vault.db", bytes(32))
        self.archive = FileArchive(folder / "archive")
        self.audit = ChainedLines(folder / "audit", "st-anna", "site")
        self.intake = Intake(
            site="st-anna",
            spool=self.spool,
            work=folder / "work",
            profile=default_profile(),
            pseudonyms=Pseudonyms.from_secret(bytes(32)),
            vault=self.vault,
            values=self.values,
            archive=self.archive,
            quarantine=self.quarantine,
            audit=self.audit,
            settled=self.heard.append,
        )

    def receive(self, **changes: object) -> None:
        dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        temporary = self.spool.incoming / "arriving"
        dataset.save_as(temporary)
        self.spool.take(temporary, Door.UPLOAD)

    def admit(self) -> Admission:
        (item,) = self.spool.waiting()
        return self.intake.admit(item)

    def close(self) -> None:
        for part in (self.archive, self.audit, self.vault, self.values):
            part.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


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
    site.quarantine.retry(entry.entry_id, site.spool, by="its words were decided")
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
