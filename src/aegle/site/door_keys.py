"""Keys of programs that send to a site's STOW-RS door: made by a command, shown once, kept hashed, taken back at any time."""

import hashlib
import hmac
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path

from aegle import durable
from aegle.errors import BadMessage, Conflict, NotFound, Unauthenticated

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class DoorKeys:
    """One file: names and SHA-256 of secrets of 256 random bits. Commands change it while the site's program reads it."""

    path: Path
    _seen: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str) -> str:
        """A new key, `NAME.SECRET`, which is nowhere kept. Durable. Raises BadMessage, Conflict for a name that has one."""
        if not NAME.fullmatch(name):
            raise BadMessage("a key's name has 1 to 32 letters, digits, hyphens and underscores")
        keys, secret = self._read(), secrets.token_urlsafe(32)
        if name in keys:
            raise Conflict(f"there is a key of that name; take it back first: aegle door remove-key {name}")
        self._write(keys | {name: _hashed(secret)})
        return f"{name}.{secret}"

    def remove(self, name: str) -> None:
        """Take a key back: the next request with it is refused. Durable. Raises NotFound."""
        keys = self._read()
        if name not in keys:
            raise NotFound("there is no key of that name; see: aegle door keys")
        self._write({known: value for known, value in keys.items() if known != name})

    def names(self) -> list[str]:
        """Whose keys there are."""
        return sorted(self._read())

    def admit(self, authorization: str | None) -> str:
        """Whose key a request carries (`Authorization: Bearer NAME.SECRET`). Raises Unauthenticated."""
        name, _, secret = (authorization or "").removeprefix("Bearer ").partition(".")
        expected = self._current().get(name, "")
        if not hmac.compare_digest(_hashed(secret), expected or _hashed("")) or not expected:
            raise Unauthenticated("no key of this door, or one that was taken back")
        return name

    def _current(self) -> dict[str, str]:
        """What the file says, read again only when it was written."""
        try:
            state = self.path.stat()
        except FileNotFoundError:
            return {}
        version = (state.st_mtime_ns, state.st_ino)
        with self._turn:
            if version not in self._seen:
                self._seen.clear()
                self._seen[version] = self._read()
            return self._seen[version]

    def _read(self) -> dict[str, str]:
        return dict(json.loads(self.path.read_bytes())) if self.path.exists() else {}

    def _write(self, keys: dict[str, str]) -> None:
        durable.write(self.path, json.dumps(keys, sort_keys=True).encode())


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
