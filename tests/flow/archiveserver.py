"""A site's archive with its endpoint in a process of its own, to be killed: `archiveserver.py FOLDER PORT`."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pydicom
from nursery import Child, Nursery, nurse
from pydicom.data import get_testdata_file

from aegle.access import Act
from aegle.local.archive import FileArchive
from aegle.local.archive.upkeep import check
from aegle.local.audit import ChainedLines, verify
from aegle.local.provisioner import free_port
from aegle.pages.servers import HttpServer
from aegle.protocols import multipart
from aegle.site import grants
from aegle.site.endpoint import ArchiveEndpoint

KEY = bytes(range(32))
MAY = grants.READING | {Act.ARCHIVE_INSTANCE_STORE, Act.ARCHIVE_INSTANCE_DELETE}
GRANT = grants.give(KEY, "st-anna", grants.EVERY_STUDY, datetime.now(UTC) + timedelta(days=1), MAY)


def serve(place: str, port: str) -> None:
    """Until the process is ended."""
    folder = Path(place)
    endpoint = ArchiveEndpoint(
        site="st-anna",
        archive=FileArchive(folder / "archive"),
        audit=ChainedLines(folder / "audit", "st-anna", "site"),
        key=KEY,
        folder=folder / "storing",
        part_max_bytes=50_000_000,
    )
    HttpServer(endpoint.application(), "127.0.0.1", int(port)).start()
    print("ready", flush=True)
    while True:
        time.sleep(60)


@dataclass(kw_only=True)
class Server:
    """One archive, started and killed again and again."""

    folder: Path
    nursery: Nursery | None = None  #: where it is born, if it is to start often
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    child: Child | None = None

    def start(self, fault: str = "") -> None:
        """Returns when it answers."""
        self.port = free_port()
        if self.nursery is not None:
            self.child = self.nursery.start(str(self.folder), str(self.port), fault=fault)
            assert self.child.said == "ready", "the archive does not start"
            return
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.folder), str(self.port)], stdout=subprocess.DEVNULL,
            env={**os.environ, "AEGLE_FAULT": fault},
        )  # fmt: skip
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            try:
                httpx.get(f"{self.url}/", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the archive does not answer")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {GRANT}"}, trust_env=False, timeout=30
        )

    def kill(self) -> None:
        """As by kill -9; returns when it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=20)
        if self.child is not None:
            self.child.kill()
            self.await_death()

    def await_death(self) -> None:
        """Of one born in a nursery."""
        if self.child is not None:
            assert self.child.wait() == -signal.SIGKILL
            self.child = None

    def store(self, client: httpx.Client, *objects: bytes) -> int:
        """The status; 0 when nobody answered any more."""
        content_type, body = multipart.write(objects, "application/dicom")
        try:
            sent = client.post("/studies", content=b"".join(body), headers={"Content-Type": content_type})
        except httpx.TransportError:
            return 0
        return sent.status_code

    def left_over(self) -> list[Path]:
        """Files that are neither the archive's nor being written."""
        return [path for part in ("storing", "archive/incoming") for path in (self.folder / part).iterdir()]

    def check(self, acknowledged: Sequence[str], contents: dict[str, bytes]) -> None:
        """Acknowledged = stored = indexed, byte for byte, nothing left over, and the trail is whole. The server runs."""
        assert list(check(self.folder / "archive")) == []
        assert self.left_over() == []
        with sqlite3.connect(f"file:{self.folder}/archive/index.db?mode=ro", uri=True) as index:
            indexed = {row[0] for row in index.execute("SELECT sop_uid FROM instance")}
        assert set(acknowledged) <= indexed <= set(contents)
        with self.client() as client:
            for uid in acknowledged:
                study = f"/studies/2.25.1/series/2.25.2/instances/{uid}"
                assert client.get(study, headers={"Accept": "application/dicom"}).content == contents[uid]
        assert isinstance(verify(self.folder / "audit" / "site.jsonl", "st-anna/site", []), int)


def objects(folder: Path, count: int, columns: int = 128) -> dict[str, bytes]:
    """De-identified slices of one series, so many pixels wide and high, by SOP Instance UID."""
    made, found = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)), dict[str, bytes]()
    made.StudyInstanceUID, made.SeriesInstanceUID, made.PatientIdentityRemoved = "2.25.1", "2.25.2", "YES"
    made.Rows, made.Columns, made.PixelData = columns, columns, made.PixelData[: 2 * columns * columns]
    for number in range(count):
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"2.25.3{number}"
        made.save_as(folder / "made.dcm")
        found[made.SOPInstanceUID] = (folder / "made.dcm").read_bytes()
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["nursery"]:
        nurse(serve)
    serve(*sys.argv[1:])
