"""Everything that admission needs, on one folder."""

from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file

from aegle.deid import Pseudonyms, Vault, default_profile
from aegle.deid.ledger import Ledger
from aegle.deid.second_look import Looking, SecondLook
from aegle.deid.value_book import ValueBook
from aegle.intake.admit import Admission, Intake
from aegle.intake.quarantine import Quarantine
from aegle.intake.spool import Door, Spool
from aegle.local.archive import FileArchive
from aegle.local.audit import ChainedLines


class Site:
    """Everything that admission needs, on one folder."""

    def __init__(self, folder: Path, looking: Looking = Looking.NONE) -> None:
        self.heard: list[Admission] = []
        self.spool = Spool(folder / "spool", 1 << 30)
        self.values = ValueBook(folder / "values.db")
        self.ledger = Ledger(folder / "reports.db")
        self.quarantine = Quarantine(folder / "quarantine", bytes(32))
        self.vault = Vault(folder / "vault.db", bytes(32))
        self.archive = FileArchive(folder / "archive")
        self.audit = ChainedLines(folder / "audit", "st-anna", "site")
        self.second_look = SecondLook(looking)
        self.intake = Intake(
            site="st-anna",
            spool=self.spool,
            work=folder / "work",
            profile=default_profile,
            pseudonyms=Pseudonyms.from_secret(bytes(32)),
            vault=self.vault,
            values=self.values,
            archive=self.archive,
            quarantine=self.quarantine,
            ledger=self.ledger,
            audit=self.audit,
            second_look=self.second_look,
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
        for part in (self.archive, self.audit, self.vault, self.values, self.ledger, self.second_look):
            part.close()
