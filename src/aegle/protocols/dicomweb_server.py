"""An archive's DICOMweb endpoint (PS3.18): search, retrieve, store, delete. Every UID is an alias.

`authorise` decides each request and writes its audit entry before anything is read. A grant names one study, or the whole
archive; what a route needs is its act in `archive_routes`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

from aegle.access import Act
from aegle.carrier import Answer, Application, Request, Response
from aegle.dicom.uids import is_uid
from aegle.errors import AegleError, BadMessage, NotAcceptable, NotFound
from aegle.ports import Archive
from aegle.protocols import answers, qido, stow
from aegle.protocols.accept import Offer, choose
from aegle.protocols.dicomweb_client import path_of
from aegle.protocols.openapi import openapi
from aegle.protocols.rendered import Draw, Wanted, rendered, thumbnail
from aegle.protocols.resources import Resources
from aegle.protocols.wado import frame_body, one_value, whole_pixels, with_links
from aegle.records import Level, StoredInstance

Authorise = Callable[[str | None, str, Act], None]
"""(Authorization header, study UID or '' for the whole archive, act): returns, or raises Unauthenticated or Forbidden."""

_MOST_FRAMES = 256
_TAGS = {"study": "0020000D", "series": "0020000E", "sop": "00080018"}
_STUDY, _SERIES = "/studies/{study}", "/studies/{study}/series/{series}"
_INSTANCE = _SERIES + "/instances/{sop}"
_FRAMES = _INSTANCE + "/frames/{frames}"


@dataclass(frozen=True, kw_only=True)
class ArchiveRoute:
    """One resource and method, with the act that asking for it is."""

    path: str
    act: Act
    method: str
    says: str  #: for the OpenAPI document
    answer: Answer | None = None  #: None: a body is taken in


def archive_app(
    archive: Archive, authorise: Authorise, receiver: stow.Receiver | None = None, draw: Draw | None = None
) -> Application:
    """The endpoint. Without a receiver it stores nothing, without `draw` it renders nothing."""
    resources = Resources((route.path, route.method, route) for route in archive_routes(archive, draw))

    def answer(request: Request) -> Response:
        try:
            methods, request.names = resources.find(request.path)
            route = methods.get("GET" if request.method == "HEAD" else request.method)
            if route is None:
                return _not_allowed(methods)
            study_uid = _named(request)
            allow = partial(authorise, request.headers.get("authorization"), study_uid, route.act)
            if route.answer is None and receiver is not None:
                return stow.receive_here(request, receiver, study_uid, allow)
            allow()
            return (route.answer or _not_here)(request)
        except AegleError as error:
            return answers.refusal(error)

    return Application(answer)


def _not_here(_: Request) -> Response:
    return answers.plain_json({"code": "REFUSED", "detail": "this archive takes objects at its door alone"}, 405)


def _not_allowed(methods: Iterable[str]) -> Response:
    allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
    report = {"code": "REFUSED", "detail": f"this resource knows {allowed}"}
    return answers.plain_json(report, 405, {"Allow": allowed})


def archive_routes(archive: Archive, draw: Draw | None = None) -> Sequence[ArchiveRoute]:
    """Every resource of the endpoint. A search that names no study needs a grant for the whole archive."""
    find, read, delete = Act.ARCHIVE_STUDY_FIND, Act.ARCHIVE_STUDY_READ, Act.ARCHIVE_INSTANCE_DELETE
    resources = _Resources(archive, draw or _draws_nothing)
    table: list[tuple[str, str, Act, str, Answer | None]] = [
        ("GET", "/studies", find, "Search for studies", resources.search(Level.STUDY)),
        ("GET", "/series", find, "Search for series", resources.search(Level.SERIES)),
        ("GET", "/instances", find, "Search for instances", resources.search(Level.INSTANCE)),
        ("GET", "/studies/{study}/series", find, "Search a study's series", resources.search(Level.SERIES)),
        ("GET", "/studies/{study}/instances", find, "Search a study's instances", resources.search(Level.INSTANCE)),
        (
            "GET",
            "/studies/{study}/series/{series}/instances",
            find,
            "Search a series",
            resources.search(Level.INSTANCE),
        ),
        ("GET", "/studies/{study}", read, "Retrieve a study", resources.objects),
        ("GET", "/studies/{study}/metadata", read, "Retrieve a study's metadata", resources.metadata),
        ("GET", "/studies/{study}/series/{series}", read, "Retrieve a series", resources.objects),
        ("GET", "/studies/{study}/series/{series}/metadata", read, "Retrieve a series' metadata", resources.metadata),
        ("GET", _INSTANCE, read, "Retrieve an instance", resources.object),
        ("GET", _INSTANCE + "/metadata", read, "Retrieve an instance's metadata", resources.metadata),
        ("GET", _INSTANCE + "/frames/{frames}", read, "Retrieve frames, as stored", resources.frames),
        ("GET", _INSTANCE + "/bulkdata", read, "Retrieve the pixel data, as stored", resources.bulk_data),
        ("GET", _INSTANCE + "/bulkdata/{where:path}", read, "Retrieve a large value of the header", resources.value),
        ("POST", "/studies", Act.ARCHIVE_INSTANCE_STORE, "Store instances", None),
        ("POST", "/studies/{study}", Act.ARCHIVE_INSTANCE_STORE, "Store instances of a study", None),
        ("DELETE", "/studies/{study}", delete, "Delete a study", resources.delete),
        ("DELETE", "/studies/{study}/series/{series}", delete, "Delete a series", resources.delete),
        ("DELETE", _INSTANCE, delete, "Delete an instance", resources.delete),
    ]
    for path, what in ((_STUDY, "a study"), (_SERIES, "a series"), (_INSTANCE, "an instance"), (_FRAMES, "frames")):
        table.append(("GET", f"{path}/rendered", read, f"Retrieve {what}, rendered", resources.rendered))
        table.append(("GET", f"{path}/thumbnail", read, f"Retrieve a thumbnail of {what}", resources.thumbnail))
    routes = [ArchiveRoute(method=m, path=path, act=act, says=says, answer=run) for m, path, act, says, run in table]
    document = openapi(routes)
    for method in ("GET", "OPTIONS"):
        about = ArchiveRoute(
            path="/",
            act=find,
            method=method,
            says="Capabilities (OpenAPI)",
            answer=lambda _: answers.plain_json(document),
        )
        routes.append(about)
    return routes


class _Resources:
    """What each resource answers."""

    def __init__(self, archive: Archive, draw: Draw) -> None:
        self._archive, self._draw = archive, draw

    def search(self, level: Level) -> Answer:
        def answer(request: Request) -> Response:
            scope = [(_TAGS[name], uid) for name, uid in request.names.items()]
            return _searched(request, self._archive, qido.read(level, scope, request.query))

        return answer

    def metadata(self, request: Request) -> Response:
        base = request.base_url
        told = (with_links(self._archive.metadata(it), it, f"{base}{path_of(it)}") for it in self._chosen(request))
        return answers.dicom_json(request, list(told))

    def object(self, request: Request) -> Response:
        (item,) = self._chosen(request)
        return answers.file(
            request, self._archive.open(item), choose(answers.wish(request), _part_10(item)), item.digest
        )

    def objects(self, request: Request) -> Response:
        chosen = self._chosen(request)
        for item in chosen:
            choose(answers.wish(request), [offer for offer in _part_10(item) if offer.multipart])
        return answers.files([self._archive.open(item) for item in chosen])

    def frames(self, request: Request) -> Response:
        (item,) = self._chosen(request)
        return frame_body(request, self._archive, item, _numbers(request.names["frames"]))

    def bulk_data(self, request: Request) -> Response:
        (item,) = self._chosen(request)
        return whole_pixels(request, self._archive, item)

    def value(self, request: Request) -> Response:
        (item,) = self._chosen(request)
        return one_value(request, self._archive.open(item), request.names["where"])

    def rendered(self, request: Request) -> Response:
        """The frames named, or the first of each image."""
        images = [item for item in self._chosen(request) if item.frames]
        if not images:
            raise NotFound("nothing there has an image")
        shown = [(item, number) for item in images for number in _numbers(request.names.get("frames", "1"))]
        return rendered(request, self._draw, shown)

    def thumbnail(self, request: Request) -> Response:
        frames = request.names.get("frames")
        return thumbnail(request, self._draw, self._chosen(request), _numbers(frames)[0] if frames else None)

    def delete(self, request: Request) -> Response:
        for item in self._chosen(request):
            self._archive.delete(item)
        return Response(status=204)

    def _chosen(self, request: Request) -> list[StoredInstance]:
        """The instances a path names; an instance is looked up by its own UID and must lie where the path says."""
        names = request.names
        study_uid, series, sop = names["study"], names.get("series"), names.get("sop")
        found: Iterable[StoredInstance | None] = (
            [self._archive.find(sop)] if sop else self._archive.instances(study_uid)
        )
        chosen = [it for it in found if it and it.study_uid == study_uid and series in (None, it.series_uid)]
        if not chosen:
            raise NotFound("the archive holds nothing of that name")
        return chosen


def _searched(request: Request, archive: Archive, asked: qido.Asked) -> Response:
    """One result more than asked for is looked for, to know whether there is a next page."""
    limit = asked.query.limit
    found = list(archive.search(replace(asked.query, limit=limit + 1)))
    more, found = len(found) > limit, found[:limit]
    warnings = [*asked.warnings, *(["There are additional results that can be requested"] if more and found else [])]
    headers = {"Warning": ", ".join(f'299 aegle "{text}"' for text in warnings)} if warnings else {}
    if more and found:
        kept = [pair for pair in request.query if pair[0] not in ("offset", "after")]
        following = urlencode([*kept, ("after", qido.token(found[-1].place))])
        headers["Link"] = f'<{request.base_url}{request.path}?{following}>; rel="next"'
    base = request.base_url
    return answers.dicom_json(request, [_told(it.attributes, asked, base) for it in found], headers)


def _told(attributes: Any, asked: qido.Asked, base: str) -> dict[str, Any]:
    uids = [attributes[tag]["Value"][0] for tag in _TAGS.values() if tag in attributes]
    path = "".join(f"/{name}/{uid}" for name, uid in zip(("studies", "series", "instances"), uids, strict=False))
    told = {tag: value for tag, value in attributes.items() if asked.fields is None or tag in asked.fields}
    return dict(sorted((told | {"00081190": {"vr": "UR", "Value": [base + path]}}).items()))


def _draws_nothing(item: StoredInstance, frame: int, wanted: Wanted) -> bytes:
    raise NotAcceptable("this archive renders nothing; retrieve frames as they are stored")


def _named(request: Request) -> str:
    """The study that a path names; every name in it must be a UID. Raises BadMessage."""
    names = request.names
    if not all(is_uid(value) for name, value in names.items() if name not in ("frames", "where")):
        raise BadMessage("a study, series or instance is named by its UID")
    return str(names.get("study", ""))


def _part_10(item: StoredInstance) -> list[Offer]:
    """Multipart first: what PS3.18 §10.4 gives to a caller who does not say."""
    return [
        Offer(media_type="application/dicom", multipart=multipart, transfer_syntax=item.transfer_syntax)
        for multipart in (True, False)
    ]


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) > _MOST_FRAMES or not all(part.isdecimal() and 0 < len(part) < 10 for part in parts):
        raise BadMessage(f"frames are at most {_MOST_FRAMES} numbers from 1, divided by commas")
    return [int(part) for part in parts]
