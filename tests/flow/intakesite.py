"""Everything that admission needs, on one folder; as a program (`intakesite.py nursery`), it settles what waits and ends."""

import os
from copy import deepcopy
from functools import cache
from pathlib import Path

from nursery import nurse
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from aegle.deid import Pseudonyms, Vault, default_profile
from aegle.deid.ledger import Ledger
from aegle.deid.second_look import Looking, SecondLook
from aegle.deid.value_book import ValueBook
from aegle.intake.abreast import Abreast
from aegle.intake.admit import Admission, Intake
from aegle.intake.quarantine import Quarantine
from aegle.intake.spool import Door, Spool
from aegle.local.archive import FileArchive
from aegle.local.audit import ChainedLines
from aegle.site.folder import SiteFolder


@cache
def small() -> Dataset:
    """A slice of 8 by 8 pixels."""
    made = dcmread(get_testdata_file("CT_small.dcm", download=False))
    made.Rows, made.Columns, made.PixelData = 8, 8, made.PixelData[:128]
    return made


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
        self.abreast = Abreast(self.intake)

    def receive(self, **changes: object) -> None:
        dataset = deepcopy(small())
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        temporary = self.spool.incoming / "arriving"
        dataset.save_as(temporary)
        self.spool.take(temporary, Door.UPLOAD)

    def admit(self) -> Admission:
        (item,) = self.spool.waiting()
        return self.intake.admit(item)

    def close(self) -> None:
        self.abreast.close()
        for part in (self.archive, self.audit, self.vault, self.values, self.ledger, self.second_look):
            part.close()


def serve(folder: str) -> None:
    """Settle everything that waits, as after a start."""
    SiteFolder(root=Path(folder)).tidy(keep=())
    site = Site(Path(folder))
    print("ready", flush=True)
    failures = [failure for _, failure in site.abreast.admit(site.spool.waiting()) if failure is not None]
    os._exit(len(failures))


if __name__ == "__main__":
    nurse(serve)
