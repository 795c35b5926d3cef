"""One bucket of Cloud Storage, by its JSON interface (https://cloud.google.com/storage/docs/json_api/v1).

`put` makes a new object and never replaces one, so an identity that may only add suffices.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import google_crc32c

from aegle.errors import Conflict, Unreadable
from aegle.google.services import address
from aegle.google.session import Session

_BLOCK = 1 << 20


class Bucket:
    """The objects of one bucket."""

    def __init__(self, session: Session, name: str, endpoint: str | None = None) -> None:
        self._session = session
        self._objects = address("storage", f"storage/v1/b/{quote(name, safe='')}/o", endpoint)
        self._uploads = address("storage", f"upload/storage/v1/b/{quote(name, safe='')}/o", endpoint)

    def names(self, prefix: str) -> Iterator[str]:
        """Every object whose name starts so, in order. Raises as the session."""
        page = ""
        while True:
            answer = self._session.call("GET", f"{self._objects}?prefix={quote(prefix, safe='')}{page}")
            yield from (item["name"] for item in answer.get("items", ()))
            if not answer.get("nextPageToken"):
                return
            page = f"&pageToken={quote(answer['nextPageToken'], safe='')}"

    def stated(self, name: str, key: str) -> str:
        """What whoever put an object wrote beside it under this key; empty for nothing. Raises as the session."""
        beside = self._session.call("GET", f"{self._objects}/{quote(name, safe='')}").get("metadata", {})
        return str(beside.get(key, ""))

    def fetch(self, name: str, target: Path) -> None:
        """An object into a file, whose bytes are what the bucket says they are. Raises as the session, and Unreadable."""
        place = f"{self._objects}/{quote(name, safe='')}"
        target.parent.mkdir(parents=True, exist_ok=True)
        stated = self._session.call("GET", place).get("crc32c")
        self._session.fetch(f"{place}?alt=media", target)
        if stated and stated != checksum(target):
            target.unlink()
            raise Unreadable("an object was damaged on its way from the bucket; the same call may succeed")

    def put(self, name: str, source: Path) -> None:
        """A file as a new object, durable when it returns; the same file again is success. Raises as the session, Conflict
        for a name that other bytes have, Unreadable when other bytes arrived than were sent."""
        place = f"{self._uploads}?uploadType=media&ifGenerationMatch=0&name={quote(name, safe='')}"
        mine = checksum(source)
        try:
            kept = self._session.send(place, source)
        except Conflict:
            if self._session.call("GET", f"{self._objects}/{quote(name, safe='')}").get("crc32c") != mine:
                raise
            return
        if kept.get("crc32c", mine) != mine:
            raise Unreadable("the bucket holds other bytes than were sent; send it again under another name")


def checksum(path: Path) -> str:
    """CRC32C of a file as Cloud Storage writes it: base64 of four bytes, big end first."""
    value = 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            value = google_crc32c.extend(value, block)
    return base64.b64encode(value.to_bytes(4, "big")).decode()
