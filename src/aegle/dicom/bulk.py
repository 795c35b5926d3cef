"""One large value of a header, found in its file by how a BulkDataURI ends: TAG, or TAG/NUMBER/TAG in a sequence."""

import mmap
import re
from pathlib import Path
from typing import NamedTuple

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from aegle.dicom import scan
from aegle.dicom.by_library import DEFLATED
from aegle.dicom.plain import Unsure
from aegle.dicom.walk import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    ITEM,
    PIXEL_DATA,
    UNDEFINED,
    BrokenEncoding,
    Buffer,
    Encoding,
    Head,
    inner_encoding,
    item_end,
    value_end,
)
from aegle.errors import NotFound

WHERE = re.compile(r"[0-9A-F]{8}(/[0-9]{1,9}/[0-9A-F]{8}){0,24}")
_ENCODINGS: dict[str, Encoding] = {ImplicitVRLittleEndian: IMPLICIT_LE, ExplicitVRBigEndian: EXPLICIT_BE}
_DELIMITER_BYTES = 8


class Span(NamedTuple):
    """Where a value lies in its file."""

    offset: int
    length: int


def locate(path: Path, where: str) -> Span:
    """The value. Raises NotFound, also for one in a deflated object."""
    absent = NotFound("the object has no large value of that name")
    if not WHERE.fullmatch(where):
        raise absent
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            syntax, start = scan.meta(data)
            if syntax == DEFLATED:
                raise absent
            return _located(data, _ENCODINGS.get(syntax, EXPLICIT_LE), start, where.split("/"))
    except (BrokenEncoding, Unsure):
        raise absent from None


def _located(data: Buffer, encoding: Encoding, pos: int, steps: list[str]) -> Span:
    end = len(data)
    for tag, number in zip(steps[::2], [*steps[1::2], ""], strict=True):
        head = _element(encoding, data, pos, end, int(tag, 16))
        if not number:
            break
        encoding = inner_encoding(encoding, head)
        pos, end = _item(encoding, data, head, end, int(number))
    if head.length == UNDEFINED:
        raise Unsure
    return Span(head.value, head.length)


def _element(encoding: Encoding, data: Buffer, pos: int, end: int, wanted: int) -> Head:
    while pos < end:
        head = encoding.head(data, pos, end)
        if head.tag == wanted:
            return head
        if head.tag > wanted or head.tag == PIXEL_DATA:
            break
        pos = value_end(encoding, data, head, end)
    raise Unsure


def _item(encoding: Encoding, data: Buffer, head: Head, end: int, number: int) -> tuple[int, int]:
    """Where an item's content begins and ends."""
    pos, stop = head.value, end if head.length == UNDEFINED else head.value + head.length
    while pos < stop:
        item = encoding.head(data, pos, stop)
        if item.tag != ITEM:
            break
        pos = item_end(encoding, data, item, stop, 1)
        if not number:
            return item.value, pos - (_DELIMITER_BYTES if item.length == UNDEFINED else 0)
        number -= 1
    raise Unsure
