"""Stateless pseudonyms: every alias is a keyed function of the original, so workers and re-runs agree.

One 32-byte secret of the site gives a subkey for each purpose by HKDF-SHA256 (RFC 5869); without it nothing can be
enumerated, and the aliases of two sites cannot be joined. The secret is not the vault's key.
"""

import hmac
import mmap
import os
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Self

from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]

from aegle.deid.classes import CLASSES
from aegle.deid.dates import Shift
from aegle.dicom.arrival import PREAMBLE, unmarked
from aegle.dicom.walk import let_go
from aegle.errors import BadConfig

SECRET_BYTES = 32
_MAPPED_BYTES, _PIECE = 8 << 20, 8 << 20  #: from which a file is digested through a map, and how much of it at a time
_PURPOSES = ("uid", "result-uid", "patient", "days", "token", "source")
#: Of LOINC, ICD-10, UCUM, SNOMED CT, RxNorm, the NCI thesaurus and their like (PS3.16 Table 8-1): registered with HL7, the same
#: for everybody.
_REGISTERED = "3.26.1.1 6.1 6.3 6.6 6.8 6.12.2 6.24 6.42 6.88 6.90 6.96 6.103 6.119 6.121 6.256 6.316"
_CODING_SCHEMES = frozenset("2.16.840.1.113883." + arc for arc in _REGISTERED.split())


_STANDARD = "1.2.840.10008."  #: how the standard's own UIDs begin
#: Of context groups of PS3.16, which pydicom does not list; no number in it is long enough to be anybody's.
_CONTEXT_GROUP = re.compile(r"1\.2\.840\.10008\.6\.1\.[1-9][0-9]{0,3}")


class Pseudonyms:
    """The keyed maps of one site. Immutable; safe to share between threads."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = keys
        self._macs = {
            purpose: hmac.new(key, digestmod="sha256") for purpose, key in keys.items()
        }  #: begun once, copied
        self.uid = lru_cache(maxsize=65_536)(self._uid)
        self.patient_id = lru_cache(maxsize=4096)(self._patient_id)
        self.shift = lru_cache(maxsize=4096)(self._shift)

    @classmethod
    def from_secret(cls, secret: bytes, recipient: str = "") -> Self:
        """From the site's 32-byte secret. Each recipient has maps of its own: what two of them hold of one patient cannot be
        linked. Raises BadConfig for a secret of any other length."""
        if len(secret) != SECRET_BYTES:
            raise BadConfig(f"the pseudonym secret must be {SECRET_BYTES} bytes")
        return cls({purpose: _subkey(secret, purpose, recipient) for purpose in _PURPOSES})

    @cached_property
    def with_own_uids(self) -> "Pseudonyms":
        """The same maps, but every UID stands for itself (Retain UIDs Option)."""
        same = Pseudonyms(self._keys)
        same.uid = lru_cache(maxsize=1)(str)
        return same

    def _uid(self, original: str) -> str:
        """The alias of a UID under 2.25 (PS3.5 §B.2); a UID of the standard or of a public coding scheme is itself."""
        return original if is_public(original) else _uuid_uid(self._mac("uid", original))

    def result_uid(self, original: str) -> str:
        """The UID under which a result's own UID leaves for the PACS: unlinkable to the one the hub knows."""
        return original if is_public(original) else _uuid_uid(self._mac("result-uid", original))

    def _patient_id(self, original: str, issuer: str = "") -> str:
        """The patient's alias, `AG-` and 20 hexadecimal digits. Spaces around the original do not count."""
        return f"AG-{self._mac('patient', original.strip(), issuer.strip())[:10].hex().upper()}"

    def _shift(self, patient_alias: str) -> Shift:
        """How the dates and times of the patient with this alias move: 365 to 2554 days into the past, 1 to 59 minutes
        later in the day."""
        mac = self._mac("days", patient_alias)
        return Shift(365 + int.from_bytes(mac[:8], "big") % 2190, 1 + int.from_bytes(mac[8:16], "big") % 59)

    def token(self, original: str) -> str:
        """14 hexadecimal digits that stand for an identifier of a thing, a specimen for example."""
        return self._mac("token", original.strip())[:7].hex().upper()

    def source_digest(self, path: Path) -> str:
        """Keyed digest of a file's bytes, read in pieces: recognises a repeat, tells nothing to anybody else. What our door
        put into the preamble does not count."""
        digest = self._macs["source"].copy()
        with path.open("rb", buffering=0) as source:
            digest.update(unmarked(source.read(PREAMBLE)))
            if os.fstat(source.fileno()).st_size >= _MAPPED_BYTES:
                _digest_mapped(digest, source)
            while chunk := source.read(1 << 16):
                digest.update(chunk)
        return digest.hexdigest()

    def _mac(self, purpose: str, *values: str) -> bytes:
        mac = self._macs[purpose].copy()
        mac.update(b"\0".join(value.encode("utf-8", "surrogateescape") for value in values))
        return mac.digest()


def _digest_mapped(digest: hmac.HMAC, source: IO[bytes]) -> None:
    """What follows the preamble, in pieces so large that a thread seldom has to wait for its turn among others."""
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
        for at in range(PREAMBLE, len(view), _PIECE):
            digest.update(view[at : at + _PIECE])
            let_go(data, at, at + _PIECE)
    source.seek(0, os.SEEK_END)


def is_public(uid: str) -> bool:
    """Whether a UID is the standard's or a public coding scheme's, and so names nobody."""
    return (
        not uid or uid in UID_dictionary or uid in CLASSES or uid in _CODING_SCHEMES or _is_context_group(uid)
    )  # the library's dictionary may be older than the kinds of object that we admit


def _is_context_group(uid: str) -> bool:
    return uid.startswith(_STANDARD) and bool(_CONTEXT_GROUP.fullmatch(uid))


def _subkey(secret: bytes, purpose: str, recipient: str) -> bytes:
    """HKDF-SHA256 without a salt, one block of output (RFC 5869 §2.2 and §2.3)."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    purpose = f"{purpose} for {recipient}" if recipient else purpose
    return hmac.digest(extracted, b"aegle pseudonyms 1 " + purpose.encode() + b"\1", "sha256")


def _uuid_uid(mac: bytes) -> str:
    """A 2.25 UID from a name-based UUID (version 8, RFC 9562)."""
    raw = bytearray(mac[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(raw, 'big')}"
