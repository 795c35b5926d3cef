"""DICOM over TLS, with dcmtk at the other end: certificates of the named authority, or nothing."""

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydicom.data import get_testdata_file

import dcmtk
from aegle.config import Peer, Tls
from aegle.errors import BadConfig, PeerUnreachable
from aegle.protocols import dimse
from aegle.protocols.dialogue import Patience
from aegle.protocols.dimse import Target
from aegle.protocols.door import DimseDoor
from aegle.protocols.peers import News, Sender
from aegle.protocols.tls import client_context, server_context
from certificates import Authority, authority

CT = Path(get_testdata_file("CT_small.dcm", download=False))
TITLES = ("-aet", "PACS", "-aec", "ST-ANNA")


@dataclass
class Clinic:
    ours: Authority
    own: Tls
    port: int = 0
    kept: list[bytes] = field(default_factory=list)
    notices: list[tuple[News, str]] = field(default_factory=list)

    def receive(self, path: Path, _: Sender) -> None:
        self.kept.append(path.read_bytes())

    def notice(self, news: News, _: Sender, reason: str) -> None:
        self.notices.append((news, reason))

    def target(self, tls: Tls | None) -> Target:
        return Target(host="127.0.0.1", port=self.port, called="ST-ANNA", calling="PACS", tls=tls)


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    (tmp_path / "incoming").mkdir()
    ours = authority(tmp_path, "ours")
    made = Clinic(ours, ours.issue("door", ours.file))
    opened = DimseDoor(
        ae_title="ST-ANNA",
        address=("127.0.0.1", 0),
        allow=[Peer(ae_title="PACS")],
        folder=tmp_path / "incoming",
        receive=made.receive,
        notice=made.notice,
        tls=server_context(made.own),
        patience=Patience(request_s=3.0),
    )
    made.port = opened.start()
    yield made
    opened.stop()


def words(tls: Tls) -> tuple[str | Path, ...]:
    return ("+tls", tls.key, tls.certificate, "+cf", tls.authorities)


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195-ex"])
def test_dcmtk_sends_over_tls_with_a_certificate(clinic: Clinic, profile: str) -> None:
    modality = clinic.ours.issue("modality", clinic.ours.file)
    sent = dcmtk.run("storescu", profile, *words(modality), *TITLES, "127.0.0.1", clinic.port, CT)
    assert sent.returncode == 0, sent.stderr
    assert len(clinic.kept) == 1


@pytest.mark.peer("dcmtk")
def test_dcmtk_without_tls_or_without_a_certificate_gets_nothing(clinic: Clinic, tmp_path: Path) -> None:
    foreign = authority(tmp_path, "foreign").issue("stranger", clinic.ours.file)
    ways = ((), ("+tla", "+cf", clinic.ours.file), words(foreign))
    for way in ways:
        assert dcmtk.run("echoscu", *way, *TITLES, "127.0.0.1", clinic.port).returncode != 0
    assert clinic.notices == [(News.REFUSED, "NO_TLS")] * len(ways)


def test_our_sender_shows_its_certificate_and_believes_no_other_authority(clinic: Clinic, tmp_path: Path) -> None:
    assert dimse.send(clinic.target(clinic.ours.issue("site", clinic.ours.file)), [CT])[0].accepted
    foreign = authority(tmp_path, "foreign")
    with pytest.raises(PeerUnreachable):
        dimse.echo(clinic.target(clinic.ours.issue("site", foreign.file)))
    with pytest.raises(PeerUnreachable):
        dimse.echo(clinic.target(None))


def test_peers_that_never_shake_hands_delay_nobody(clinic: Clinic) -> None:
    silent = [socket.create_connection(("127.0.0.1", clinic.port)) for _ in range(30)]
    assert dimse.echo(clinic.target(clinic.ours.issue("site", clinic.ours.file)))
    for peer in silent:
        peer.close()


def test_nothing_below_tls_1_2_and_without_forward_secrecy_is_spoken(clinic: Clinic) -> None:
    for context in (server_context(clinic.own), client_context(clinic.own)):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        old = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]
        assert old
        assert all(name.startswith("ECDHE-") and "GCM" in name for name in old)


@pytest.mark.skipif(os.name != "posix", reason="the mode of a file is POSIX's")
def test_a_private_key_that_others_can_read_is_refused_with_the_remedy(clinic: Clinic) -> None:
    clinic.own.key.chmod(0o640)
    with pytest.raises(BadConfig, match="chmod 600"):
        server_context(clinic.own)


def test_a_key_with_a_password_or_a_missing_file_is_refused(clinic: Clinic, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="must be there"):
        client_context(clinic.own.model_copy(update={"authorities": tmp_path / "none.pem"}))
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    clinic.own.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    with pytest.raises(BadConfig, match="password"):
        server_context(clinic.own)
