"""Bodies of DICOMweb answers: JSON with gzip and ETag, files whole, in ranges or as one part, refusals as a status report."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request as DoorRequest
from starlette.responses import JSONResponse

from aegle.carrier import Piece, Request, Response, Run
from aegle.errors import AegleError
from aegle.protocols import multipart
from aegle.protocols.accept import Offer, choose

DICOM_JSON = "application/dicom+json"
_JSONS = (Offer(media_type=DICOM_JSON), Offer(media_type="application/json"))
_WORTH_PACKING_BYTES = 1_024
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def wish(request: Request) -> str:
    """What the caller accepts: the query parameter before the header (PS3.18 §8.3.3.1)."""
    return request.parameter("accept") or request.header("accept")


def plain_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any JSON, as it is."""
    return Response.of(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(),
        status,
        {"Content-Type": "application/json", **(headers or {})},
    )


def dicom_json(request: Request, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """DICOM JSON, or 304 to a caller who has it, or 204 for a search that found nothing. Raises NotAcceptable."""
    media_type = choose(wish(request), _JSONS).media_type
    if value == []:
        return Response(status=204, headers=dict(headers or {}))
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    sent = _PRIVATE | dict(headers or {}) | {"ETag": etag, "Content-Type": media_type}
    if etag in request.header("if-none-match"):
        return Response(status=304, headers=sent)
    if len(body) >= _WORTH_PACKING_BYTES and "gzip" in request.header("accept-encoding"):
        body = gzip.compress(body, 1)
        sent["Content-Encoding"] = "gzip"
    return Response.of(body, headers=sent)


def file(request: Request, path: Path, offer: Offer, digest: str) -> Response:
    """One Part 10 file as it is stored: alone (a range is served) or as the one part of a multipart body."""
    etag = f'"{digest[:32]}"'
    if etag in request.header("if-none-match"):
        return Response(status=304, headers=_PRIVATE | {"ETag": etag})
    if offer.multipart:
        return files([path])
    kind = f"{offer.media_type}; transfer-syntax={offer.transfer_syntax}"
    headers = _PRIVATE | {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": kind}
    return _ranged(request, path, path.stat().st_size, headers, etag)


def _ranged(request: Request, path: Path, size: int, headers: Mapping[str, str], etag: str) -> Response:
    """The file, or the one range that is asked for (RFC 9110 §14); several at once are answered by the whole."""
    whole = Response(headers=headers, pieces=(Run(path, 0, size),), size_bytes=size)
    wanted = _RANGE.fullmatch(request.header("range"))
    if wanted is None or not any(wanted.groups()) or request.header("if-range") not in ("", etag):
        return whole
    low, high = wanted.groups()
    start = int(low) if low else max(0, size - int(high))
    end = min(size, int(high) + 1) if low and high else size
    if start >= end:
        return Response(status=416, headers={"Content-Range": f"bytes */{size}"}, size_bytes=0)
    told = {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return Response(status=206, headers=told, pieces=(Run(path, start, end - start),), size_bytes=end - start)


def files(paths: Sequence[Path]) -> Response:
    """Several Part 10 files as the parts of one body, sent by the system: none passes through memory."""
    content_type, _ = multipart.write([], "application/dicom")
    boundary = content_type.rpartition("=")[2]
    runs = [Run(path, 0, path.stat().st_size) for path in paths]
    heads = [_part_head(boundary, run.size_bytes) for run in runs]
    end = f"--{boundary}--\r\n".encode()
    size = sum(len(head) + run.size_bytes + len(_LINE) for head, run in zip(heads, runs, strict=True)) + len(end)
    return Response(headers={"Content-Type": content_type}, pieces=_pieces(heads, runs, end), size_bytes=size)


_LINE = b"\r\n"


def _part_head(boundary: str, size: int) -> bytes:
    return f"--{boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {size}\r\n\r\n".encode()


def _pieces(heads: Sequence[bytes], runs: Sequence[Run], end: bytes) -> Iterator[Piece]:
    for head, run in zip(heads, runs, strict=True):
        yield from (head, run, _LINE)
    yield end


def refusal(error: AegleError) -> Response:
    """A refusal of ours as a status report (PS3.18 §8.5): its code, and the fact with the remedy."""
    status, report, headers = _status_report(error)
    return plain_json(report, status, headers)


async def refuse(request: DoorRequest, error: Exception) -> JSONResponse:
    """The same from the door's own server."""
    assert isinstance(error, AegleError)  # noqa: S101  (only these are registered)
    status, report, headers = _status_report(error)
    return JSONResponse(report, status, headers)


def _status_report(error: AegleError) -> tuple[int, dict[str, str], dict[str, str]]:
    meaning = error.meaning
    headers = {"Retry-After": "5"} if meaning.http == 503 else {}
    headers |= {"WWW-Authenticate": "Bearer"} if meaning.http == 401 else {}
    return meaning.http, {"code": meaning.code, "detail": str(error)}, headers
