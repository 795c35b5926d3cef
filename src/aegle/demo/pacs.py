"""A small stand-in for a hospital's PACS: sends what is put into its `outgoing` folder, keeps and logs what it receives."""

import hashlib
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pydicom

from aegle import durable, logs
from aegle.config import Peer
from aegle.errors import AegleError
from aegle.protocols import dimse
from aegle.protocols.dimse import Target
from aegle.protocols.door import DimseDoor
from aegle.protocols.peers import Sender

TITLE = "DEMO-PACS"


class DemoPacs:
    """One Storage SCP and SCU. `received.jsonl` has a line for every C-STORE that was ever taken."""

    def __init__(self, folder: Path, port: int, peer: Target) -> None:
        self.outgoing = durable.private_folder(folder / "outgoing")
        self.sent = durable.private_folder(folder / "sent")
        self.store = durable.private_folder(folder / "store")
        self.log = folder / "received.jsonl"
        self._peer = peer
        self._turn = threading.Lock()
        self._door = DimseDoor(
            ae_title=TITLE,
            address=("127.0.0.1", port),
            allow=[Peer(ae_title=peer.called)],
            folder=durable.private_folder(folder / "incoming"),
            receive=self._receive,
            notice=lambda *_: None,
        )

    def run(self, stopping: threading.Event) -> None:
        """Receive in the background and send what is put into `outgoing`, until told to stop."""
        self._door.start()
        while not stopping.wait(0.2):
            self.send_waiting()
        self._door.stop()

    def send_waiting(self) -> None:
        """Send each study folder that is complete (its name has no dot); what is not taken is tried again."""
        for study in sorted(path for path in self.outgoing.iterdir() if path.is_dir() and "." not in path.name):
            try:
                answers = dimse.send(self._peer, sorted(study.glob("*.dcm")))
            except AegleError as error:
                logs.warning("study not sent", code=error.meaning.code)
                return
            if all(answer.accepted for answer in answers):
                study.replace(self.sent / study.name)

    def _receive(self, received: Path, sender: Sender) -> None:
        header = pydicom.dcmread(received, stop_before_pixels=True)
        start = 144 + int(header.file_meta.FileMetaInformationGroupLength)
        with received.open("rb") as stream:
            stream.seek(start)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        durable.sync_file(received)
        line = {
            "at": datetime.now(UTC).isoformat(),
            "sop_uid": str(header.SOPInstanceUID),
            "study_uid": str(header.StudyInstanceUID),
            "modality": str(header.Modality),
            "data_set_digest": digest,
            "from": sender.ae_title,
        }
        with self._turn:
            durable.settle(received, self.store / f"{header.SOPInstanceUID}.dcm")
            with self.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")


def received(folder: Path) -> list[dict[str, str]]:
    """Every C-STORE the stand-in took, oldest first."""
    path = folder / "received.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
