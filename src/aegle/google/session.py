"""Calls to a Google Cloud service: the caller's own token, renewed in time; retries where Google asks for them.

Errors follow https://cloud.google.com/apis/design/errors: 429 and 5xx are tried again with a growing wait, 401 once with a
new token. A denied resource and an absent one look alike there on purpose; both are NotFound or Forbidden here as told.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import google.auth
import httpx
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError

from aegle.errors import (
    AegleError,
    BadMessage,
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    PeerUnreachable,
    Unauthenticated,
)
from aegle.google.transport import HttpxRequest

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TRIES = 5
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 16.0
_BLOCK = 1 << 20
_AGAIN = frozenset({429, 500, 502, 503, 504})
_ERRORS: Mapping[int, type[AegleError]] = {
    400: BadMessage,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: Overloaded,
}


def machine_credentials() -> Credentials:
    """The identity of this machine or process: a VM's service account, workload identity federation, or a person's own
    login. Raises Unauthenticated with the remedy. Never a downloaded key: the blueprint forbids them."""
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
    except GoogleAuthError:
        raise Unauthenticated(
            "no Google identity here: run on a machine with a service account, or `gcloud auth application-default login`"
        ) from None
    return credentials


class Session:
    """One identity calling Google's services. Safe to share between threads."""

    def __init__(
        self, credentials: Credentials, client: httpx.Client, *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._credentials, self._client, self._wait = credentials, client, wait
        self._request = HttpxRequest(client)

    def call(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer's JSON. Raises NotFound, Forbidden, Conflict, BadMessage, Unauthenticated, and what may be tried
        again later: Overloaded, PeerUnreachable."""
        answer = self._granted(url, lambda: self._client.request(method, url, json=body, headers=self._headers()))
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content

    def fetch(self, url: str, target: Path) -> None:
        """The answer's bytes into a new file, a block at a time. Raises as `call`."""

        def attempt() -> httpx.Response:
            with self._client.stream("GET", url, headers=self._headers()) as answer:
                if not answer.is_success:
                    answer.read()
                    return answer
                with target.open("wb") as stream:
                    for block in answer.iter_bytes(_BLOCK):
                        stream.write(block)
                return answer

        self._granted(url, attempt)

    def send(self, url: str, source: Path) -> dict[str, Any]:
        """Send a file's bytes, a block at a time; the answer's JSON. Raises as `call`."""

        def attempt() -> httpx.Response:
            with source.open("rb") as stream:
                return self._client.post(url, content=_blocks(stream), headers=self._headers() | {
                    "Content-Type": "application/octet-stream", "Content-Length": str(source.stat().st_size),
                })  # fmt: skip

        content: dict[str, Any] = self._granted(url, attempt).json()
        return content

    def _granted(self, url: str, attempt: Callable[[], httpx.Response]) -> httpx.Response:
        """A success, with one new token where the one in use no longer holds. Raises as `call`."""
        answer = self._answered(url, attempt)
        if answer.status_code == 401:
            self._credentials.token = None
            answer = self._answered(url, attempt)
        if not answer.is_success:
            raise _error(answer)
        return answer

    def _answered(self, url: str, attempt: Callable[[], httpx.Response]) -> httpx.Response:
        """The last answer after as many tries as it took. Raises PeerUnreachable when there was none."""
        for wait_s in self._waits():
            try:
                answer = attempt()
            except httpx.HTTPError as error:
                failure: str | None = type(error).__name__
            else:
                failure = None
                if answer.status_code not in _AGAIN or wait_s is None:
                    return answer
            if wait_s is None:
                raise PeerUnreachable(f"{httpx.URL(url).host} does not answer ({failure})")
            self._wait(wait_s)
        raise AssertionError("the last try returns or raises")

    def _waits(self) -> "list[float | None]":
        """How long to wait after each try; None after the last."""
        growing = [min(FIRST_WAIT_S * 2**n, LONGEST_WAIT_S) * random.uniform(0.5, 1.0) for n in range(TRIES - 1)]
        return [*growing, None]

    def token(self) -> str:
        """This identity's access token, good for some minutes more. Raises Unauthenticated."""
        return self._headers()["Authorization"].removeprefix("Bearer ")

    def _headers(self) -> dict[str, str]:
        try:
            if not self._credentials.valid:
                self._credentials.refresh(self._request)
        except GoogleAuthError as error:
            raise Unauthenticated(f"Google does not give this identity a token ({type(error).__name__})") from None
        return {"Authorization": f"Bearer {self._credentials.token}"}


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _error(answer: httpx.Response) -> AegleError:
    """Google's error with its status word; its message may hold names of resources, never a secret's value."""
    try:
        said = answer.json()["error"]
        detail = f"{said.get('status', answer.status_code)}: {said.get('message', '')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        detail = f"{answer.status_code}"
    kind = _ERRORS.get(answer.status_code, PeerUnreachable)
    return kind(f"{answer.url.host} says {detail}")
