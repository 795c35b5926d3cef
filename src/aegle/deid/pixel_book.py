"""A site's pixel rules: what a person who looked at one device's pictures knows of them, in one JSON file."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aegle import api, durable
from aegle.deid.masks import PixelRule
from aegle.errors import BadMessage

FILE = "pixel-rules.json"  #: below a site's folder


class PixelBook:
    """The rules of one site, in the order in which they are asked: the latest first. Commands may write the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._known: tuple[int, tuple[PixelRule, ...]] = (-1, ())

    def rules(self) -> tuple[PixelRule, ...]:
        """The rules as they are now."""
        with self._turn:
            written = self._path.stat().st_mtime_ns if self._path.exists() else 0
            if self._known[0] != written:
                found = api.decode(tuple[PixelRule, ...], self._path.read_bytes()) if written else ()
                self._known = (written, found)
            return self._known[1]

    def add(self, rule: PixelRule) -> None:
        """Put a rule before the others, in place of one for the same device and size; durable.

        Raises BadMessage for a device without a name, and for boxes without a size of the picture."""
        if not rule.manufacturer.strip() or not rule.model.strip():
            raise BadMessage("the object does not name its device; a rule needs manufacturer and model")
        if rule.boxes and not (rule.columns and rule.rows):
            raise BadMessage("boxes need the size of the picture")
        self._write([rule, *(known for known in self.rules() if _device(known) != _device(rule))])

    def in_place_of(self, rule: PixelRule) -> PixelRule | None:
        """The rule whose place this one would take, if it says something else."""
        same = (known for known in self.rules() if _device(known) == _device(rule))
        return next((known for known in same if (known.keep, known.boxes) != (rule.keep, rule.boxes)), None)

    def remove(self, rule: PixelRule) -> None:
        """Take a rule out; durable."""
        self._write([known for known in self.rules() if known != rule])

    def _write(self, rules: Sequence[PixelRule]) -> None:
        with self._turn:
            durable.write(self._path, api.encode(tuple(rules), tuple[PixelRule, ...]))


def name_of(rule: PixelRule) -> str:
    """What a rule is called in lists and in the trail: eight hexadecimal digits of its digest."""
    return hashlib.sha256(api.encode(rule)).hexdigest()[:8]


def _device(rule: PixelRule) -> PixelRule:
    """The rule without what it decides: for which pictures it is."""
    return replace(
        rule,
        manufacturer=rule.manufacturer.strip().casefold(),
        model=rule.model.strip().casefold(),
        modality=rule.modality.upper(),
        keep=next(iter(type(rule.keep))),
        boxes=(),
        by="",
    )
