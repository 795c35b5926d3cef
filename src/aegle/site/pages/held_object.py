"""One held object for the person who decides: why, from which device, and its frames, each blurred until asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from aegle.access import Act
from aegle.deid import HoldReason
from aegle.deid.masks import Box, Device, clip
from aegle.errors import Conflict, NotFound
from aegle.intake.quarantine import Entry
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.program import SiteProgram

_AROUND_PX = 6  #: left about a suspected place by the mask that is proposed for it
_BOXES_MAX = 6  #: that are proposed


@dataclass(frozen=True)
class Looked:
    """Who saw which frames as they are, since the program started. The trail has the same, and is not read for it."""

    _seen: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def note(self, person: str, entry: Entry, frame: int) -> None:
        """A person saw a frame."""
        self._seen.setdefault((person, entry.entry_id), set()).add(frame)

    def left(self, person: str, entry: Entry, frames: int) -> list[int]:
        """Which frames with suspected text this person has not seen; every frame, where the detector named none."""
        suspected = {place.first for place in entry.places} or set(range(1, frames + 1))
        return sorted(suspected - self._seen.get((person, entry.entry_id), set()))

    def require(self, program: SiteProgram, entry: Entry, person: str) -> None:
        """Raises Conflict until the person has seen, as they are, all frames in which the detector saw text."""
        frames = 1 if entry.places else program.held_pictures.origin(entry)[1]
        if left := self.left(person, entry, frames):
            raise Conflict(f"Look first, as it is, at frame {', '.join(map(str, left[:20]))}.")


@dataclass(frozen=True, kw_only=True)
class HeldObject:
    """The look page and its pictures."""

    shell: Shell
    program: SiteProgram
    looked: Looked
    told: Callable[[Entry], dict[str, Any]]

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        inspect, look = Act.SITE_QUARANTINE_INSPECT, Act.SITE_QUARANTINE_LOOK
        return (
            Page(path="/held/{entry}", act=inspect, answer=self.inspect, subject="entry"),
            Page(path="/held/{entry}/blurred.png", act=inspect, answer=self.blurred, subject="entry"),
            Page(path="/held/{entry}/picture.png", act=look, answer=self.sharp, subject="entry"),
        )

    def inspect(self, visit: Visit) -> Response:
        """One object: why it is held, which device made it, and one of its frames, blurred until it is asked for."""
        entry = self._entry(visit)
        device, frames = self.program.held_pictures.origin(entry)
        suspected = sorted({place.first for place in entry.places})
        frame = _frame(visit, default=suspected[0] if suspected else 1)
        if frame > frames:
            raise NotFound(f"This object has {frames} frame(s).")
        is_sharp = "sharp" in visit.request.query_params
        left = self.looked.left(visit.principal.name, entry, frames)
        return self.shell.show(
            visit,
            "held-object.html",
            entry=self.told(entry),
            device=device,
            has_picture=device is not None and device.rows > 1 and device.columns > 1,
            is_sharp=is_sharp,
            frame=frame,
            frames=frames,
            suspected=suspected,
            unseen=[number for number in left if not (is_sharp and number == frame)],
            boxes=_boxes(entry.places, device),
            may_settle=visit.principal.may(Act.SITE_QUARANTINE_SETTLE),
            is_text=entry.reason is HoldReason.TEXT_SUSPECTED,
        )

    def blurred(self, visit: Visit) -> Response:
        """A frame in which shapes stay and no letter does."""
        return self._picture(visit, sharp=False)

    def sharp(self, visit: Visit) -> Response:
        """A frame as it is. Who saw which goes into the trail, and counts for letting suspected text in."""
        visit.facts["frame"] = _frame(visit)
        answer = self._picture(visit, sharp=True)
        self.looked.note(visit.principal.name, self._entry(visit), _frame(visit))
        return answer

    def _picture(self, visit: Visit, *, sharp: bool) -> Response:
        picture = self.program.held_pictures.picture(self._entry(visit), sharp=sharp, frame=_frame(visit))
        return Response(picture, media_type="image/png")

    def _entry(self, visit: Visit) -> Entry:
        return self.program.quarantine.entry(visit.request.path_params["entry"])


def _frame(visit: Visit, default: int = 1) -> int:
    said = visit.request.query_params.get("frame", str(default))
    if not said.isascii() or not said.isdecimal() or not 0 < int(said[:9]) == int(said):
        raise NotFound("Frames are numbered from 1.")
    return int(said)


def _boxes(places: Sequence[Box], device: Device | None) -> list[str]:
    """What `aegle quarantine fix` would be told to paint over, in every frame; empty where it is too much to propose."""
    if device is None:
        return []
    around = (
        Box(
            place.left - _AROUND_PX, place.top - _AROUND_PX, place.width + 2 * _AROUND_PX, place.height + 2 * _AROUND_PX
        )
        for place in places
    )
    within = {clip(box, device.columns, device.rows) for box in around} - {None}
    boxes = [f"{box.left},{box.top},{box.width},{box.height}" for box in within if box]
    return sorted(boxes) if len(boxes) <= _BOXES_MAX else []
