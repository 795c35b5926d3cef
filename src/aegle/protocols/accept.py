"""Content negotiation (RFC 9110 §12.5.1, PS3.18 §8.7.5): what of our offers a caller wants most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from aegle.errors import BadMessage, NotAcceptable

_LONGEST = 4_096  #: characters of an Accept header; a browser sends some hundred
MULTIPART = "multipart/related"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One form in which we can answer."""

    media_type: str  #: of the answer, or of each part of it
    multipart: bool = False
    transfer_syntax: str = ""  #: what the bytes are in; empty where there is none


@dataclass(frozen=True, kw_only=True)
class _Wish:
    media_type: str
    quality: float
    parameters: dict[str, str] = field(default_factory=dict)

    def fits(self, offer: Offer) -> bool:
        """`transfer-syntax=*` and no transfer syntax at all are taken as 'as it is stored'."""
        wanted, multipart = self.media_type, False
        if wanted == MULTIPART:
            wanted, multipart = self.parameters.get("type", "*/*").lower(), True
        if self.media_type != "*/*" and multipart is not offer.multipart:
            return False
        syntax = self.parameters.get("transfer-syntax", "*")
        return _covers(wanted, offer.media_type) and syntax in ("*", "", offer.transfer_syntax)


def choose(header: str, offers: Sequence[Offer]) -> Offer:
    """The offer with the highest quality, the earlier of two that are wanted alike. No header asks for anything.

    Raises NotAcceptable when none is wanted, BadMessage for a header that is no list of media types."""
    return _chosen(header or "*/*", tuple(offers))


@lru_cache(maxsize=512)  # a viewer asks for thousands of tiles in the same words
def _chosen(header: str, offers: tuple[Offer, ...]) -> Offer:
    wishes = list(_wishes(header))
    best = max(offers, key=lambda offer: _quality(wishes, offer))
    if _quality(wishes, best) <= 0:
        raise NotAcceptable("none of the forms asked for is offered; the conformance statement lists them")
    return best


def _quality(wishes: Sequence[_Wish], offer: Offer) -> float:
    """Of the most specific wish that fits: `image/*;q=0` does not take back `image/jpeg`."""
    fitting = [wish for wish in wishes if wish.fits(offer)]
    if not fitting:
        return 0.0
    return max(fitting, key=lambda wish: (-wish.media_type.count("*"), len(wish.parameters), wish.quality)).quality


def _covers(wanted: str, offered: str) -> bool:
    kind, _, _ = wanted.partition("/")
    return wanted in ("*/*", offered) or wanted == f"{kind}/*" == f"{offered.partition('/')[0]}/*"


def _wishes(header: str) -> Iterator[_Wish]:
    if len(header) > _LONGEST:
        raise BadMessage("the Accept header is too long")
    for item in _split(header, ","):
        media_type, *parameters = _split(item, ";")
        pairs = {
            name.strip().lower(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in parameters)
        }
        yield _Wish(media_type=media_type.strip().lower(), quality=_number(pairs.pop("q", "1")), parameters=pairs)


def _split(text: str, mark: str) -> list[str]:
    """Divide at a mark outside quotes."""
    parts, quoted = [""], False
    for letter in text:
        quoted ^= letter == '"'
        if letter == mark and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()] or [""]


def _number(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        raise BadMessage("a quality in the Accept header is no number") from None
