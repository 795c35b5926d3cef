"""DIMSE command sets of C-ECHO, C-STORE, C-FIND and C-GET (PS3.7 §9.3, Annex E): implicit little endian, group 0000 alone."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from aegle.errors import BadDicom

LONGEST = 16_384  #: bytes of a command set; real ones have a few hundred
_NO_DATA_SET, _DATA_SET_FOLLOWS = 0x0101, 0x0001
_CLASS, _FIELD, _MESSAGE, _DATA_SET, _INSTANCE = 0x0002, 0x0100, 0x0110, 0x0800, 0x1000
_ANSWERS, _STATUS, _PRIORITY, _COMMENT = 0x0120, 0x0900, 0x0700, 0x0902
_REMAINING = 0x1020  #: and completed, failed, warning after it


class Field(IntEnum):
    """What a command asks for."""

    STORE = 0x0001
    GET = 0x0010
    FIND = 0x0020
    ECHO = 0x0030
    CANCEL = 0x0FFF


class Status(IntEnum):
    """Statuses that the service itself gives (PS3.7 Annex C); others are those of `errors.MEANING`."""

    SUCCESS = 0x0000
    INVALID_INSTANCE = 0x0117
    WRONG_CLASS = 0x0118
    UNKNOWN_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    NOTHING_SENT = 0xA702  #: C-GET: unable to perform sub-operations (PS3.4 Table C.4-3)
    WRONG_IDENTIFIER = 0xA900  #: C-FIND, C-GET: the identifier does not match the SOP class
    SOME_FAILED = 0xB000  #: C-GET: sub-operations complete, one or more failures
    CANNOT_UNDERSTAND = 0xC000
    CANCELLED = 0xFE00
    PENDING = 0xFF00
    PENDING_UNMATCHED = 0xFF01  #: C-FIND: an optional key is not supported for matching


@dataclass(frozen=True, kw_only=True)
class Command:
    """A request or a response as received."""

    field: int
    message: int
    sop_class: str
    sop_instance: str
    has_data_set: bool
    answers: int = 0  #: the message that it answers, or cancels
    status: int = 0  #: of a response

    @property
    def is_response(self) -> bool:
        """Whether it answers something that we asked."""
        return bool(self.field & 0x8000)


def read(content: bytes) -> Command:
    """Parse a command set. Raises BadDicom."""
    values: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise BadDicom("a command element that ends in its header (PS3.7 §6.3)")
        group, element, length = struct.unpack_from("<HHI", content, at)
        at += 8
        if group or at + length > len(content):
            raise BadDicom("a command element outside group 0000, or longer than its command (PS3.7 §6.3)")
        values[element] = content[at : at + length]
        at += length
    return Command(
        field=_number(values, _FIELD),
        message=_number(values, _MESSAGE) if _MESSAGE in values else 0,  # C-CANCEL has none
        sop_class=_uid(values, _CLASS),
        sop_instance=_uid(values, _INSTANCE),
        has_data_set=_number(values, _DATA_SET) != _NO_DATA_SET,
        answers=_number(values, _ANSWERS) if _ANSWERS in values else 0,
        status=_number(values, _STATUS) if _STATUS in values else 0,
    )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many sub-operations of a C-GET there are left, and how the others ended (PS3.7 Table 9.3-6)."""

    remaining: int
    completed: int
    failed: int
    warning: int


def answer(
    to: Command, status: int, *, has_data_set: bool = False, progress: Progress | None = None, comment: str = ""
) -> bytes:
    """A response to a request, with the SOP names it came with (PS3.7 Tables 9.3-2, 9.3-4, 9.3-7, 9.3-13). `comment` is
    for a person: at most 64 characters, of ours alone."""
    named = to.sop_instance and to.field == Field.STORE
    counts = vars(progress).values() if progress else ()
    elements = (
        _element(_CLASS, _even(to.sop_class)),
        _element(_FIELD, struct.pack("<H", to.field | 0x8000)),
        _element(_ANSWERS, struct.pack("<H", to.message)),
        _element(_DATA_SET, struct.pack("<H", _DATA_SET_FOLLOWS if has_data_set else _NO_DATA_SET)),
        _element(_STATUS, struct.pack("<H", status)),
        _element(_COMMENT, _even(comment[:64], b" ")) if comment else b"",
        _element(_INSTANCE, _even(to.sop_instance)) if named else b"",
        *(_element(_REMAINING + at, struct.pack("<H", min(count, 0xFFFF))) for at, count in enumerate(counts)),
    )
    return _whole(elements)


def store(message: int, sop_class: str, sop_instance: str) -> bytes:
    """A C-STORE request, as a sub-operation (PS3.7 Table 9.3-1)."""
    elements = (
        _element(_CLASS, _even(sop_class)),
        _element(_FIELD, struct.pack("<H", Field.STORE)),
        _element(_MESSAGE, struct.pack("<H", message)),
        _element(_PRIORITY, struct.pack("<H", 0)),
        _element(_DATA_SET, struct.pack("<H", _DATA_SET_FOLLOWS)),
        _element(_INSTANCE, _even(sop_instance)),
    )
    return _whole(elements)


def echo(message: int, sop_class: str) -> bytes:
    """A C-ECHO request (PS3.7 Table 9.3-12)."""
    elements = (
        _element(_CLASS, _even(sop_class)),
        _element(_FIELD, struct.pack("<H", Field.ECHO)),
        _element(_MESSAGE, struct.pack("<H", message)),
        _element(_DATA_SET, struct.pack("<H", _NO_DATA_SET)),
    )
    return _whole(elements)


def _whole(elements: Iterable[bytes]) -> bytes:
    body = b"".join(elements)
    return _element(0, struct.pack("<I", len(body))) + body


def _number(values: dict[int, bytes], element: int) -> int:
    value = values.get(element, b"")
    if len(value) != 2:
        raise BadDicom(f"a command without its (0000,{element:04X}), or with a wrong one (PS3.7 Annex E)")
    return int.from_bytes(value, "little")


def _uid(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").decode("ascii", "replace").strip("\0 ")


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, element, len(value)) + value


def _even(text: str, pad: bytes = b"\0") -> bytes:
    raw = text.encode("ascii", "replace")
    return raw + pad * (len(raw) % 2)
