"""DIMSE command sets of C-ECHO and C-STORE (PS3.7 §9.3, Annex E): implicit little endian, group 0000 alone."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from aegle.errors import BadDicom

LONGEST = 16_384  #: bytes of a command set; real ones have a few hundred
_NO_DATA_SET = 0x0101
_CLASS, _FIELD, _MESSAGE, _DATA_SET, _INSTANCE = 0x0002, 0x0100, 0x0110, 0x0800, 0x1000
_ANSWERS, _STATUS = 0x0120, 0x0900


class Field(IntEnum):
    """What a command asks for."""

    STORE = 0x0001
    ECHO = 0x0030
    CANCEL = 0x0FFF


class Status(IntEnum):
    """Statuses that the service itself gives (PS3.7 Annex C); others are those of `errors.MEANING`."""

    SUCCESS = 0x0000
    INVALID_INSTANCE = 0x0117
    WRONG_CLASS = 0x0118
    UNKNOWN_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, kw_only=True)
class Command:
    """A request as received."""

    field: int
    message: int
    sop_class: str
    sop_instance: str
    has_data_set: bool

    @property
    def is_response(self) -> bool:
        """Whether it answers something; nobody here has asked."""
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
    )


def answer(to: Command, status: int) -> bytes:
    """The response to a request, with the SOP names it came with (PS3.7 Table 9.3-2, 9.3-13)."""
    named = to.sop_instance and to.field == Field.STORE
    elements = (
        _element(_CLASS, _even(to.sop_class)),
        _element(_FIELD, struct.pack("<H", to.field | 0x8000)),
        _element(_ANSWERS, struct.pack("<H", to.message)),
        _element(_DATA_SET, struct.pack("<H", _NO_DATA_SET)),
        _element(_STATUS, struct.pack("<H", status)),
        _element(_INSTANCE, _even(to.sop_instance)) if named else b"",
    )
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


def _even(text: str) -> bytes:
    raw = text.encode("ascii", "replace")
    return raw + b"\0" * (len(raw) % 2)
