"""The items of a long sequence as JSON text: a slide of 100,000 frames tells where each lies, and as Python objects that takes
fifteen times the memory."""

import json
import secrets
from collections.abc import Sequence

from aegle.dicom.plain import Header

FOLDED = 1_000  #: items that become text together


class ManyItems:
    """Items in their order, to be written by `dumps` alone."""

    def __init__(self) -> None:
        self.count = 0
        self.text = bytearray()

    def add(self, items: Sequence[Header]) -> None:
        """Some more."""
        if items:
            self.text += (b"," if self.count else b"") + _plain(items)[1:-1]
            self.count += len(items)


def dumps(header: Header) -> bytes:
    """A header as UTF-8. Memory: three times its text."""
    many: dict[bytes, ManyItems] = {}

    def told(items: ManyItems) -> str:
        name = secrets.token_hex(16)
        many[f'"{name}"'.encode()] = items
        return name

    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), default=told).encode()
    for name, items in many.items():
        before, _, after = text.partition(name)
        text = b"".join((before, b"[", items.text, b"]", after))
    return text


def _plain(items: Sequence[Header]) -> bytes:
    return json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode()
