"""What was made of a stretch of elements is made again of the next one with the same bytes, without a look into it.

What elements become depends on their bytes and on what `memory` is asked by, and on nothing else: so what is remembered under
those cannot be another patient's, site's or rule's.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, Self

from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import FirstSeen
from aegle.deid.rules import Action, Rule
from aegle.deid.subject import NOBODY, Subject
from aegle.deid.values import Values
from aegle.dicom.walk import Encoding

_KINDS = 32  #: of objects that are treated alike, and patients at the door at the same time
_MEMORY_MAX_BYTES = 512 << 10  #: of what is remembered of one kind
_OWN = frozenset({Action.SHIFT, Action.PATIENT})  #: what depends on whose object it is
_COST, _UID_COST = 1500, 400  #: bytes that a past and a UID in its notes take besides what they say


class Notes(NamedTuple):
    """What a pass notes beside what it writes."""

    done: list[tuple[int, str]]  #: (tag, what was done to it), each time
    identifiers: set[str]
    kept_text: list[bytes]
    first_seen: set[FirstSeen]  #: not empty: what was written must not leave
    uids: dict[str, str]  #: alias -> original, for every UID that is not public
    offsets: set[int]  #: from UTC, in minutes, that moments told which stay

    @classmethod
    def none(cls) -> Self:
        """Nothing yet."""
        return cls([], set(), [], set(), {}, set())

    def add(self, others: Sequence["Notes"]) -> None:
        """Append those of others."""
        self.done.extend(chain.from_iterable(other.done for other in others))
        self.identifiers.update(*(other.identifiers for other in others))
        self.kept_text.extend(chain.from_iterable(other.kept_text for other in others))
        self.first_seen.update(*(other.first_seen for other in others))
        self.offsets.update(*(other.offsets for other in others))
        for other in others:
            self.uids.update(other.uids)


class Past(NamedTuple):
    """What became of a stretch. Not to be changed."""

    written: bytes  #: what stands for it
    notes: Notes | None  #: None where there was nothing to note
    kept_bytes: int  #: of values that stayed
    nested: int  #: items and attributes in them

    @property
    def is_own(self) -> bool:
        """Whether it holds for this patient alone: dates and times move by the alias, and a name may be the patient's."""
        return self.notes is not None and any(what in _OWN for _, what in self.notes.done)

    @property
    def cost(self) -> int:
        """About how many bytes of memory it takes."""
        texts = sum(map(len, self.notes.kept_text)) + _UID_COST * len(self.notes.uids) if self.notes else 0
        return _COST + 2 * len(self.written) + texts


class Memory:
    """Stretches met in objects of one kind. Safe to share between threads: one that forgets costs another a second look."""

    def __init__(self) -> None:
        self._met: dict[bytes, Past] = {}
        self._cost = 0
        self.get: Callable[[bytes], Past | None] = self._met.get  #: what became of these bytes before

    def keep(self, raw: bytes, past: Past) -> None:
        """Remember it; everything else is forgotten where there is too much."""
        if self._cost + past.cost > _MEMORY_MAX_BYTES:
            self._met.clear()
            self._cost = 0
        if past.cost <= _MEMORY_MAX_BYTES:
            self._met[raw] = past
            self._cost += past.cost


@lru_cache(maxsize=_KINDS)
def memory(
    profile: Profile,
    sop_class: str,
    pseudonyms: Pseudonyms,
    character_set: tuple[str, ...],
    encoding: Encoding,
    values: Values | None,
    patient_alias: str = "",
    zone: int | None = None,
    insertions: tuple[tuple[int, bytes], ...] = (),
    subject: Subject = NOBODY,
    own_rules: tuple[tuple[int, Rule], ...] = (),
) -> Memory:
    """The memory of everything that is treated alike: of a patient's own dates, times and names, and of what insertions stand
    among, by alias, zone, insertions and subject, of all else without; where dates are kept, by the subject's birth date, which
    is not; and by the rules of private attributes and overlays, which a stretch alone does not tell."""
    return Memory()
