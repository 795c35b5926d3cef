"""Bodies of DICOMweb answers: JSON with gzip and ETag, files whole, in ranges or as one part, refusals as a status report."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from aegle.errors import AegleError
from aegle.protocols import multipart
from aegle.protocols.accept import Offer, choose

DICOM_JSON = "application/dicom+json"
_JSONS = (Offer(media_type=DICOM_JSON), Offer(media_type="application/json"))
_BLOCK = 1 << 20
_WORTH_PACKING_BYTES = 1_024
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}


def wish(request: Request) -> str:
    """What the caller accepts: the query parameter before the header (PS3.18 §8.3.3.1)."""
    return request.query_params.get("accept") or request.headers.get("accept", "")


def dicom_json(request: Request, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """DICOM JSON, or 304 to a caller who has it, or 204 for a search that found nothing. Raises NotAcceptable."""
    media_type = choose(wish(request), _JSONS).media_type
    if value == []:
        return Response(status_code=204, headers=dict(headers or {}))
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    sent = _PRIVATE | dict(headers or {}) | {"ETag": f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'}
    if sent["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=sent)
    if len(body) >= _WORTH_PACKING_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1)
        sent["Content-Encoding"] = "gzip"
    return Response(body, media_type=media_type, headers=sent)


def file(request: Request, path: Path, offer: Offer, digest: str) -> Response:
    """One Part 10 file as it is stored: alone (ranges are served) or as the one part of a multipart body."""
    etag = f'"{digest[:32]}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=_PRIVATE | {"ETag": etag})
    if offer.multipart:
        return files([path])
    kind = f"{offer.media_type}; transfer-syntax={offer.transfer_syntax}"
    answer = FileResponse(path, media_type=kind, headers=_PRIVATE)
    answer.headers["ETag"] = etag
    return answer


def files(paths: Sequence[Path]) -> Response:
    """Several Part 10 files as the parts of one body; memory: a megabyte, two while one is sent."""
    content_type, _ = multipart.write([], "application/dicom")
    boundary = content_type.rpartition("=")[2]
    parts = [_part(path, boundary) for path in paths]
    end = f"--{boundary}--\r\n".encode()
    size = sum(len(part.head) + part.size_bytes + len(_LINE) for part in parts) + len(end)
    headers = {"Content-Length": str(size), "Content-Type": content_type}
    body = _blocks(parts, end)
    if size <= _BLOCK:
        return Response(b"".join(body), headers=headers)
    return StreamingResponse(body, headers=headers)


class _Part(NamedTuple):
    path: Path
    head: bytes
    size_bytes: int


_LINE = b"\r\n"


def _part(path: Path, boundary: str) -> _Part:
    size = path.stat().st_size
    return _Part(
        path, f"--{boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {size}\r\n\r\n".encode(), size
    )


def _blocks(parts: Sequence[_Part], end: bytes) -> Iterator[bytes]:
    """Blocks of about a megabyte: what is small goes with its neighbours."""
    held, size = list[bytes](), 0
    for piece in _pieces(parts, end):
        held.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _pieces(parts: Sequence[_Part], end: bytes) -> Iterator[bytes]:
    for path, head, _ in parts:
        yield head
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                yield block
        yield _LINE
    yield end


async def refuse(request: Request, error: Exception) -> Response:
    """A refusal of ours as a status report (PS3.18 §8.5): its code, and the fact with the remedy."""
    assert isinstance(error, AegleError)  # noqa: S101  (only these are registered)
    meaning = error.meaning
    headers = {"Retry-After": "5"} if meaning.http == 503 else {}
    headers |= {"WWW-Authenticate": "Bearer"} if meaning.http == 401 else {}
    return JSONResponse({"code": meaning.code, "detail": str(error)}, meaning.http, headers)
