"""Certificates for tests: an authority, and what it signs for 127.0.0.1."""

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aegle.config import Tls


@dataclass(frozen=True)
class Authority:
    """Signs certificates for 127.0.0.1."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def sign(self, name: str, public: ec.EllipticCurvePublicKey, is_authority: bool) -> bytes:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = datetime.datetime.now(datetime.UTC)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self.name))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(address, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, trusts: Path) -> Tls:
        key = ec.generate_private_key(ec.SECP256R1())
        tls = Tls(certificate=self.folder / f"{name}.crt", key=self.folder / f"{name}.key", authorities=trusts)
        tls.certificate.write_bytes(self.sign(name, key.public_key(), is_authority=False))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        tls.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        tls.key.chmod(0o600)
        return tls


def authority(folder: Path, name: str) -> Authority:
    made = Authority(folder, name)
    made.file.write_bytes(made.sign(name, made.key.public_key(), is_authority=True))
    return made
