"""What passes between the carrier and an application: a request with its body still on the wire, and a response."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes of a file that are sent without passing through this process."""

    path: Path
    offset: int
    size_bytes: int


Piece = bytes | Run


class Body(Protocol):
    """The body of a request, read once, as it comes."""

    def read_into(self, place: memoryview) -> int:
        """How many bytes were put at the start of `place`; 0 once the body has ended. Raises BadMessage for a sender who
        leaves or breaks the framing, TooSlow for one who falls silent."""

    def is_ready(self) -> bool:
        """Whether a read would not wait."""


@dataclass(kw_only=True)
class Request:
    """One request. `path` is as it was sent, percent-encoded; `headers` have lower-case names, and values in Latin-1."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: Body
    names: dict[str, str] = field(default_factory=dict)  #: what the path names; set by the application

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The parameters in their order."""
        return parse_qsl(self.query_string, keep_blank_values=True)

    def parameter(self, name: str) -> str:
        """The last parameter of that name; empty where there is none."""
        return dict(self.query).get(name, "")

    def header(self, name: str) -> str:
        """A header by its lower-case name; empty where there is none."""
        return self.headers.get(name, "")

    @property
    def base_url(self) -> str:
        """As the caller addressed us, without a slash at the end."""
        return f"http://{self.headers.get('host', 'localhost')}"


@dataclass(kw_only=True)
class Response:
    """One answer. Without `size_bytes` its pieces are sent in chunks, as many as come."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterable[Piece] = ()
    size_bytes: int | None = None

    @classmethod
    def of(cls, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
        """Of bytes that are all there."""
        return cls(status=status, headers=headers or {}, pieces=(content,), size_bytes=len(content))


Answer = Callable[[Request], Response]


@dataclass(frozen=True)
class Application:
    """What answers requests, each in the thread of its connection. It answers refusals of its own too; what it raises is
    answered 500."""

    answer: Answer
