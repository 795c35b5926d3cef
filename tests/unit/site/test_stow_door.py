"""STOW-RS at the door: who has a key may send, each object has its status, nothing is left behind, nothing can be read."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom.data import get_testdata_file

from aegle.access import Act
from aegle.config import Door, Https, Stow
from aegle.errors import BadConfig, BadMessage, Conflict, NotFound
from aegle.intake import spool as spooled
from aegle.intake.spool import Spool
from aegle.local.audit import ChainedLines
from aegle.pages.servers import HttpServer
from aegle.records import AuditEvent, AuditOutcome
from aegle.site import refusals
from aegle.site.door import Notices, SiteDoor
from aegle.site.door_keys import DoorKeys
from aegle.site.listeners import stow_server
from aegle.site.receipts import Receipts
from aegle.site.unwritten import Unwritten
from certificates import authority

CT, MR = (Path(get_testdata_file(name, download=False)) for name in ("CT_small.dcm", "MR_small.dcm"))
CT_STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
MEDIA = 'multipart/related; type="application/dicom"; boundary=x'


class World:
    """A site's STOW-RS door with a spool and a real trail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool, self.audit = Spool(folder / "spool", 1_000_000), ChainedLines(folder / "audit", "x1", "site")
        unwritten = Unwritten()
        self.door = SiteDoor(
            site="x1", spool=self.spool, audit=self.audit, arrived=lambda: None, unwritten=unwritten,
            receipts=Receipts("x1", self.audit, unwritten),
        )  # fmt: skip
        self.notices = Notices(site="x1", audit=self.audit, unwritten=unwritten)
        self.keys = DoorKeys(path=folder / "door-keys.json")
        self.key = self.keys.add("SCANNER")

    @contextmanager
    def serving(self, tls: Https | None = None, limit: int = 8) -> Iterator[int]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        config = Door(stow=Stow(port=port, tls=tls, max_requests=limit), max_instance_mb=1)
        work = self.folder / "work"
        server = stow_server(config, site=self.door, keys=self.keys, notices=self.notices, work=work)
        assert isinstance(server, HttpServer)
        server.start()
        yield port
        server.stop()

    def told(self, act: Act = Act.DOOR_INSTANCE_RECEIVE) -> list[AuditEvent]:
        return [event for event in self.audit.read(999) if event.act == act]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with (
        world.serving() as port,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, headers={"Authorization": f"Bearer {world.key}"}
        ) as made,
    ):
        yield made
    assert list(world.spool.incoming.iterdir()) == []
    assert list((world.folder / "work").iterdir()) == []


def body(*parts: bytes, media_type: str = "application/dicom", end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\nContent-Type: %s\r\n\r\n%s\r\n" % (media_type.encode(), part) for part in parts) + end


def post(client: httpx.Client, content: bytes, path: str = "/studies", **headers: str) -> httpx.Response:
    return client.post(path, content=content, headers={"Content-Type": MEDIA, **headers})


def reasons(answer: Mapping[str, Any]) -> list[int]:
    items = [item for tag in ("00081198", "0008119A") for item in answer.get(tag, {}).get("Value", [])]
    return [item["00081197"]["Value"][0] for item in items]


def test_what_is_sent_with_a_key_is_spooled_byte_by_byte_and_audited(world: World, client: httpx.Client) -> None:
    answer = post(client, body(CT.read_bytes(), MR.read_bytes()))
    assert answer.status_code == 200
    assert len(answer.json()["00081199"]["Value"]) == 2
    assert "00081190" not in answer.json()["00081199"]["Value"][0]  # there is nothing to retrieve here
    items = world.spool.waiting()
    assert [item.path.read_bytes() for item in items] == [CT.read_bytes(), MR.read_bytes()]
    assert {item.door for item in items} == {spooled.Door.STOW}
    assert [(event.principal, event.subject) for event in world.told()[::-1]] == [
        ("key:SCANNER", item.name) for item in items
    ]


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer SCANNER.", "Bearer SCANNER.wrong", "Bearer NOBODY.x", "Basic x"])
def test_without_a_key_nothing_of_the_body_is_taken_and_it_is_told(
    world: World, client: httpx.Client, key: str
) -> None:
    answer = post(client, body(CT.read_bytes()), Authorization=key)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert world.spool.waiting() == []
    (told,) = world.told(Act.DOOR_ASSOCIATION_OPEN)
    assert (told.facts["reason"], told.facts["peer"], told.facts["door"]) == ("UNAUTHENTICATED", "127.0.0.1", "stow")


def test_a_key_that_is_taken_back_ends_at_once(world: World, client: httpx.Client) -> None:
    assert post(client, body(CT.read_bytes())).status_code == 200
    world.keys.remove("SCANNER")
    assert post(client, body(CT.read_bytes())).status_code == 401
    with pytest.raises(NotFound):
        world.keys.remove("SCANNER")
    again = world.keys.add("SCANNER")
    assert again != world.key
    with pytest.raises(Conflict):
        world.keys.add("SCANNER")
    with pytest.raises(BadMessage):
        world.keys.add("a.b")
    assert world.key.partition(".")[2] not in world.keys.path.read_text()


def test_guessing_keys_leaves_a_bounded_trail(world: World, client: httpx.Client) -> None:
    for _ in range(30):
        post(client, b"", Authorization="Bearer SCANNER.guess")
    world.notices.tell_counted(ending=True)
    told = world.told(Act.DOOR_ASSOCIATION_OPEN)
    assert len(told) == refusals.ONE_BY_ONE + 1
    assert sum(int(event.facts.get("count", 1)) for event in told) == 30


@pytest.mark.parametrize(
    ("path", "parts", "status", "failed"),
    [
        ("/studies", [b"not DICOM", None], 202, [0xC000]),
        ("/studies", [b"not DICOM"], 409, [0xC000]),
        ("/studies", [bytes(128) + b"DICM" + b"\xff" * 200], 409, [0xC000]),
        (f"/studies/{CT_STUDY}", [None], 200, []),
        ("/studies/1.2.3", [None], 409, [0xA900]),
    ],
)
def test_each_object_has_its_status_and_each_refusal_its_line(
    world: World, client: httpx.Client, path: str, parts: list[bytes | None], status: int, failed: list[int]
) -> None:
    answer = post(client, body(*(part or CT.read_bytes() for part in parts)), path)
    assert (answer.status_code, reasons(answer.json())) == (status, failed)
    refused = [event for event in world.told() if event.outcome is AuditOutcome.REFUSED]
    assert [event.principal for event in refused] == ["key:SCANNER"] * len(failed)
    assert len(world.spool.waiting()) == len(parts) - len(failed)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (body(bytes(1_100_000)), 413, "TOO_LARGE"),
        (body(CT.read_bytes(), end=b""), 400, "BAD_MESSAGE"),
        (body(), 400, "BAD_MESSAGE"),
        (b"no boundary at all", 400, "BAD_MESSAGE"),
    ],
    ids=["too large", "cut short", "no part", "no boundary"],
)
def test_a_body_that_cannot_be_taken_is_refused_whole_and_told(
    world: World, client: httpx.Client, content: bytes, status: int, code: str
) -> None:
    assert post(client, content).status_code == status
    assert world.spool.waiting() == []
    assert [event.facts["reason"] for event in world.told()] == [code]


def test_a_full_disk_is_the_status_of_each_object_and_loses_nothing(
    world: World, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        answer = post(client, body(CT.read_bytes()))
    assert (answer.status_code, reasons(answer.json())) == (409, [0xA700])
    assert world.spool.waiting() == []
    assert post(client, body(CT.read_bytes())).status_code == 200
    assert [event.facts.get("reason") for event in world.told()] == [None, "STORAGE_FULL"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/studies"), ("GET", f"/studies/{CT_STUDY}"), ("DELETE", "/studies/1")]
)
def test_nothing_can_be_searched_read_or_deleted(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 405


def test_other_media_and_names_that_are_no_uid_are_refused(client: httpx.Client) -> None:
    assert post(client, b"{}", **{"Content-Type": "application/dicom+json"}).status_code == 415
    assert post(client, body(CT.read_bytes()), "/studies/..%2f..").status_code in (400, 404)


def test_one_request_more_than_the_bound_is_asked_to_come_back(world: World) -> None:
    with world.serving(limit=1) as port:
        slow = socket.create_connection(("127.0.0.1", port), timeout=20)
        head = f"POST /studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.key}\r\nContent-Type: {MEDIA}\r\n"
        slow.sendall(head.encode() + b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 100")  # its body is awaited: it has its seat
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            answer = post(client, body(CT.read_bytes()), Authorization=f"Bearer {world.key}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        slow.close()


@pytest.mark.parametrize("mutual", [False, True])
def test_with_tls_it_speaks_nothing_else(world: World, tmp_path: Path, mutual: bool) -> None:
    signer = authority(tmp_path, "hospital")
    ours, theirs = signer.issue("door", signer.file), signer.issue("scanner", signer.file)
    tls = Https(certificate=ours.certificate, key=ours.key, authorities=signer.file if mutual else None)
    trusting = ssl.create_default_context(cafile=str(signer.file))
    with world.serving(tls) as port:
        where = f"https://127.0.0.1:{port}/studies"
        headers = {"Content-Type": MEDIA, "Authorization": f"Bearer {world.key}"}
        with pytest.raises(httpx.HTTPError):
            httpx.post(where.replace("https", "http"), content=body(CT.read_bytes()), headers=headers, trust_env=False)
        if mutual:
            with pytest.raises(httpx.HTTPError):
                httpx.post(where, content=body(CT.read_bytes()), headers=headers, verify=trusting, trust_env=False)
            trusting.load_cert_chain(theirs.certificate, theirs.key)
        answer = httpx.post(where, content=body(CT.read_bytes()), headers=headers, verify=trusting, trust_env=False)
        assert answer.status_code == 200
    assert len(world.spool.waiting()) == 1


def test_a_key_file_that_others_can_read_is_refused(world: World, tmp_path: Path) -> None:
    signer = authority(tmp_path, "hospital")
    ours = signer.issue("door", signer.file)
    ours.key.chmod(0o644)
    with (
        pytest.raises(BadConfig, match="others can read"),
        world.serving(Https(certificate=ours.certificate, key=ours.key)),
    ):
        pass
