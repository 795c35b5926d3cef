"""A site's C-STORE door alone, in a process of its own that a test may kill: spool, trail and receipts, no intake."""

import time
from pathlib import Path

import nursery

from aegle.config import Peer
from aegle.intake.spool import Spool
from aegle.local.audit import ChainedLines
from aegle.protocols.door import DimseDoor
from aegle.site.door import Notices, SiteDoor
from aegle.site.loops import Loop
from aegle.site.receipts import Receipts
from aegle.site.unwritten import Unwritten

TITLE = "X1"


class BareDoor:
    """Opened as a site's program opens its own, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.audit = Spool(folder / "spool", 1 << 30), ChainedLines(folder / "audit", "x1", "site")
        unwritten = Unwritten()
        self.receipts = Receipts("x1", self.audit, unwritten)
        self.receipts.recover(self.spool.waiting())
        site = SiteDoor(
            site="x1", spool=self.spool, audit=self.audit, arrived=lambda: None, receipts=self.receipts,
            unwritten=unwritten,
        )  # fmt: skip
        self.dimse = DimseDoor(
            ae_title=TITLE, address=("127.0.0.1", 0), allow=[Peer(ae_title="PACS")], folder=self.spool.incoming,
            receive=site.receive, notice=Notices(site="x1", audit=self.audit, unwritten=unwritten).of("dimse"),
            slot=self.spool.slots.take,
        )  # fmt: skip


def serve(folder: str) -> None:
    """Until the process is killed; says its port first."""
    door = BareDoor(Path(folder))
    Loop("receipts", door.receipts.write, 0.05).start()
    print(door.dimse.start(), flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    nursery.nurse(serve)
