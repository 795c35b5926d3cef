"""The Part 10 file around a data set: its file meta group read and written (PS3.10 §7.1)."""

import mmap
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

from aegle.deid.bare import bare_syntax
from aegle.deid.reasons import FirstSeen, HoldReason
from aegle.dicom.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, BrokenEncoding, Buffer, Encoding

IMPLEMENTATION_CLASS_UID = "2.25.310537898599605036630900832192921062084"
IMPLEMENTATION_VERSION = "AEGLE_0_1"
INFLATED_MAX_BYTES = 4 << 30
_PREAMBLE = bytes(128) + b"DICM"
_ROOT = "1.2.840.10008.1.2"

DEFLATED = _ROOT + ".1.99"


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """How one transfer syntax carries data set and pixels."""

    encoding: Encoding
    codec: str  #: `native`, `raw`, `rle`, `jpeg` or `j2k`


#: Transfer syntaxes whose pixel data can be shown to hold no text.
SYNTAXES: Mapping[str, Syntax] = {
    _ROOT: Syntax(encoding=IMPLICIT_LE, codec="native"),
    _ROOT + ".1": Syntax(encoding=EXPLICIT_LE, codec="native"),
    DEFLATED: Syntax(encoding=EXPLICIT_LE, codec="native"),
    _ROOT + ".2": Syntax(encoding=EXPLICIT_BE, codec="native"),
    _ROOT + ".1.98": Syntax(encoding=EXPLICIT_LE, codec="raw"),
    _ROOT + ".5": Syntax(encoding=EXPLICIT_LE, codec="rle"),
    **{f"{_ROOT}.4.{arc}": Syntax(encoding=EXPLICIT_LE, codec="jpeg") for arc in (*range(50, 59), 70, 80, 81)},
    **{f"{_ROOT}.4.{arc}": Syntax(encoding=EXPLICIT_LE, codec="j2k") for arc in (90, 91, 92, 93, 201, 202, 203)},
}


#: Why the others are held, by how their UIDs begin.
HELD_SYNTAXES: Mapping[str, str] = {
    f"{_ROOT}.4.10": "video: its streams carry text beside the pictures, and its pictures are not looked at",
    f"{_ROOT}.4.11": "JPEG XL: its boxes and extensions can hold text that we do not walk yet",
    f"{_ROOT}.4.20": "JPIP: the pixels lie on a server",
    f"{_ROOT}.4.9": "JPIP: the pixels lie on a server",
    f"{_ROOT}.4.5": "hierarchical JPEG: several images a frame",
    f"{_ROOT}.4.6": "hierarchical JPEG: several images a frame",
    f"{_ROOT}.7": "video over a network: no file holds it",
    f"{_ROOT}.8": "frames deflated one by one: not walked yet",
}

_ARCHIVES = {
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}


#: How the file meta group begins, and its SOP Instance UID.
_GROUP_LENGTH, _INSTANCE = b"DICM\2\0\0\0UL\4\0", b"\2\0\3\0UI"
_GROUP_MAX_BYTES = 4096


class Holding(Exception):
    """Stops the work on one object; the engine turns it into `Held`. Never leaves this room."""

    def __init__(self, reason: HoldReason, detail: str, first_seen: frozenset[FirstSeen] = frozenset()) -> None:
        super().__init__(detail)
        self.reason, self.first_seen = reason, first_seen


def read_meta(data: Buffer) -> tuple[str, int]:
    """Transfer syntax UID and the position of the data set, of a bare data set too. Raises Holding, BrokenEncoding."""
    if known := _read_before(data):
        return known
    syntax, pos = "", 132
    if data[128:132] != b"DICM":
        syntax, pos = bare_syntax(data), 0
        if not syntax and data[:4] != b"\2\0\0\0":
            archive = next((name for start, name in _ARCHIVES.items() if data[: len(start)] == start), "")
            unread = (
                f"{archive}: unpack it first" if archive else "no DICM mark at byte 128, and no data set at the first"
            )
            raise Holding(HoldReason.NOT_DICOM, unread)
    while pos < len(data) and data[pos : pos + 2] == b"\2\0":
        head = EXPLICIT_LE.head(data, pos, len(data))
        if head.value + head.length > len(data):
            raise Holding(HoldReason.MALFORMED, "file meta of undefined length")
        pos = head.value + head.length
        if head.tag == 0x00020010:
            syntax = data[head.value : pos].decode("latin-1").strip("\0 ")
    if syntax not in SYNTAXES:
        why = next(
            (why for start, why in HELD_SYNTAXES.items() if syntax.startswith(start)), "missing, or not a known one"
        )
        raise Holding(HoldReason.UNSUPPORTED_TRANSFER_SYNTAX, why)
    return syntax, pos


def _read_before(data: Buffer) -> tuple[str, int] | None:
    """As `read_meta` where the group is as another object's but for the SOP Instance UID; None for any other."""
    if data[128:140] != _GROUP_LENGTH:
        return None
    end = 144 + int.from_bytes(data[140:144], "little")
    group = data[144:end] if end <= _GROUP_MAX_BYTES else b""
    at = group.find(_INSTANCE)
    after = at + 8 + int.from_bytes(group[at + 6 : at + 8], "little")
    if at < 0 or after > len(group) or len(group) != end - 144 or data[end : end + 2] == b"\2\0":
        return None
    syntax = _syntax_around(group[:at], group[after:])
    return (syntax, end) if syntax in SYNTAXES else None


@lru_cache(maxsize=64)
def _syntax_around(before: bytes, after: bytes) -> str:
    """The Transfer Syntax UID among the elements before and after an instance's UID; empty where they are not whole."""
    syntax = ""
    for elements in (before, after):
        pos = 0
        while pos < len(elements):
            try:
                head = EXPLICIT_LE.head(elements, pos, len(elements))
            except BrokenEncoding:
                return ""
            pos = head.value + head.length
            if head.tag >> 16 != 2 or pos > len(elements):
                return ""
            if head.tag == 0x00020010:
                syntax = elements[head.value : pos].decode("latin-1").strip("\0 ")
    return syntax


def write_meta(sop_class: str, sop_uid: str, syntax: str) -> bytes:
    """Preamble of zeros, mark and file meta group; nothing of the source's own."""
    before, after = _around(sop_class, syntax)
    uid = EXPLICIT_LE.emit(0x00020003, b"UI", sop_uid.encode())
    size = struct.pack("<L", len(before) + len(uid) + len(after))
    return b"".join((_PREAMBLE, EXPLICIT_LE.emit(0x00020000, b"UL", size), before, uid, after))


@lru_cache(maxsize=64)
def _around(sop_class: str, syntax: str) -> tuple[bytes, bytes]:
    """The elements before and after an object's own UID, the same for all of its kind."""
    emit = EXPLICIT_LE.emit
    before = (emit(0x00020001, b"OB", b"\0\1"), emit(0x00020002, b"UI", sop_class.encode()))
    after = (
        emit(0x00020010, b"UI", syntax.encode()),
        emit(0x00020012, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
        emit(0x00020013, b"SH", IMPLEMENTATION_VERSION.encode()),
    )
    return b"".join(before), b"".join(after)


def inflate(data: Buffer, pos: int, scratch: IO[bytes]) -> mmap.mmap:
    """The data set of a deflated file (PS3.5 §A.5), inflated into `scratch` piece by piece and mapped from there."""
    stream, written, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, b""
    try:
        while not stream.eof:
            fresh = rest or data[pos : pos + 65536]
            pos += 0 if rest else len(fresh)
            piece = stream.decompress(fresh, 1 << 20)
            rest = stream.unconsumed_tail
            if not fresh and not piece:
                raise Holding(HoldReason.TRUNCATED, "the deflated data set is cut short")
            written += scratch.write(piece)
            if written > INFLATED_MAX_BYTES:
                raise Holding(HoldReason.TOO_LARGE, "inflates beyond the bound")
    except zlib.error:
        raise Holding(HoldReason.MALFORMED, "the deflated data set cannot be inflated") from None
    if not written:
        raise Holding(HoldReason.MALFORMED, "an empty data set")
    scratch.flush()
    return mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ)
