"""Rendered images and thumbnails (PS3.18 §10.4.1.1.3, §8.3.5): what is asked for, within bounds; who draws is passed in."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aegle.carrier import Request, Response
from aegle.errors import BadMessage, NotAcceptable, NotFound, TooLarge, Unreadable
from aegle.protocols import multipart
from aegle.protocols.accept import Offer, choose
from aegle.protocols.answers import wish
from aegle.records import StoredInstance

VIEWPORT_MAX_PX = 4_096  #: of either side
THUMBNAIL_PX = 128
IMAGES_MAX = 32  #: in one answer
_KNOWN = frozenset({"accept", "quality", "viewport", "window"})
_FUNCTIONS = ("linear", "linear-exact", "sigmoid")
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?([eE][+-]?\d{1,2})?")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How an image is to be drawn; see PS3.18 Table 8.3.5-1."""

    media_type: str
    quality: int = 90
    viewport: tuple[int, int] | None = None
    region: tuple[int, int, int, int] | None = None  #: left, top, width, height in the frame
    window: tuple[float, float, str] | None = None  #: centre, width, function


Draw = Callable[[StoredInstance, int, Wanted], bytes]
"""(instance, frame from 1, how): the image file. Raises Unreadable for pixels that it does not draw."""


def rendered(request: Request, draw: Draw, shown: Sequence[tuple[StoredInstance, int]]) -> Response:
    """The frames named, each a part where there are several. Raises BadMessage, NotAcceptable, TooLarge."""
    if len(shown) > IMAGES_MAX:
        raise TooLarge(f"more than {IMAGES_MAX} images in one answer; ask for each alone")
    offer = choose(wish(request), _offers(single=len(shown) == 1))
    how = _wanted(request, offer.media_type)
    try:
        drawn = [draw(item, frame, how) for item, frame in shown]
    except Unreadable:
        raise NotAcceptable("these pixels are not rendered; retrieve them as they are stored") from None
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
    if not offer.multipart:
        return Response.of(drawn[0], headers=headers | {"Content-Type": offer.media_type})
    content_type, body = multipart.write(drawn, offer.media_type)
    return Response.of(b"".join(body), headers=headers | {"Content-Type": content_type})


def thumbnail(request: Request, draw: Draw, items: Sequence[StoredInstance], frame: int | None = None) -> Response:
    """One image for all: of an image that has one frame where there is one, the frame in its middle where not."""
    images = [item for item in items if item.frames]
    if not images:
        raise NotFound("nothing there has an image")
    item = min(images, key=lambda it: (it.frames > 1, it.frames))
    return rendered(request, draw, [(item, frame or (item.frames + 1) // 2)])


def _offers(*, single: bool) -> list[Offer]:
    forms = (False, True) if single else (True,)
    return [Offer(media_type=kind, multipart=form) for form in forms for kind in ("image/jpeg", "image/png")]


def _wanted(request: Request, media_type: str) -> Wanted:
    given = dict(request.query)
    if given.keys() - _KNOWN or len(given) < len(request.query):
        raise BadMessage(f"an image is asked for with {', '.join(sorted(_KNOWN))}, each once, and nothing else")
    small = request.path.rstrip("/").endswith("/thumbnail")
    viewport, region = _viewport(given, THUMBNAIL_PX if small else 0)
    return Wanted(
        media_type=media_type,
        quality=int(_numbers(given.get("quality", "90"), "quality", 1, 1, 100)[0]),
        viewport=viewport,
        region=region,
        window=_window(given["window"]) if "window" in given else None,
    )


def _viewport(
    given: Mapping[str, str], default: int
) -> tuple[tuple[int, int] | None, tuple[int, int, int, int] | None]:
    text = given.get("viewport")
    if text is None:
        return ((default, default) if default else None), None
    size, region = text.split(",")[:2], text.split(",")[2:]
    width, height = (int(it) for it in _numbers(",".join(size), "viewport", 2, 1, VIEWPORT_MAX_PX))
    if not region:
        return (width, height), None
    left, top, wide, high = (int(it) for it in _numbers(",".join(region), "viewport", 4, 0, 2**31))
    if not (wide and high):
        raise BadMessage("a region of no size")
    return (width, height), (left, top, wide, high)


def _window(text: str) -> tuple[float, float, str]:
    numbers, _, function = text.rpartition(",")
    centre, width = _numbers(numbers, "window", 2, -1e9, 1e9)
    name = function.strip().lower().replace("_", "-")
    if name not in _FUNCTIONS or width < (1 if name == "linear" else 1e-6):
        raise BadMessage(f"a window is CENTRE,WIDTH,FUNCTION; the function is one of {', '.join(_FUNCTIONS)}")
    return centre, width, name


def _numbers(text: str, name: str, count: int, least: float, most: float) -> list[float]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != count or not all(map(_NUMBER.fullmatch, parts)):
        raise BadMessage(f"{name} is {count} number(s)")
    values = [float(part) for part in parts]
    if not all(math.isfinite(value) and least <= value <= most for value in values):
        raise BadMessage(f"each number of {name} is from {least:g} to {most:g}")
    return values
