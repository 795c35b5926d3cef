"""Secret Manager and Cloud Logging on loopback, speaking the JSON of the clients' own message types, and a token endpoint.

A double knows which token it gave out; a call without it is answered 401, as Google does. `fail` makes the next calls fail.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import google_crc32c
from google.auth.credentials import Credentials
from google.cloud.logging_v2.types import WriteLogEntriesRequest, WriteLogEntriesResponse
from google.cloud.secretmanager_v1 import types
from proto import Message


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, word: str) -> None:
        super().__init__(word)
        self.status, self.word = status, word


class Token(Credentials):
    """Credentials whose token the double knows; each refresh makes another."""

    def __init__(self, double: "Double") -> None:
        super().__init__()
        self._double = double

    def refresh(self, request: object) -> None:
        self.token = self._double.new_token()


class Double:
    """What Google holds."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[bytes]] = {}
        self.disabled: set[str] = set()
        self.log: dict[str, dict[str, object]] = {}  #: insert id -> entry, in order of first arrival
        self.fail: list[int] = []  #: statuses of the next answers
        self.calls: dict[str, int] = defaultdict(int)
        self.damage = False
        self._tokens = 0
        self._turn = threading.Lock()
        self.url = ""

    def new_token(self) -> str:
        self._tokens += 1
        return f"token-{self._tokens}"

    def revoke(self) -> None:
        """What was given out is no longer good."""
        self._tokens += 1

    def answer(self, method: str, path: str, token: str, body: bytes) -> Message:
        with self._turn:
            self.calls[f"{method} {path.rpartition(':')[2]}"] += 1
            if self.fail:
                raise Refused(self.fail.pop(0), "UNAVAILABLE")
            if token != f"Bearer token-{self._tokens}":
                raise Refused(401, "UNAUTHENTICATED")
            return self._serve(method, path, body)

    def _serve(self, method: str, path: str, body: bytes) -> Message:
        if path == "/v2/entries:write":
            return self._write(WriteLogEntriesRequest.from_json(body))
        name = path.removeprefix("/v1/")
        if method == "GET" and name.endswith(":access"):
            return self._access(name.removesuffix(":access"))
        if method == "GET" and name.endswith("/versions"):
            return self._list(name.removesuffix("/versions"))
        if method == "POST" and name.endswith(":addVersion"):
            # The path names the parent; the JSON body of REST leaves it out.
            request = types.AddSecretVersionRequest.from_json(body)
            return self._add(name.removesuffix(":addVersion"), request)
        raise Refused(404, "NOT_FOUND")

    def _held(self, secret: str) -> list[bytes]:
        if secret not in self.secrets:
            raise Refused(403, "PERMISSION_DENIED")  # or it may not exist: Google says the same
        return self.secrets[secret]

    def _access(self, version: str) -> Message:
        secret, _, number = version.partition("/versions/")
        values = self._held(secret)
        index = len(values) if number == "latest" else int(number)
        if not 0 < index <= len(values):
            raise Refused(404, "NOT_FOUND")
        data = values[index - 1]
        crc = google_crc32c.value(data) ^ self.damage
        payload = types.SecretPayload(data=data, data_crc32c=crc)
        return types.AccessSecretVersionResponse(name=f"{secret}/versions/{index}", payload=payload)

    def _list(self, secret: str) -> Message:
        names = [f"{secret}/versions/{number}" for number in range(1, len(self._held(secret)) + 1)]
        states = (
            types.SecretVersion.State.DISABLED if n in self.disabled else types.SecretVersion.State.ENABLED
            for n in names
        )
        versions = [types.SecretVersion(name=n, state=state) for n, state in zip(names, states, strict=True)]
        return types.ListSecretVersionsResponse(versions=versions)

    def _add(self, secret: str, request: types.AddSecretVersionRequest) -> Message:
        values = self._held(secret)
        if request.payload.data_crc32c != google_crc32c.value(request.payload.data):
            raise Refused(400, "INVALID_ARGUMENT")
        values.append(request.payload.data)
        return types.SecretVersion(name=f"{secret}/versions/{len(values)}", state=types.SecretVersion.State.ENABLED)

    def _write(self, request: WriteLogEntriesRequest) -> Message:
        if not request.entries or not request.log_name or request.resource.type != "global":
            raise Refused(400, "INVALID_ARGUMENT")
        for entry in request.entries:
            self.log.setdefault(entry.insert_id, json.loads(type(entry).to_json(entry, use_integers_for_enums=False)))
        return WriteLogEntriesResponse()


@contextmanager
def running() -> Iterator[Double]:
    """A double that answers on a loopback port while the block runs."""
    double = Double()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                token = self.headers.get("Authorization", "")
                answer = double.answer(self.command, urlsplit(self.path).path, token, body)
                status, content = 200, type(answer).to_json(answer, use_integers_for_enums=False)
            except Refused as refused:
                status = refused.status
                content = json.dumps(
                    {"error": {"code": status, "status": refused.word, "message": "said by the double"}}
                )
            self.send_response(status)
            self.send_header("Content-Length", str(len(content.encode())))
            self.end_headers()
            self.wfile.write(content.encode())

        do_GET = do_POST = _any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    yield double
    server.shutdown()
    server.server_close()
    thread.join()
