"""The messages of the DICOM upper layer that an acceptor meets (PS3.8 §9.3), as bytes and back. Knows no sockets.

Everything here is given what a stranger sent: a length is believed only as far as the bytes go.
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from aegle.dicom.identity import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from aegle.errors import BadDicom

HEADER_BYTES = 6
LONGEST = 131_072  #: of a P-DATA-TF that we ask for, in bytes without its header
LONGEST_REQUEST = 262_144  #: 128 contexts with every transfer syntax there is, and room
SHORTEST = 1_024  #: of a P-DATA-TF that a requestor may ask for: every command of ours is shorter
FIXED = 68  #: of an A-ASSOCIATE, before its items
MOST_CONTEXTS = 128
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"


class Kind(IntEnum):
    """PDU types."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    DATA = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


class AbortReason(IntEnum):
    """Why we, the provider, break off (PS3.8 Table 9-26)."""

    UNSPECIFIED = 0
    UNRECOGNIZED = 1
    UNEXPECTED = 2
    INVALID_VALUE = 6


class Rejection(Enum):
    """Why an association is not made, as result, source and diagnostic (PS3.8 Table 9-21)."""

    APPLICATION_CONTEXT = (1, 1, 2)
    UNKNOWN_PEER = (1, 1, 3)
    WRONG_AE_TITLE = (1, 1, 7)
    PROTOCOL_VERSION = (1, 2, 2)
    CONGESTION = (2, 3, 1)
    TOO_MANY_ASSOCIATIONS = (2, 3, 2)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One presentation context as the requestor proposes it."""

    number: int  #: odd, 1 to 255
    abstract: str
    syntaxes: tuple[str, ...]  #: in the requestor's order


@dataclass(frozen=True, kw_only=True)
class Request:
    """An A-ASSOCIATE-RQ."""

    called: str
    calling: str
    version: int  #: bit field of protocol versions
    application_context: bytes
    proposals: tuple[Proposal, ...]
    titles: bytes  #: both titles as sent; an answer returns them (PS3.8 Table 9-17)
    longest: int  #: of a P-DATA-TF that the requestor takes, in bytes without its header; 0 for no limit
    providers: frozenset[str]  #: abstract syntaxes of which the requestor wants to be SCP (PS3.7 §D.3.3.4)


@dataclass(frozen=True, kw_only=True)
class Context:
    """A presentation context that both sides agreed on."""

    abstract: str
    syntax: str


def read_request(body: bytes) -> Request:
    """Parse an A-ASSOCIATE-RQ without its header. Raises BadDicom."""
    if len(body) < FIXED:
        raise BadDicom("an association request that ends in its fixed part (PS3.8 Table 9-11)")
    application_context, proposals, user = b"", [], b""
    for kind, content in items(body[FIXED:]):
        if kind == 0x10:
            application_context = content.rstrip(b"\0 ")
        elif kind == 0x20:
            proposals.append(_read_proposal(content))
        elif kind == 0x50:
            user = content
    longest, providers = read_user(user)
    if not proposals or len(proposals) > MOST_CONTEXTS or len({item.number for item in proposals}) < len(proposals):
        raise BadDicom("an association request needs 1 to 128 presentation contexts, each with its own number")
    return Request(
        called=_text(body[4:20]),
        calling=_text(body[20:36]),
        version=int.from_bytes(body[:2], "big"),
        application_context=application_context,
        proposals=tuple(proposals),
        titles=body[4:36],
        longest=longest,
        providers=providers,
    )


def read_user(content: bytes) -> tuple[int, frozenset[str]]:
    """What of the user information binds us: the longest message, and the roles."""
    longest, providers = 0, set()
    for kind, value in items(content):
        if kind == 0x51 and len(value) == 4:
            longest = int.from_bytes(value, "big")
        elif kind == 0x54 and len(value) >= 4 and value[-1] == 1:
            providers.add(_text(value[2 : 2 + int.from_bytes(value[:2], "big")]))
    if 0 < longest < SHORTEST:
        raise BadDicom(f"a requestor that takes less than {SHORTEST} bytes at a time cannot be answered")
    return longest, frozenset(providers)


def _read_proposal(content: bytes) -> Proposal:
    if len(content) < 4 or content[0] % 2 == 0:
        raise BadDicom("a presentation context has an odd number (PS3.8 Table 9-13)")
    inner = list(items(content[4:]))
    abstract = [_text(value) for kind, value in inner if kind == 0x30]
    syntaxes = tuple(_text(value) for kind, value in inner if kind == 0x40)
    if len(abstract) != 1 or not syntaxes:
        raise BadDicom("a presentation context has one abstract syntax and some transfer syntax (PS3.8 Table 9-13)")
    return Proposal(number=content[0], abstract=abstract[0], syntaxes=syntaxes)


def items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The items that stand one after the other, as type and content. Raises BadDicom."""
    at = 0
    while at < len(content):
        if at + 4 > len(content):
            raise BadDicom("an item that ends in its header (PS3.8 §9.3)")
        kind, length = struct.unpack_from(">BxH", content, at)
        at += 4
        if at + length > len(content):
            raise BadDicom("an item longer than what holds it (PS3.8 §9.3)")
        yield kind, content[at : at + length]
        at += length


def _text(raw: bytes) -> str:
    """A title or UID; what is not ASCII stays visible and matches nothing of ours."""
    return raw.decode("ascii", "backslashreplace").strip("\0 ")


def speaks_dicom(request: Request) -> bool:
    """Whether the request is for the one application context that there is (PS3.7 §A.2.1)."""
    return request.application_context == APPLICATION_CONTEXT


def agree(request: Request, served: Mapping[str, Collection[str]]) -> dict[int, Context]:
    """The contexts we take: of each the first transfer syntax, in the requestor's order, that is served for it."""
    agreed = {}
    for it in request.proposals:
        known = served.get(it.abstract, ())
        for syntax in it.syntaxes:
            if syntax in known:
                agreed[it.number] = Context(abstract=it.abstract, syntax=syntax)
                break
    return agreed


def accept(
    request: Request, agreed: Mapping[int, Context], served: Collection[str], providers: Iterable[str] = ()
) -> bytes:
    """An A-ASSOCIATE-AC: each proposed context accepted, or refused with its reason (PS3.8 Table 9-18). Of `providers` the
    requestor is SCP alone, by its own wish."""
    contexts = b"".join(_answer(it, agreed.get(it.number), it.abstract in served) for it in request.proposals)
    roles = (struct.pack(">H", len(uid)) + uid.encode("ascii") + b"\0\1" for uid in sorted(providers))
    user = (
        item(0x51, LONGEST.to_bytes(4, "big"))
        + item(0x52, IMPLEMENTATION_UID.encode())
        + b"".join(item(0x54, role) for role in roles)
        + item(0x55, IMPLEMENTATION_NAME.encode())
    )
    body = b"\0\1\0\0" + request.titles + bytes(32)
    return whole(Kind.ASSOCIATE_AC, body + item(0x10, APPLICATION_CONTEXT) + contexts + item(0x50, user))


def _answer(proposed: Proposal, context: Context | None, is_served: bool) -> bytes:
    result = 0 if context else 4 if is_served else 3
    syntax = context.syntax if context else proposed.syntaxes[0]  # not to be looked at where refused, and yet required
    return item(0x21, bytes((proposed.number, 0, result, 0)) + item(0x40, syntax.encode("ascii", "replace")))


def reject(reason: Rejection) -> bytes:
    """An A-ASSOCIATE-RJ."""
    return whole(Kind.ASSOCIATE_RJ, bytes((0, *reason.value)))


def release() -> bytes:
    """An A-RELEASE-RP."""
    return whole(Kind.RELEASE_RP, bytes(4))


def abort(reason: AbortReason, source: int = 2) -> bytes:
    """An A-ABORT, by the service provider (2) or its user (0)."""
    return whole(Kind.ABORT, bytes((0, 0, source, reason)))


def command(context: int, content: bytes) -> bytes:
    """A P-DATA-TF with a whole command in one fragment."""
    return whole(Kind.DATA, struct.pack(">IBB", len(content) + 2, context, 0x03) + content)


def data(context: int, content: bytes, *, is_last: bool) -> bytes:
    """A P-DATA-TF with one fragment of a data set."""
    return whole(Kind.DATA, struct.pack(">IBB", len(content) + 2, context, 0x02 if is_last else 0) + content)


def fitting(longest: int) -> int:
    """How many bytes of a data set fit a P-DATA-TF for a requestor that takes `longest`."""
    return min(longest or LONGEST, LONGEST) - HEADER_BYTES


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """One presentation data value (PS3.8 §9.3.5.1, Annex E.2)."""

    context: int
    is_command: bool
    is_last: bool
    content: memoryview


def fragments(body: memoryview) -> Iterator[Fragment]:
    """What a P-DATA-TF holds, in order, without a copy. Raises BadDicom."""
    at = 0
    while at < len(body):
        if at + 6 > len(body):
            raise BadDicom("a data value that ends in its header (PS3.8 Table 9-23)")
        length, context, flags = struct.unpack_from(">IBB", body, at)
        end = at + 4 + length
        if length < 2 or end > len(body):
            raise BadDicom("a data value longer than what holds it (PS3.8 Table 9-23)")
        yield Fragment(context=context, is_command=bool(flags & 1), is_last=bool(flags & 2), content=body[at + 6 : end])
        at = end


def item(kind: int, content: bytes) -> bytes:
    """An item or sub-item."""
    return struct.pack(">BxH", kind, len(content)) + content


def whole(kind: Kind, body: bytes) -> bytes:
    """A PDU with its header."""
    return struct.pack(">BxI", kind, len(body)) + body
