"""What would become of a file, attribute by attribute, from the same engine run dry: nothing is kept.

What it answers holds the file's identifiers, for the eyes of whoever may look at the file.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from aegle.deid.check import check
from aegle.deid.engine import deidentify
from aegle.deid.fold import shown
from aegle.deid.outcome import Deidentified
from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.second_look import SecondLook
from aegle.deid.values import Values

_MOST_CHARACTERS = 80  #: of a value that is shown
_ABSENT = "–"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One attribute, side by side."""

    tag: str  #: `(0010,0010)`, with `>` for each level of nesting
    name: str
    before: str = field(repr=False)
    after: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would come of a file. With words that wait for a decision there are both: why it would be held, and what would
    be written once they are approved."""

    held: Held | None
    changes: tuple[Change, ...]
    painted: int = 0  #: places of the picture that are painted over


def preview(
    source: Path, profile: Profile, pseudonyms: Pseudonyms, values: Values, scratch: Path, look: SecondLook
) -> Preview:
    """Run the engine, the check and the second look dry; `scratch` is a private folder, in which nothing is left."""
    target = scratch / f"{secrets.token_hex(8)}.preview"

    def tried(decided: Values | None) -> Deidentified | Held:
        done = deidentify(source, target, profile, pseudonyms, decided)
        if isinstance(done, Held):
            return done
        return check(source, target, done, profile) or look.doubt(target, done) or done

    try:
        first = outcome = tried(values)
        if isinstance(first, Held) and first.reason is HoldReason.FIRST_SEEN_VALUE:
            outcome = tried(None)
        held = outcome if isinstance(outcome, Held) else first if isinstance(first, Held) else None
        if isinstance(outcome, Held):
            return Preview(held=held, changes=())
        return Preview(held=held, changes=_changes(source, target), painted=len(outcome.painted))
    finally:
        target.unlink(missing_ok=True)


def _changes(source: Path, target: Path) -> tuple[Change, ...]:
    try:
        before, after = (dcmread(path, stop_before_pixels=True) for path in (source, target))
        return tuple(_compared(before, after, ""))
    except (InvalidDicomError, ValueError, KeyError, AttributeError, NotImplementedError, EOFError):
        return ()  # the other reader cannot show what ours could read


def _compared(before: Dataset, after: Dataset, depth: str) -> Iterator[Change]:
    for tag in sorted(set(before.keys()) | set(after.keys())):
        element = before[tag] if tag in before else after[tag]
        was, now = (_value(dataset, tag) for dataset in (before, after))
        yield Change(tag=f"{depth}{element.tag}", name=element.name, before=was, after=now)
        if element.VR == "SQ":
            yield from _items(before, after, tag, f"{depth}>")


def _items(before: Dataset, after: Dataset, tag: int, depth: str) -> Iterator[Change]:
    """Items side by side, by their order; an item that the other side has not is compared with nothing."""
    both = [list(dataset[tag].value or ()) if tag in dataset else [] for dataset in (before, after)]
    for number in range(max(len(items) for items in both)):
        first, second = (items[number] if number < len(items) else Dataset() for items in both)
        yield from _compared(first, second, depth)


def _value(dataset: Dataset, tag: int) -> str:
    if tag not in dataset:
        return _ABSENT
    element = dataset[tag]
    if element.VR == "SQ":
        return f"{len(element.value or ())} item(s)"
    value = "\\".join(str(part) for part in element.value) if element.VM > 1 else element.value
    text = f"{len(value)} bytes" if isinstance(value, bytes) else shown(str("" if value is None else value))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
