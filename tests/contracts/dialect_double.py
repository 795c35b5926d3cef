"""A DICOMweb service that speaks as Google's Healthcare API is documented to: written for these tests, never Google itself.

What it does as Google: 409 with the reasons in the body for other bytes under a known UID; a token that ends; 429 with
Retry-After; objects as stored only for `transfer-syntax=*`; search limits; deletion of one instance at once.
(https://cloud.google.com/healthcare-api/docs/dicom)
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pydicom
from pydicom.encaps import generate_frames

SEARCH_LIMIT, OFFSET_LIMIT = 5_000, 50_000


class Dialect:
    """What the service holds, and the faults it is told to have."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.token = "first"
        self.busy = 0  #: how many calls are answered 429
        self.calls: list[str] = []
        self.url = ""

    def stow(self, content_type: str, body: bytes) -> tuple[int, bytes]:
        header = f"Content-Type: {content_type}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(header + body).get_payload()
        failed = []
        for part in parts:
            content = part.get_payload(decode=True)  # type: ignore[union-attr]
            uid = str(pydicom.dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
            if self.objects.setdefault(uid, content) != content:
                failed.append({"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [0x0111]}})
        answer = {"00081198": {"vr": "SQ", "Value": failed}} if failed else {}
        return (409 if failed else 200), json.dumps([answer]).encode()

    def search(self, query: dict[str, list[str]]) -> tuple[int, bytes]:
        limit, offset = (int(query.get(name, ["0"])[0]) for name in ("limit", "offset"))
        if limit > SEARCH_LIMIT or offset > OFFSET_LIMIT:
            return 400, b"{}"
        wanted = query.get("00080018", [""])[0]
        found = [_described(content) for uid, content in sorted(self.objects.items()) if uid == wanted or not wanted]
        page = found[offset : offset + (limit or 1000)]
        return (200, json.dumps(page).encode()) if page else (204, b"")


def _described(content: bytes) -> dict[str, object]:
    ds = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
    return {
        f"{tag:08X}": {"vr": "UI", "Value": [str(ds[tag].value)]}
        for tag in (0x0020000D, 0x0020000E, 0x00080018, 0x00080016)
    }


@contextmanager
def running() -> Iterator[Dialect]:
    """The service on a loopback port while the block runs."""
    dialect = Dialect()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, kind, content = self._answer(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _any

        def _answer(self, body: bytes) -> tuple[int, str, bytes]:
            url = urlsplit(self.path)
            path, json_kind = url.path.removeprefix("/dicomWeb"), "application/dicom+json"
            dialect.calls.append(f"{self.command} {path}")
            if dialect.busy:
                dialect.busy -= 1
                return 429, json_kind, b"{}"
            if self.headers.get("Authorization") != f"Bearer {dialect.token}":
                return 401, json_kind, b"{}"
            if self.command == "POST":
                return self._with(json_kind, dialect.stow(self.headers["Content-Type"], body))
            if path == "/instances":
                return self._with(json_kind, dialect.search(parse_qs(url.query)))
            uid = path.split("/instances/")[1].split("/")[0]
            if uid not in dialect.objects:
                return 404, json_kind, b"{}"
            if self.command == "DELETE":
                del dialect.objects[uid]
                return 200, json_kind, b"{}"
            return self._part(path, dialect.objects[uid])

        def _with(self, kind: str, answer: tuple[int, bytes]) -> tuple[int, str, bytes]:
            return answer[0], kind, answer[1]

        def _part(self, path: str, content: bytes) -> tuple[int, str, bytes]:
            if "transfer-syntax=*" not in self.headers.get("Accept", ""):
                return 406, "text/plain", b""  # it would transcode to explicit VR little endian
            parts = [content]
            if "/frames/" in path:
                ds = pydicom.dcmread(BytesIO(content))
                frames = list(generate_frames(ds.PixelData, number_of_frames=ds.get("NumberOfFrames", 1)))
                parts = [frames[int(number) - 1] for number in path.rpartition("/")[2].split(",")]
            kind = "application/octet-stream" if "/frames/" in path else "application/dicom"
            whole = b"".join(b"\r\n--edge\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + part for part in parts)
            return 200, f'multipart/related; type="{kind}"; boundary=edge', whole[2:] + b"\r\n--edge--\r\n"

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    dialect.url = f"http://127.0.0.1:{server.server_port}/dicomWeb"
    yield dialect
    server.shutdown()
    server.server_close()
    thread.join()
