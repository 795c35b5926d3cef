"""An archive's DICOMweb endpoint (PS3.18): search the instances of a study, metadata, instances and frames.

Every UID is an alias. `authorise` decides each request and writes its audit entry before anything is read.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from aegle.access import Act
from aegle.dicom.uids import is_uid
from aegle.errors import MEANING, AegleError, BadMessage, NotFound
from aegle.ports import Archive
from aegle.protocols import multipart
from aegle.records import StoredInstance

Authorise = Callable[[str | None, str, Act], None]
"""(Authorization header, study UID, act): returns, or raises Unauthenticated or Forbidden."""

_MOST_FRAMES = 256
_MOST_ITEMS = 5_000
_JSON = "application/dicom+json"
_SYNTAX_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def archive_app(archive: Archive, authorise: Authorise) -> Starlette:
    """The endpoint as an ASGI application."""

    def guarded(act: Act, answer: Callable[[Request, str], Response]) -> Endpoint:
        def run(request: Request) -> Response:
            study_uid = request.path_params["study"]
            if not is_uid(study_uid):
                raise BadMessage("the study is not named by a UID")
            authorise(request.headers.get("authorization"), study_uid, act)
            return answer(request, study_uid)

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(run, request)

        return endpoint

    def search(request: Request, study_uid: str) -> Response:
        offset, limit = _number(request, "offset", 0), min(_number(request, "limit", 1_000), _MOST_ITEMS)
        series = request.path_params.get("series")
        found = [item for item in archive.instances(study_uid) if series in (None, item.series_uid)]
        return JSONResponse([_attributes(item) for item in found[offset : offset + limit]], media_type=_JSON)

    def metadata(request: Request, study_uid: str) -> Response:
        chosen = _chosen(archive, request, study_uid)
        return Response(json.dumps([archive.metadata(item) for item in chosen]).encode(), media_type=_JSON)

    def instance(request: Request, study_uid: str) -> Response:
        (item,) = _chosen(archive, request, study_uid)
        path = archive.open(item)
        if "multipart" not in request.headers.get("accept", "multipart"):
            return FileResponse(path, media_type="application/dicom")
        return _multipart_file(path)

    def frames(request: Request, study_uid: str) -> Response:
        (item,) = _chosen(archive, request, study_uid)
        numbers = _numbers(request.path_params["frames"])
        kind = f"{_SYNTAX_TYPES.get(item.transfer_syntax, 'application/octet-stream')}; transfer-syntax={item.transfer_syntax}"
        content_type, body = multipart.write(archive.frames(item, numbers), kind)
        return StreamingResponse(body, media_type=content_type)

    routes = [
        Route("/studies/{study}/instances", guarded(Act.ARCHIVE_STUDY_FIND, search)),
        Route("/studies/{study}/metadata", guarded(Act.ARCHIVE_STUDY_READ, metadata)),
        Route("/studies/{study}/series/{series}/instances", guarded(Act.ARCHIVE_STUDY_FIND, search)),
        Route("/studies/{study}/series/{series}/metadata", guarded(Act.ARCHIVE_STUDY_READ, metadata)),
        Route("/studies/{study}/series/{series}/instances/{sop}", guarded(Act.ARCHIVE_STUDY_READ, instance)),
        Route("/studies/{study}/series/{series}/instances/{sop}/metadata", guarded(Act.ARCHIVE_STUDY_READ, metadata)),
        Route(
            "/studies/{study}/series/{series}/instances/{sop}/frames/{frames}", guarded(Act.ARCHIVE_STUDY_READ, frames)
        ),
    ]
    return Starlette(routes=routes, exception_handlers=dict.fromkeys(MEANING, _refuse))


def _chosen(archive: Archive, request: Request, study_uid: str) -> list[StoredInstance]:
    """The instances a path names; an instance is looked up by its own UID and must lie where the path says."""
    series, sop = request.path_params.get("series"), request.path_params.get("sop")
    found: Iterable[StoredInstance | None] = [archive.find(sop)] if sop else archive.instances(study_uid)
    chosen = [it for it in found if it and it.study_uid == study_uid and series in (None, it.series_uid)]
    if not chosen:
        raise NotFound("the archive holds nothing of that name")
    return chosen


def _attributes(item: StoredInstance) -> dict[str, Any]:
    values: dict[str, tuple[str, Any]] = {
        "00080016": ("UI", item.sop_class),
        "00080018": ("UI", item.sop_uid),
        "00080060": ("CS", item.modality),
        "0020000D": ("UI", item.study_uid),
        "0020000E": ("UI", item.series_uid),
        "00083002": ("UI", item.transfer_syntax),
    }
    if item.rows:
        values |= {"00280008": ("IS", item.frames), "00280010": ("US", item.rows), "00280011": ("US", item.columns)}
    return {tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in values.items()}


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise BadMessage(f"{name} is not a whole number")
    return int(text)


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) > _MOST_FRAMES or not all(part.isdecimal() and 0 < len(part) < 10 for part in parts):
        raise BadMessage(f"frames are at most {_MOST_FRAMES} numbers from 1, divided by commas")
    return [int(part) for part in parts]


def _multipart_file(path: Path) -> Response:
    """One Part 10 file as a multipart body, a megabyte at a time."""
    content_type, _ = multipart.write([], "application/dicom")
    boundary = content_type.rpartition("=")[2]

    def body() -> Iterator[bytes]:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {path.stat().st_size}\r\n\r\n".encode()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                yield block
        yield f"\r\n--{boundary}--\r\n".encode()

    return StreamingResponse(body(), media_type=content_type)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, AegleError)  # noqa: S101  (only these are registered)
    meaning = error.meaning
    return JSONResponse({"code": meaning.code, "detail": str(error)}, status_code=meaning.http)
