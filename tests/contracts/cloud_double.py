"""All of Google that a hub's machine meets, on loopback: the metadata server, tokens, and each service below its name.

`Cloud.url` is what `hub.cloud.endpoint` is set to; `machine(account)` gives the address of a metadata server that answers as
the machine of that identity does, for GCE_METADATA_HOST.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import discovery
import google_crc32c
from bigquery_double import BigQueryDouble, Wrong
from google.auth.credentials import Credentials
from google_double import Double, Refused
from test_google_identity import Issuer

Answer = tuple[int, bytes]


@dataclass(kw_only=True)
class Cloud:
    """What Google holds, and who may use it."""

    warehouse: BigQueryDouble = field(default_factory=BigQueryDouble)
    rest: Double = field(default_factory=Double)  #: Secret Manager and Cloud Logging
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)  #: bucket and name -> bytes
    figures: list[dict[str, Any]] = field(default_factory=list)  #: series that were written
    settings: dict[str, Any] = field(default_factory=dict)  #: Cloud SQL's connectSettings
    issuer: Issuer = field(default_factory=Issuer)
    tokens: dict[str, str] = field(default_factory=dict)  #: access token -> account
    new_token: Callable[[str, str], None] = field(default=lambda account, token: None)  #: told of each token given out
    refused: list[str] = field(default_factory=list)  #: paths that were asked for without a good token
    made: list[tuple[str, str]] = field(default_factory=list)  #: data sets and tables that were made or taken away
    too_often: bool = False  #: figures come too often
    away: set[str] = field(default_factory=set)  #: services that answer 503
    url: str = ""
    _stack: ExitStack = field(default_factory=ExitStack)

    def machine(self, account: str) -> str:
        """HOST:PORT of the metadata server that this identity's machine would see."""

        def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
            assert request.headers["Metadata-Flavor"] == "Google"
            return 200, self._metadata(account, request.path)

        return self._stack.enter_context(_served(answer)).removeprefix("http://")

    def identity(self, account: str) -> "Identity":
        """Credentials of an identity for a test's own process: google-auth reads GCE_METADATA_HOST once."""
        return Identity(self, account)

    def give(self, account: str) -> str:
        """A new access token."""
        token = f"ya29.{account.partition('@')[0]}.{len(self.tokens)}"
        self.tokens[token] = account
        self.new_token(account, token)
        return token

    def _metadata(self, account: str, path: str) -> bytes:
        place = urlsplit(path).path
        if place.endswith("/token"):
            token = self.give(account)
            return json.dumps({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).encode()
        if place.endswith("/identity"):
            return self.issuer.token(aud=parse_qs(urlsplit(path).query)["audience"][0], email=account).encode()
        if place.endswith("/project/project-id"):
            return b"p"
        return json.dumps({"email": account, "scopes": [], "aliases": ["default"]}).encode()

    def serve(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """One call of a service, `/SERVICE/PATH`."""
        parts = urlsplit(request.path)
        service, _, path = parts.path.strip("/").partition("/")
        if service == "www":
            return 200, json.dumps(self.issuer.certificates).encode()
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            self.refused.append(request.path)
            return _error(401, "UNAUTHENTICATED")
        if service in self.away:
            return _error(503, "UNAVAILABLE")
        query = parse_qs(parts.query)
        try:
            status, answer = getattr(self, f"_{service}")(request, path, query, body)
            unknown = self._unknown(service, request.command, path, query, body, answer)
            return (status, answer) if not unknown else _error(400, "; ".join(unknown))
        except Refused as refused:
            return _error(refused.status, refused.word)
        except Wrong as wrong:
            return _error(400, str(wrong))

    @staticmethod
    def _unknown(service: str, verb: str, path: str, query: Any, body: bytes, answer: bytes) -> list[str]:
        """What of a call or its answer Google's own description does not know."""
        described = discovery.interface(service)
        return list(described.check(verb, path, query, body, answer)) if described else []

    def _secretmanager(self, request: BaseHTTPRequestHandler, path: str, query: Any, body: bytes) -> Answer:
        answer = self.rest._serve(request.command, f"/{path}", body)
        return 200, type(answer).to_json(answer, use_integers_for_enums=False).encode()

    _logging = _secretmanager

    def _bigquery(self, request: BaseHTTPRequestHandler, path: str, query: Any, body: bytes) -> Answer:
        rest = path.removeprefix("bigquery/v2/projects/").partition("/")[2]
        if rest.startswith("datasets"):
            self.made.append((request.command, path))
            return 200, b"{}"
        return 200, json.dumps(self.warehouse.answer(request.command, rest, query, body)).encode()

    def _sqladmin(self, request: BaseHTTPRequestHandler, path: str, query: Any, body: bytes) -> Answer:
        if not path.endswith("/connectSettings"):
            raise Refused(404, "NOT_FOUND")
        return 200, json.dumps(self.settings).encode()

    def _monitoring(self, request: BaseHTTPRequestHandler, path: str, query: Any, body: bytes) -> Answer:
        if self.too_often:
            raise Wrong("One or more TimeSeries could not be written: points were written more frequently than allowed")
        for series in json.loads(body).get("timeSeries", ()):
            (point,) = series["points"]
            if set(point["interval"]) != {"endTime"} or series["resource"]["type"] != "global":
                raise Refused(400, "INVALID_ARGUMENT")
            self.figures.append(series)
        return 200, b"{}"

    def _storage(self, request: BaseHTTPRequestHandler, path: str, query: Any, body: bytes) -> Answer:
        upload = path.startswith("upload/")
        bucket, _, rest = path.removeprefix("upload/").removeprefix("storage/v1/b/").partition("/o")
        if upload:
            return self._upload(bucket, query, body)
        name = unquote(rest.removeprefix("/"))
        if not name:
            return self._list(bucket, query)
        if (bucket, name) not in self.objects:
            raise Refused(404, "NOT_FOUND")
        content = self.objects[bucket, name]
        return 200, content if query.get("alt") == ["media"] else json.dumps(_object(name, content)).encode()

    def _upload(self, bucket: str, query: Any, body: bytes) -> Answer:
        (name,) = query["name"]
        if query.get("ifGenerationMatch") == ["0"] and (bucket, name) in self.objects:
            raise Refused(412, "FAILED_PRECONDITION")
        self.objects[bucket, name] = body
        return 200, json.dumps(_object(name, body)).encode()

    def _list(self, bucket: str, query: Any) -> Answer:
        (prefix,) = query.get("prefix", [""])
        names = sorted(name for place, name in self.objects if place == bucket and name.startswith(prefix))
        start = int(query.get("pageToken", ["0"])[0])
        page: dict[str, Any] = {"items": [_object(n, self.objects[bucket, n]) for n in names[start : start + 2]]}
        return 200, json.dumps(page | ({"nextPageToken": str(start + 2)} if names[start + 2 :] else {})).encode()


class Identity(Credentials):
    """An identity whose tokens the double gives."""

    def __init__(self, cloud: Cloud, account: str) -> None:
        super().__init__()
        self._cloud, self._account = cloud, account

    def refresh(self, request: object) -> None:
        self.token = self._cloud.give(self._account)


def _object(name: str, content: bytes) -> dict[str, Any]:
    crc = base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
    return {"kind": "storage#object", "name": name, "size": str(len(content)), "crc32c": crc, "generation": "1"}


def _error(status: int, word: str) -> Answer:
    return status, json.dumps({"error": {"code": status, "status": word, "message": word}}).encode()


@contextmanager
def clouded() -> Iterator[Cloud]:
    """Google on loopback while the block runs."""
    cloud = Cloud()
    with cloud._stack, _served(cloud.serve) as url:
        cloud.url = url
        yield cloud


@contextmanager
def _served(answer: Callable[[BaseHTTPRequestHandler, bytes], Answer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = answer(self, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _any

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
