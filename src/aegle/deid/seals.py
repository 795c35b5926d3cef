"""Values encrypted for one row of the vault: AES-256-GCM, bound to the row's kind and alias, under the newest of some keys."""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aegle.errors import BadConfig, Unreadable

KEY_BYTES = 32
_NONCE_BYTES = 12


class Seals:
    """Seals under the first key; opens with any. Values moved between rows do not open."""

    def __init__(self, *keys: bytes) -> None:
        """`keys` newest first. Raises BadConfig for a key of the wrong length."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise BadConfig(f"the vault's key must be {KEY_BYTES} bytes")
        self._ciphers = [AESGCM(key) for key in keys]

    def seal(self, kind: str, alias: str, value: bytes) -> bytes:
        """The value encrypted under the newest key."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, value, _bound(kind, alias))

    def open(self, kind: str, alias: str, sealed: bytes) -> bytes:
        """The value. Raises Unreadable under a wrong key, and for a value that was changed or moved."""
        for number in range(len(self._ciphers)):
            value = self._try(number, kind, alias, sealed)
            if value is not None:
                return value
        raise Unreadable(
            "the vault's key is wrong, or a value of the vault was changed. Put the key that it was sealed under back into the "
            "site's secrets (vault-key), or a backup that this key opens in its place: aegle vault restore"
        )

    def is_newest(self, kind: str, alias: str, sealed: bytes) -> bool:
        """Whether the newest key opens it."""
        return self._try(0, kind, alias, sealed) is not None

    def _try(self, number: int, kind: str, alias: str, sealed: bytes) -> bytes | None:
        try:
            return self._ciphers[number].decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(kind, alias))
        except (InvalidTag, ValueError, TypeError):
            return None


def fingerprint(key: bytes) -> str:
    """Names a key without telling it: 16 hexadecimal digits."""
    return hmac.digest(key, b"aegle vault key", "sha256").hex()[:16]


def _bound(kind: str, alias: str) -> bytes:
    return f"aegle vault 1\0{kind}\0{alias}".encode()
