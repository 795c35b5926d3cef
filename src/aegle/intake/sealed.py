"""Files encrypted in blocks by AES-256-GCM, so that an object of any size is sealed and opened with 1 MB of memory.

Layout: 8 random bytes, then blocks of 4-byte length and ciphertext. A block's nonce is the random bytes and its number; its
associated data are the file's name for it and whether it is the last, so blocks cannot be moved, dropped or cut off.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aegle import durable
from aegle.errors import Unreadable

_BLOCK = 1 << 20


def seal(source: Path, target: Path, key: bytes, name: str) -> None:
    """Encrypt a file under a 32-byte key; `target` is whole and durable on return."""
    cipher, prefix = AESGCM(key), os.urandom(8)
    temporary = target.with_suffix(".part")
    with durable.storage(), source.open("rb") as reader, temporary.open("wb") as writer:
        writer.write(prefix)
        block, number = reader.read(_BLOCK), 0
        while True:
            following = reader.read(_BLOCK)
            sealed = cipher.encrypt(prefix + struct.pack(">L", number), block, _bound(name, not following))
            writer.write(struct.pack(">L", len(sealed)) + sealed)
            if not following:
                break
            block, number = following, number + 1
    durable.sync_file(temporary)
    durable.settle(temporary, target)


def unseal(path: Path, key: bytes, name: str) -> Iterator[bytes]:
    """The file's content, a block at a time. Raises Unreadable on a wrong key or a changed, moved or missing block."""
    cipher = AESGCM(key)
    with path.open("rb") as stream:
        prefix, number = stream.read(8), 0
        head = stream.read(4)
        while head:
            sealed = stream.read(struct.unpack(">L", head)[0]) if len(head) == 4 else b""
            head = stream.read(4)
            yield _open(cipher, prefix + struct.pack(">L", number), sealed, _bound(name, not head))
            number += 1
        if number == 0:
            raise Unreadable("a sealed file is empty")


def _open(cipher: AESGCM, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, bound)
    except (InvalidTag, ValueError):
        raise Unreadable("a sealed file was changed, or this is not its key") from None


def _bound(name: str, last: bool) -> bytes:
    return f"{name}|{'last' if last else 'more'}".encode()
