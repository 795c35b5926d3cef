"""Frames and pixel data as they are stored (PS3.18 §10.4.1.3 and §10.4.1.4): never transcoded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aegle.carrier import Request, Response, Run
from aegle.dicom.bulk import locate
from aegle.errors import NotFound
from aegle.ports import Archive
from aegle.protocols import multipart
from aegle.protocols.accept import Offer, choose
from aegle.protocols.answers import wish
from aegle.records import StoredInstance

OCTETS = "application/octet-stream"
NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
MEDIA_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
"""Of one frame in each compressed transfer syntax (PS3.18 Table 8.7.3-5)."""
_BATCH = 16  #: frames in memory at a time


def frame_body(request: Request, archive: Archive, item: StoredInstance, numbers: Sequence[int]) -> Response:
    """The frames named, in that order. One frame is also given alone, without multipart, to who asks so.

    Raises NotFound before the first byte is sent, NotAcceptable."""
    offer = choose(wish(request), _offers(item, single=len(numbers) == 1))
    kind = f"{offer.media_type}; transfer-syntax={item.transfer_syntax}"
    found = archive.frames(item, numbers)
    if not offer.multipart:
        return Response.of(found[0], headers={"Content-Type": kind, "Cache-Control": "private, max-age=3600"})
    content_type, body = multipart.write(found, kind)
    pieces = list(body)
    return Response(headers={"Content-Type": content_type}, pieces=pieces, size_bytes=sum(map(len, pieces)))


def whole_pixels(request: Request, archive: Archive, item: StoredInstance) -> Response:
    """The whole pixel data: uncompressed as one value, compressed as a part a frame. Raises NotFound without frames."""
    if not item.frames:
        raise NotFound("the object has no pixel data")
    native = item.transfer_syntax in NATIVE
    offer = choose(wish(request), _offers(item, single=native))
    kind = f"{offer.media_type}; transfer-syntax={item.transfer_syntax}"
    pieces = _pieces(archive, item, first=list(archive.frames(item, [1])))
    if native and not offer.multipart:
        return Response(headers={"Content-Type": kind}, pieces=pieces)
    content_type, body = multipart.write(pieces, kind)
    return Response(headers={"Content-Type": content_type}, pieces=body)


def one_value(request: Request, path: Path, where: str) -> Response:
    """A large value of a header as it lies in the file, by the path that its BulkDataURI ends with. Raises NotFound."""
    offset, length = locate(path, where)
    offer = choose(wish(request), [Offer(media_type=OCTETS, multipart=form) for form in (True, False)])
    run = Run(path, offset, length)
    if not offer.multipart:
        return Response(headers={"Content-Type": OCTETS}, pieces=(run,), size_bytes=length)
    head, tail, kind = multipart.around(OCTETS, length)
    size = len(head) + length + len(tail)
    return Response(headers={"Content-Type": kind}, pieces=(head, run, tail), size_bytes=size)


def with_links(metadata: Mapping[str, Any], item: StoredInstance, url: str) -> dict[str, Any]:
    """The header with its BulkDataURIs in full, the pixels' too. `url` is the instance's."""
    told = _linked(metadata, url)
    if item.frames:
        told["7FE00010"] = {"vr": "OW" if item.transfer_syntax in NATIVE else "OB", "BulkDataURI": f"{url}/bulkdata"}
    return told


def _linked(header: Mapping[str, Any], url: str) -> dict[str, Any]:
    return {tag: _link(element, url) for tag, element in header.items()}


def _link(element: dict[str, Any], url: str) -> dict[str, Any]:
    if "BulkDataURI" in element:
        return {**element, "BulkDataURI": f"{url}/{element['BulkDataURI']}"}
    if element["vr"] == "SQ":
        return {**element, "Value": [_linked(item, url) for item in element.get("Value", ())]}
    return element


def _pieces(archive: Archive, item: StoredInstance, first: list[bytes]) -> Iterator[bytes]:
    yield from first
    for start in range(2, item.frames + 1, _BATCH):
        yield from archive.frames(item, range(start, min(start + _BATCH, item.frames + 1)))


def _offers(item: StoredInstance, *, single: bool) -> list[Offer]:
    """As its media type and as plain octets; the first is what a caller gets who does not say."""
    kinds = dict.fromkeys((MEDIA_TYPES.get(item.transfer_syntax, OCTETS), OCTETS))
    forms = (True, False) if single else (True,)
    return [
        Offer(media_type=kind, multipart=form, transfer_syntax=item.transfer_syntax) for form in forms for kind in kinds
    ]
