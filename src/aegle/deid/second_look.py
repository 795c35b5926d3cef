"""A second opinion on pictures that are about to leave: a text detector in a child process with no keys.

It holds what it doubts for a person to look at, and never changes a picture. Drawn letters are found without a model; an
extra (`pip install aegle[text]`) adds RapidOCR, whose models come in its wheel; nothing is downloaded.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from aegle.deid.child import Child
from aegle.deid.classes import CLASSES, PixelRisk
from aegle.deid.masks import Box
from aegle.deid.outcome import Deidentified, TextRisk
from aegle.deid.reasons import Held, HoldReason

_CHILD = "aegle.deid.text_reader"


class Looking(StrEnum):
    """Which pictures get a second look."""

    NONE = "none"
    UNVOUCHED = (
        "unvouched"  #: what may hold text, where nothing but the word of whatever captured it says that it does not
    )
    RISKY = "risky"  #: whatever may hold text, also where a person's rule or a camera says that it does not
    ALL = "all"  #: every picture


#: The least risk at which a picture is looked at.
_FROM = {Looking.UNVOUCHED: TextRisk.UNVOUCHED, Looking.RISKY: TextRisk.VOUCHED, Looking.ALL: TextRisk.NONE}


class SecondLook:
    """The detector. Its child starts with the first picture."""

    def __init__(self, looking: Looking) -> None:
        self._looking = looking
        self._child = Child(_CHILD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child. Idempotent."""
        self._child.close()

    def doubt(self, written: Path, done: Deidentified) -> Held | None:
        """None when there is no text to be seen in the written picture, or none to look at."""
        if not self._is_due(done):
            return None
        answer = self._child.ask({"path": str(written)})
        if answer is None:
            return Held(reason=HoldReason.TEXT_SUSPECTED, detail="the text detector could not look at the picture")
        places = tuple(Box(*place) for place in answer["places"])
        return (
            Held(reason=HoldReason.TEXT_SUSPECTED, detail=_told(places, answer["frames"]), places=places)
            if places
            else None
        )

    def _is_due(self, done: Deidentified) -> bool:
        if self._looking is Looking.NONE or CLASSES[done.alias.sop_class].risk is PixelRisk.NONE:
            return False
        return done.text_risk >= _FROM[self._looking]


def _told(places: Sequence[Box], frames: int) -> str:
    """Where the text is, and never what it says."""
    numbers = sorted({place.first for place in places})
    named = f"frame{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))} of {frames}: " if frames > 1 else ""
    left, top, width, height, *_ = places[0]
    return f"{named}{len(places)} place(s), the first {width}x{height} pixels at {left},{top}"
