"""One sealed file: a stream encrypted block by block, of which no block can be changed, moved, left out or cut off unnoticed.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar 2015) with AES-256-GCM: the nonce of a block is its number and
whether it is the last; the key is derived from a secret and a salt of the file's own. Peak memory: two blocks of 1 MB.
"""

import io
import os
from collections.abc import Sequence
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aegle.errors import Unreadable

MAGIC = b"AEGLE-SEALED-1\n"
_SALT, _TAG, _BLOCK = 32, 16, 1 << 20


class Sealing(io.RawIOBase):
    """Takes plain bytes and writes sealed ones; the file is whole only after `close`."""

    def __init__(self, target: IO[bytes], secret: bytes) -> None:
        super().__init__()
        salt = os.urandom(_SALT)
        self._target, self._cipher, self._number, self._left = target, _cipher(secret, salt), 0, bytearray()
        target.write(MAGIC + salt)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: Any) -> int:
        """Seal whole blocks; the rest waits."""
        self._left += content
        while len(self._left) > _BLOCK:
            self._seal(bytes(self._left[:_BLOCK]), last=False)
            del self._left[:_BLOCK]
        return len(content)

    def close(self) -> None:
        """Seal what is left as the last block."""
        if not self.closed:
            self._seal(bytes(self._left), last=True)
        super().close()

    def _seal(self, block: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._number, last=last), block, MAGIC))
        self._number += 1


class Opening(io.RawIOBase):
    """Gives the plain bytes of a sealed file. Raises Unreadable for one that is not of these secrets, or was changed or cut."""

    def __init__(self, source: IO[bytes], secrets: Sequence[bytes]) -> None:
        super().__init__()
        self._source, self._number, self._plain, self._ended = source, 0, b"", False
        head = source.read(len(MAGIC) + _SALT)
        if len(head) != len(MAGIC) + _SALT or not head.startswith(MAGIC):
            raise Unreadable("this is no sealed file of Aegle")
        self._ciphers = [_cipher(secret, head[len(MAGIC) :]) for secret in secrets]
        self._next = source.read(_BLOCK + _TAG)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As io.RawIOBase."""
        while not self._plain and not self._ended:
            self._open()
        count = min(len(buffer), len(self._plain))
        buffer[:count], self._plain = self._plain[:count], self._plain[count:]
        return count

    def _open(self) -> None:
        block, self._next = self._next, self._source.read(_BLOCK + _TAG)
        self._ended = not self._next
        self._plain = self._opened(block)
        self._number += 1

    def _opened(self, block: bytes) -> bytes:
        nonce = _nonce(self._number, last=self._ended)
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(nonce, block, MAGIC)
            except InvalidTag:
                continue
            self._ciphers = [cipher]
            return plain
        raise Unreadable("the sealed file was changed or cut, or none of this site's keys opens it")


def _cipher(secret: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"aegle sealed file 1").derive(secret))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
