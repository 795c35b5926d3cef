"""Frames and pixel data as they are stored (PS3.18 §10.4.1.3 and §10.4.1.4): never transcoded."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

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
_BLOCK = 1 << 20
_BATCH = 16  #: frames in memory at a time


def frame_body(request: Request, archive: Archive, item: StoredInstance, numbers: Sequence[int]) -> Response:
    """The frames named, in that order. One frame is also given alone, without multipart, to who asks so.

    Raises NotFound before the first byte is sent, NotAcceptable."""
    offer = choose(wish(request), _offers(item, single=len(numbers) == 1))
    kind = f"{offer.media_type}; transfer-syntax={item.transfer_syntax}"
    found = archive.frames(item, numbers)
    if not offer.multipart:
        return Response(found[0], media_type=kind, headers={"Cache-Control": "private, max-age=3600"})
    content_type, body = multipart.write(found, kind)
    return Response(b"".join(body), headers={"Content-Type": content_type})


def whole_pixels(request: Request, archive: Archive, item: StoredInstance) -> Response:
    """The whole pixel data: uncompressed as one value, compressed as a part a frame. Raises NotFound without frames."""
    if not item.frames:
        raise NotFound("the object has no pixel data")
    native = item.transfer_syntax in NATIVE
    offer = choose(wish(request), _offers(item, single=native))
    kind = f"{offer.media_type}; transfer-syntax={item.transfer_syntax}"
    pieces = _pieces(archive, item, first=list(archive.frames(item, [1])))
    if native and not offer.multipart:
        return StreamingResponse(pieces, media_type=kind)
    content_type, body = multipart.write(pieces, kind)
    return StreamingResponse(body, headers={"Content-Type": content_type})


def one_value(request: Request, path: Path, where: str) -> Response:
    """A large value of a header as it lies in the file, by the path that its BulkDataURI ends with. Raises NotFound."""
    offset, length = locate(path, where)
    offer = choose(wish(request), [Offer(media_type=OCTETS, multipart=form) for form in (True, False)])
    if not offer.multipart:
        headers = {"Content-Length": str(length)}
        return StreamingResponse(_span(path, offset, length), media_type=OCTETS, headers=headers)
    head, tail, kind = multipart.around(OCTETS, length)
    headers = {"Content-Type": kind, "Content-Length": str(len(head) + length + len(tail))}
    return StreamingResponse(chain((head,), _span(path, offset, length), (tail,)), headers=headers)


def _span(path: Path, offset: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(offset)
        while length and (block := stream.read(min(length, _BLOCK))):
            length -= len(block)
            yield block


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
