"""Secrets as files only their owner can read: one folder a site, one file a version."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from aegle import durable
from aegle.errors import BadMessage, NotFound

_NAME = re.compile(r"[a-z0-9-]{1,64}")


class FileSecrets:
    """The Secrets port on a folder: `NAME.1`, `NAME.2`, ... of which the highest is current."""

    def __init__(self, folder: Path) -> None:
        self._folder = durable.private_folder(folder)

    def get(self, name: str) -> bytes:
        """The current value. Raises NotFound."""
        values = self.versions(name)
        if not values:
            raise NotFound(f"secret {name!r} is not there; `aegle apply` makes the secrets of a site")
        return values[0]

    def versions(self, name: str) -> Sequence[bytes]:
        """Every value still readable, newest first; empty when the name is unknown."""
        return [self._path(name, number).read_bytes() for number in sorted(self._numbers(name), reverse=True)]

    def put(self, name: str, value: bytes) -> None:
        """A new current value, durable before it returns; older values stay readable."""
        durable.write(self._path(name, max(self._numbers(name), default=0) + 1), value)

    def ensure(self, name: str, size_bytes: int = 32) -> bytes:
        """The current value, made at random first where there is none."""
        if not self._numbers(name):
            self.put(name, os.urandom(size_bytes))
        return self.get(name)

    def _numbers(self, name: str) -> list[int]:
        if not _NAME.fullmatch(name):
            raise BadMessage(f"{name!r} is not a secret's name: a-z, 0-9 and hyphen")
        found = (path.name.rpartition(".") for path in self._folder.glob(f"{name}.*"))
        return [int(number) for stem, _, number in found if stem == name and number.isdecimal()]

    def _path(self, name: str, number: int) -> Path:
        return self._folder / f"{name}.{number}"
