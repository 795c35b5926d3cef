"""Identities planted at a hospital and a laboratory, in every text attribute: none of them, in any encoding, is anywhere at the
hub, on the way to it, in a log, or in an archive."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
import pydicom
import pytest
from stage import HOSPITAL, LAB, Sent, Stage, staged

from aegle.deid.table import rows
from aegle.demo.studies import SyntheticPatient

#: what an identity is made of; each is found alone, so the order of a name's components does not matter
CANARIES = ("Kanarkowska", "Zofiaczka", "KNR-7731-Q", "Żółtodziób", "Gelbfinkenweg", "19371103")
PATIENT = SyntheticPatient(
    name="Kanarkowska^Zofiaczka^Żółtodziób", patient_id="KNR-7731-Q", birth_date="19371103", accession="KNR-7731-QA",
    institution="Kanarkowska Zofiaczka", physician="Kanarkowska^Zofiaczka^^Dr.", operator="Zofiaczka^Kanarkowska",
)  # fmt: skip
TEXT = {"PN": PATIENT.name, "LO": "Zofiaczka Kanarkowska", "SH": "KNR-7731-Q", "UC": "KNR-7731-Q Gelbfinkenweg",
        "LT": "Kanarkowska lives at Gelbfinkenweg", "ST": "Gelbfinkenweg 4", "UT": "Żółtodziób, Gelbfinkenweg"}  # fmt: skip


def plant(made: pydicom.Dataset) -> None:
    """Put the identity into every text attribute that PS3.15 Table E.1-1 knows, and a private one."""
    for row in rows():
        if row.vr in TEXT and row.tag not in made and row.tag >> 16 > 2:
            made.add_new(row.tag, row.vr, TEXT[row.vr])
    made[0x0011, 0x1001].value = "Kanarkowska Zofiaczka"
    made.SpecimenDescriptionSequence[0].SpecimenShortDescription = "Kanarkowska Zofiaczka KNR-7731-Q"
    made.SpecimenDescriptionSequence[0].SpecimenDetailedDescription = "Gelbfinkenweg"


def spellings(canary: str) -> Iterator[bytes]:
    """A text in every encoding that a database, a log or a message might use."""
    for text in {canary, canary.lower(), canary.upper()}:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "iso-8859-2"):
            with suppress(UnicodeEncodeError):
                raw = text.encode(encoding)
                yield raw
                yield raw.hex().encode()
                yield raw.hex().upper().encode()
                yield from _base64(raw)
        yield quote(text).encode()
        yield text.encode("unicode_escape")


def _base64(raw: bytes) -> Iterator[bytes]:
    """The part of a base64 text that does not depend on what stands around."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        start, end = (shift * 8 + 5) // 6, (shift + len(raw)) * 8 // 6
        yield encoded[start:end]
        yield base64.urlsafe_b64encode(b"\0" * shift + raw)[start:end]


def found_in(content: bytes) -> set[str]:
    return {canary for canary in CANARIES for spelling in spellings(canary) if spelling in content}


@dataclass
class Wire:
    """Stands between sites and hub and keeps every byte of both directions."""

    behind: int
    passed: bytearray = field(default_factory=bytearray)

    @contextmanager
    def listening(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=self._take, args=(server,), daemon=True).start()
            yield server.getsockname()[1]

    def _take(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", self.behind))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._relay, args=(source, target), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(65_536):
                self.passed += block
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)


@dataclass(frozen=True, kw_only=True)
class Played:
    """What is left after a study and a label went their whole way."""

    stage: Stage
    wire: Wire
    sent: Sent


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with staged(tmp_path_factory.mktemp("canary"), "worker-1") as stage:
        wire = Wire(behind=stage.applied.hub.port)
        with wire.listening() as port:
            applied = stage.applied
            stage.home.write_applied(applied.model_copy(update={"hub": applied.hub.model_copy(update={"port": port})}))
            for name in (HOSPITAL, LAB, "pacs"):
                stage.start(name)
            sent = stage.send(PATIENT, plant)
            image = stage.upload_still(LAB, PATIENT, plant)
            stage.label(image, name="Zofiaczka Kanarkowska")
            stage.until(lambda: stage.is_delivered(sent), "the result")
            stage.until(lambda: stage.labels(), "the label is stored")
            stage.end(HOSPITAL)  # every log is written
            stage.end(LAB)
            yield Played(stage=stage, wire=wire, sent=sent)


def test_the_search_finds_an_identity_where_it_belongs(played: Played) -> None:
    (report, picture) = [path.read_bytes() for path in sorted((played.stage.pacs_folder / "store").iterdir())]
    assert {"Kanarkowska", "Zofiaczka", "KNR-7731-Q", "19371103"} <= found_in(report) & found_in(picture)
    assert found_in(b"..." + base64.b64encode(b"x Kanarkowska")) == {"Kanarkowska"}
    assert found_in("ŻÓŁTODZIÓB".encode("utf-16-le").hex().encode()) == {"Żółtodziób"}


def test_no_identity_passes_from_a_site_to_the_hub(played: Played) -> None:
    assert b"/v1/requests" in played.wire.passed
    assert b"/v1/labels" in played.wire.passed
    assert found_in(bytes(played.wire.passed)) == set()


def test_no_identity_is_in_any_table_of_the_hubs_database(played: Played) -> None:
    url = (played.stage.home.hub / "database-url").read_text()
    rows = 0
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            with connection.cursor().copy(f'COPY "{table}" TO STDOUT') as dumped:
                content = b"".join(bytes(block) for block in dumped)
            rows += content.count(b"\n")
            assert found_in(content) == set(), table
    assert rows > 10


def test_no_identity_is_in_the_warehouse(played: Played) -> None:
    answer = played.stage.operator().call("POST", "/v1/admin/labels/query", {"sql": "SELECT * FROM label"})
    assert len(answer.json()["rows"]) == 1
    assert found_in(answer.content) == set()


@pytest.mark.parametrize("place", ["hub", "log", f"sites/{HOSPITAL}/archive", f"sites/{LAB}/archive"])
def test_no_identity_is_in_any_file_of(played: Played, place: str) -> None:
    files = [path for path in (played.stage.home.root / place).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) > 100
    assert {str(path): found for path in files if (found := found_in(path.read_bytes()))} == {}


def test_what_a_site_keeps_in_clear_beside_its_archive_names_no_patient(played: Played) -> None:
    for site in (HOSPITAL, LAB):
        folder = played.stage.folder(site)
        kept: list[Path] = [
            folder.state,
            folder.labels,
            folder.vault,
            *folder.audit.glob("*"),
            *folder.quarantine.glob("*"),
        ]
        allowed = {"Zofiaczka", "Kanarkowska"} if site == LAB else set()  # who labelled is known where the person works
        for path in kept:
            assert found_in(path.read_bytes()) <= (allowed if path.parent == folder.audit else set()), path
