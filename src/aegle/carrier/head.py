"""The head of a request (RFC 9112 §2 to §6), read strictly: what two readers could take for two things is refused.

Refused are two lengths of any kind, a folded header, a line that ends otherwise than in CR LF, control characters, and white
space where it does not belong: each is a way to hide a second request in a first (request smuggling).
"""

import re
from dataclasses import dataclass

HEAD_MAX_BYTES = 32 << 10
FIELDS_MAX = 100
LENGTH_MAX = 1 << 50  #: of a body; what an application takes is its own bound

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/(\d)\.(\d)")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\0-\x08\x0a-\x1f\x7f]")
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=\-]*(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_ABSOLUTE = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_ONCE = frozenset(
    {"host", "content-length", "transfer-encoding", "content-type", "authorization", "expect", "range", "if-range"}
)


class NotHttp(Exception):
    """What was sent is no request that can be answered further; the connection ends after this status."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one request; `length` is None for a body in chunks."""

    method: str
    target: str  #: path and query as they were sent
    minor: int  #: of HTTP/1
    headers: dict[str, str]  #: lower-case names; repeated ones joined by commas
    length: int | None

    @property
    def stays(self) -> bool:
        """Whether the connection may carry another request."""
        return self.minor == 1 and "close" not in _tokens(self.headers.get("connection", ""))

    @property
    def waits(self) -> bool:
        """Whether the sender waits for leave to send the body (RFC 9110 §10.1.1)."""
        return self.minor == 1 and "expect" in self.headers


def read_head(block: bytes) -> Head:
    """Of the bytes before the empty line. Raises NotHttp."""
    line, *fields = block.decode("latin-1").split("\r\n")
    found = _LINE.fullmatch(line)
    if found is None:
        raise NotHttp(400, "the request line cannot be read")
    method, target, major, minor = found.groups()
    if major != "1" or minor not in "01":
        raise NotHttp(505, "HTTP/1.1 and HTTP/1.0 are spoken here")
    headers = _headers(fields)
    if "host" not in headers and minor == "1":
        raise NotHttp(400, "a request names its host")
    if not _HOST.fullmatch(headers.get("host", "")):
        raise NotHttp(400, "the host cannot be read")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise NotHttp(417, "nothing but 100-continue can be expected")
    return Head(method, _origin(target), int(minor), headers, _length(headers, minor))


def read_fields(fields: list[str]) -> list[tuple[str, str]]:
    """Header or trailer lines as (lower-case name, value). Raises NotHttp."""
    if len(fields) > FIELDS_MAX:
        raise NotHttp(431, f"more than {FIELDS_MAX} headers")
    found = []
    for line in fields:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
            raise NotHttp(400, "a header cannot be read")
        found.append((name.lower(), value.strip(" \t")))
    return found


def _headers(fields: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in read_fields(fields):
        if name in headers:
            if name in _ONCE:
                raise NotHttp(400, "a header that may stand once stands twice")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def _length(headers: dict[str, str], minor: str) -> int | None:
    """Of the body (RFC 9112 §6.3)."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if length is not None or minor == "0":
            raise NotHttp(400, "a body has one length: Content-Length, or chunks")
        if coding.lower() != "chunked":
            raise NotHttp(501, "the only transfer coding here is chunked")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()):
        raise NotHttp(400, "the length of the body is no number")
    if len(length) > 16 or int(length) > LENGTH_MAX:
        raise NotHttp(413, "the body is too long for anything here")
    return int(length)


def _origin(target: str) -> str:
    """Path and query; a target may also be a whole address (RFC 9112 §3.2.2), or `*`."""
    if target.startswith("/"):
        return target
    scheme = _ABSOLUTE.match(target)
    if scheme is not None:
        rest = target[scheme.end() :]
        return rest if rest.startswith("/") else f"/{rest}"
    if target == "*":
        return "/"
    raise NotHttp(400, "the target of a request is a path")


def _tokens(value: str) -> set[str]:
    return {token.strip().lower() for token in value.split(",")}
