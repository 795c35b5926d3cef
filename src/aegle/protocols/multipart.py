"""multipart/related bodies (RFC 2387, PS3.18 §8.6.1.2), written and read."""

import secrets
from collections.abc import Iterable, Iterator

from aegle.errors import BadMessage


def write(parts: Iterable[bytes], content_type: str) -> tuple[str, Iterator[bytes]]:
    """The Content-Type header and the body of parts that share one type, a part at a time."""
    boundary = secrets.token_hex(16)
    return f'multipart/related; type="{content_type.partition(";")[0]}"; boundary={boundary}', _body(
        parts, content_type, boundary
    )


def around(content_type: str, size_bytes: int) -> tuple[bytes, bytes, str]:
    """What stands before and after the one part of a body, and the body's Content-Type."""
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Length: {size_bytes}\r\n\r\n"
    kind = f'multipart/related; type="{content_type.partition(";")[0]}"; boundary={boundary}'
    return head.encode(), f"\r\n--{boundary}--\r\n".encode(), kind


def _body(parts: Iterable[bytes], content_type: str, boundary: str) -> Iterator[bytes]:
    for part in parts:
        yield f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Length: {len(part)}\r\n\r\n".encode()
        yield part
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def read(content_type: str, body: bytes) -> list[bytes]:
    """The parts of a body. Lengths are believed over a search for the boundary, which pixels may contain.

    Raises BadMessage when the body does not hold together."""
    boundary = boundary_of(content_type)
    parts, position = [], _expect(body, 0, b"--" + boundary)
    while body[position : position + 2] != b"--":
        start = body.find(b"\r\n\r\n", position)
        if start < 0:
            raise BadMessage("a part of a multipart body has no end of headers")
        start += 4
        length = _length(body[position : start - 4])
        end = start + length if length is not None else body.find(b"\r\n--" + boundary, start)
        if end < start or end > len(body):
            raise BadMessage("a part of a multipart body is cut short")
        parts.append(body[start:end])
        position = _expect(body, end, b"\r\n--" + boundary)
    return parts


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names. Raises BadMessage."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "boundary" and 0 < len(value.strip('"')) <= 70:
            return value.strip('"').encode("latin-1", "replace")
    raise BadMessage("multipart without a boundary")


def _length(headers: bytes) -> int | None:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


def _expect(body: bytes, position: int, wanted: bytes) -> int:
    if body[position : position + len(wanted)] != wanted:
        raise BadMessage("a multipart body is not divided where it says")
    return position + len(wanted)
