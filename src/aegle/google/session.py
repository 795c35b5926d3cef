"""Calls to a Google Cloud service: the caller's own token, renewed in time; retries where Google asks for them.

Errors follow https://cloud.google.com/apis/design/errors: 429 and 5xx are tried again with a growing wait, 401 once with a
new token. A denied resource and an absent one look alike there on purpose; both are NotFound or Forbidden here as told.
"""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

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
_AGAIN = frozenset({429, 500, 502, 503, 504})
_ERRORS: Mapping[int, type[AegleError]] = {
    400: BadMessage,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
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
        answer = self._answered(method, url, body)
        if answer.status_code == 401:
            self._credentials.token = None
            answer = self._answered(method, url, body)
        if answer.is_success:
            content: dict[str, Any] = answer.json() if answer.content else {}
            return content
        raise _error(answer)

    def _answered(self, method: str, url: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """The last answer after as many tries as it took. Raises PeerUnreachable when there was none."""
        for wait_s in self._waits():
            try:
                answer = self._client.request(method, url, json=body, headers=self._headers())
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

    def _headers(self) -> dict[str, str]:
        try:
            if not self._credentials.valid:
                self._credentials.refresh(self._request)
        except GoogleAuthError as error:
            raise Unauthenticated(f"Google does not give this identity a token ({type(error).__name__})") from None
        return {"Authorization": f"Bearer {self._credentials.token}"}


def _error(answer: httpx.Response) -> AegleError:
    """Google's error with its status word; its message may hold names of resources, never a secret's value."""
    try:
        said = answer.json()["error"]
        detail = f"{said.get('status', answer.status_code)}: {said.get('message', '')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        detail = f"{answer.status_code}"
    kind = _ERRORS.get(answer.status_code, PeerUnreachable)
    return kind(f"{answer.url.host} says {detail}")
