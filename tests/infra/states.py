"""Terraform state over HTTP on loopback, with locks, in memory.

State in a file is written anew after every single resource: 50 sites took nine minutes so, and 80 seconds with this.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class States:
    """What terraform stored, by path."""

    address: str
    kept: dict[str, bytes] = field(default_factory=dict)
    locks: dict[str, bytes] = field(default_factory=dict)

    def backend(self, name: str) -> dict[str, dict[str, str]]:
        """The backend block of a root."""
        place = f"{self.address}/{name}"
        return {"http": {"address": place, "lock_address": place, "unlock_address": place}}


@contextlib.contextmanager
def serving() -> Iterator[States]:
    """An empty store."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if self._name in states.kept else 404, states.kept.get(self._name, b""))

        def do_POST(self) -> None:
            states.kept[self._name] = self._body()
            self._answer(200)

        def do_LOCK(self) -> None:
            held = states.locks.setdefault(self._name, wanted := self._body())
            self._answer(200 if held is wanted else 423, held)

        def do_UNLOCK(self) -> None:
            self._body()
            states.locks.pop(self._name, None)
            self._answer(200)

        @property
        def _name(self) -> str:
            return self.path.partition("?")[0]

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    states = States(address=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield states
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
