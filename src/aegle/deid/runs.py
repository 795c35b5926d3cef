"""What the other reader read before: a run of elements that is there again, byte for byte, is not read again.

An element's own bytes say how it is read (PS3.5 §7.1). Not remembered are the two kinds of which that is not the whole truth:
elements of undefined length, which pydicom reads with what is in them, and the character set, which it needs for those.
This memory is not the engine's (`deid.outline`) and shares no code with it: what one of them gets wrong, the other does not.
"""

import mmap
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from pydicom.dataelem import DataElement, RawDataElement

T = TypeVar("T")
Raw = RawDataElement | DataElement  #: an element as pydicom's walk answers it
CHARACTER_SET = 0x00080005
_HEAD = 8  #: bytes that hold an element's tag, and its VR or its length
_ELEMENT_BYTES, _RUN_BYTES = 1 << 11, 1 << 12  #: at most, to be remembered
_REMEMBERED, _ANSWERS = 1 << 9, 8  #: runs that are read in one way, and answers about one


@dataclass(frozen=True, eq=False)
class Run:
    """Elements that follow one another. `raw` is empty for one that is not remembered."""

    raw: bytes
    #: By tag, ascending. Where a value was deferred its place in the file holds for that file alone.
    elements: dict[int, Raw]
    _answers: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def first(self) -> int:
        """The first tag."""
        return next(iter(self.elements))

    @property
    def last(self) -> int:
        """The last tag."""
        return next(reversed(self.elements.keys()))

    def once(self, question: Hashable, find: Callable[[], T]) -> T:
        """What `find` answers about these elements, never None; it is remembered with them. `question` says all that it
        depends on."""
        found: T | None = self._answers.get(question) if self.raw else None
        if found is None:
            found = find()
            if len(self._answers) >= _ANSWERS:
                self._answers.clear()  # while another thread looks: nobody looks twice
            if self.raw:
                self._answers[question] = found
        return found


class Runs:
    """Those of files that were read before. Threads may share it."""

    def __init__(self) -> None:
        self._known: dict[bytes, Run] = {}  #: by the first bytes of their first element

    def read(self, data: mmap.mmap, walk: Iterator[Raw]) -> list[Run]:
        """The elements from where the map stands up to where `walk`, which reads from it, ends; the map stands there then.

        Raises whatever the walk does."""
        found: list[Run] = []
        chain: list[Run] = []  #: met again one behind the other
        at = data.tell()
        while True:
            head = data[at : at + _HEAD]
            run = self._known.get(head)
            if run is not None and data[at : at + len(run.raw)] == run.raw:
                found.append(run)
                chain.append(run)
                at += len(run.raw)
                continue
            self._join(chain)
            chain.clear()
            data.seek(at)
            element = next(walk, None)
            if element is None:
                return found
            found.append(self._first_seen(element, head, data, at))
            at = data.tell()

    def _first_seen(self, element: Raw, head: bytes, data: mmap.mmap, start: int) -> Run:
        """An element as a run of its own; it is remembered where its bytes are all that it depends on."""
        size, tag = data.tell() - start, int(element.tag)
        if isinstance(element, DataElement) or size > _ELEMENT_BYTES or tag == CHARACTER_SET:
            return Run(b"", {tag: element})
        raw, value = data[start : start + size], element.value or b""
        if len(value) != element.length or not (
            raw.startswith(head) and raw.endswith(value)
        ):  # written while it was read
            return Run(b"", {tag: element})
        run = Run(raw, {tag: element})
        self._keep(run)
        return run

    def _join(self, chain: Sequence[Run]) -> None:
        """Neighbours that were met again are one run from now on. It falls apart where one of them is another next time: the
        first is read anew then, and the others are still known by themselves."""
        while len(chain) > 1:
            count, size = 1, len(chain[0].raw)
            for one, other in pairwise(chain):
                size += len(other.raw)
                if size > _RUN_BYTES or not one.last < other.first:  # out of order, or twice: for whoever asks to see
                    break
                count += 1
            if count > 1:
                elements = {tag: element for run in chain[:count] for tag, element in run.elements.items()}
                self._keep(Run(b"".join(run.raw for run in chain[:count]), elements))
            chain = chain[count:]

    def _keep(self, run: Run) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[run.raw[:_HEAD]] = run
