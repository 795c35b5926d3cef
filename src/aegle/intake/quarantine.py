"""What could not be proved clean: held encrypted, with a reason, until a person settles it. Nothing is deleted silently.

An entry is two files: `ID.sealed` (the object) and `ID.json` (facts, no patient value). The facts come last, so an entry
that is listed is whole.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from aegle import api, durable
from aegle.deid import REASONS, Held, HoldReason
from aegle.deid.masks import Box
from aegle.errors import Conflict, Forbidden, NotFound
from aegle.intake import sealed
from aegle.intake.spool import Door, Mark, Spool, Spooled


class Settlement(StrEnum):
    """What a person decided about a held object."""

    OPEN = "open"
    REJECTED = "rejected"  #: it stays sealed and out; the study goes on without it
    RELEASED = "released"  #: it is to go back to the spool
    RETRIED = "retried"  #: it went back to the spool
    REPLACING = "replacing"  #: it is to go back to the spool, and to take the place of the one admitted before
    REPLACED = "replaced"  #: it went
    CLEARED = "cleared"  #: two people looked, and its text names nobody: it is to go back to the spool, and in
    LET_IN = "let-in"  #: it went


#: What becomes of a decision once the object is in the spool again.
_GIVEN_BACK = {
    Settlement.RELEASED: Settlement.RETRIED,
    Settlement.REPLACING: Settlement.REPLACED,
    Settlement.CLEARED: Settlement.LET_IN,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Facts of one held object."""

    entry_id: str
    held_at: datetime
    door: Door
    reason: HoldReason
    detail: str
    study_alias: str  #: empty when the object does not say which study it belongs to
    size_bytes: int
    state: Settlement = Settlement.OPEN
    settled_by: str = ""  #: the person at the site who decided
    settled_at: datetime | None = None
    waits_for: tuple[str, ...] = ()  #: words that must be decided first, by their names in the site's list of values
    places: tuple[Box, ...] = ()  #: where the text detector saw text, each in one frame
    vouched_by: str = ""  #: the first of two people to say that this text names nobody
    came_as: str = ""  #: what it was called in the spool when it was tried again
    replaces: bool = False  #: it came back once to replace one admitted before, and still is to

    @property
    def blocks_study(self) -> bool:
        """Whether its study waits, for a person's decision or for what follows it."""
        return self.state in {Settlement.OPEN, *_GIVEN_BACK} and REASONS[self.reason].blocks_study


def _mark(entry: Entry) -> Mark | None:
    replaces, looked_at = entry.replaces or entry.state is Settlement.REPLACING, entry.state is Settlement.CLEARED
    if replaces and looked_at:
        return Mark.BOTH
    return Mark.REPLACES if replaces else Mark.LOOKED_AT if looked_at else None


def entry_id_of(spooled_name: str) -> str:
    """Under which id a spooled object is held, if it is."""
    return hashlib.sha256(spooled_name.encode()).hexdigest()[:16]


class Quarantine:
    """The site's held objects, on one folder, under one key."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = durable.private_folder(folder)
        self._key = key

    def hold(self, item: Spooled, held: Held, study_alias: str, waits_for: tuple[str, ...] = ()) -> Entry:
        """Seal an object with its reason; durable on return. Holding the same spooled object again gives the same entry."""
        entry_id = entry_id_of(item.name)
        entry = Entry(
            entry_id=entry_id,
            held_at=datetime.now(UTC),
            door=item.door,
            reason=held.reason,
            detail=held.detail,
            study_alias=study_alias,
            size_bytes=item.path.stat().st_size,
            waits_for=waits_for,
            places=held.places,
            replaces=item.replaces,
        )
        sealed.seal(item.path, self._object(entry_id), self._key, entry_id)
        self._write(entry)
        return entry

    def entries(self) -> list[Entry]:
        """Everything held, settled or not, latest first."""
        found = [api.decode(Entry, path.read_bytes()) for path in self._folder.glob("*.json")]
        return sorted(found, key=lambda entry: entry.held_at, reverse=True)

    def entry(self, entry_id: str) -> Entry:
        """One entry. Raises NotFound."""
        found = next((entry for entry in self.entries() if entry.entry_id == entry_id), None)
        if found is None:
            raise NotFound("nothing of that name is held here")
        return found

    def blocks(self, study_alias: str) -> bool:
        """Whether an open entry keeps this study from being complete."""
        return any(entry.blocks_study and entry.study_alias == study_alias for entry in self.entries())

    def settle(self, entry_id: str, state: Settlement, by: str) -> Entry:
        """Write down a person's decision; the sealed object stays. Durable: the site's program acts on it, now or later.

        Raises NotFound; Conflict where it was decided before, or cannot be decided so."""
        entry = self._open(entry_id)
        if state is Settlement.REPLACING and entry.reason is not HoldReason.CHANGED_SOURCE:
            raise Conflict("Only an object that was held as CHANGED_SOURCE can replace one admitted before.")
        if state is Settlement.CLEARED:
            raise Conflict("It takes two people to let suspected text in; each vouches for it.")
        return self._decided(entry, state, by)

    def vouch(self, entry_id: str, by: str) -> Entry:
        """Write down that a person looked, and that the text which the detector saw names nobody; the second to say so lets
        the object in. Durable.

        Raises NotFound; Conflict where it was decided before, or is held for another reason; Forbidden for the first person
        again."""
        entry = self._open(entry_id)
        if entry.reason is not HoldReason.TEXT_SUSPECTED:
            raise Conflict("Only an object that was held as TEXT_SUSPECTED is let in because somebody looked.")
        if entry.vouched_by == by:
            raise Forbidden("You said so before. It takes another person, who looks as well.")
        if entry.vouched_by:
            return self._decided(entry, Settlement.CLEARED, by)
        vouched = replace(entry, vouched_by=by)
        self._write(vouched)
        return vouched

    def _open(self, entry_id: str) -> Entry:
        entry = self.entry(entry_id)
        if entry.state is not Settlement.OPEN:
            when = f" on {entry.settled_at:%Y-%m-%d at %H:%M} UTC" if entry.settled_at else ""
            raise Conflict(f"This was decided before: {entry.state.value} by {entry.settled_by or 'somebody'}{when}.")
        return entry

    def _decided(self, entry: Entry, state: Settlement, by: str) -> Entry:
        decided = replace(entry, state=state, settled_by=by, settled_at=datetime.now(UTC))
        self._write(decided)
        return decided

    def due(self) -> list[Entry]:
        """What was decided to go back to the spool and has not gone."""
        return [entry for entry in self.entries() if entry.state in _GIVEN_BACK]

    def give_back(self, entry: Entry, spool: Spool) -> Entry:
        """Put a due object into the spool, then write that down: a crash in between leaves an object that comes in twice,
        never one that is lost."""
        again = spool.receive(self.read(entry.entry_id), entry.door, _mark(entry))
        gone = replace(entry, state=_GIVEN_BACK[entry.state], came_as=again.name)
        self._write(gone)
        return gone

    def read(self, entry_id: str) -> Iterator[bytes]:
        """The object itself, in blocks. Whoever calls this has audited it."""
        return sealed.unseal(self._object(self.entry(entry_id).entry_id), self._key, entry_id)

    def _object(self, entry_id: str) -> Path:
        return self._folder / f"{entry_id}.sealed"

    def _write(self, entry: Entry) -> None:
        durable.write(self._folder / f"{entry.entry_id}.json", api.encode(entry))
