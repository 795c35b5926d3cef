"""httpx as the transport of google-auth, so that one HTTP client, with its proxies and timeouts, does all calls."""

from collections.abc import Mapping

import httpx
from google.auth import exceptions, transport


class HttpxRequest(transport.Request):
    """google.auth.transport.Request on an httpx client."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> transport.Response:
        """One request. Raises TransportError, as google-auth expects."""
        try:
            answer = self._client.request(method, url, content=body, headers=headers, timeout=timeout or 30)
        except httpx.HTTPError as error:
            raise exceptions.TransportError(type(error).__name__) from error
        return _Answer(answer)


class _Answer(transport.Response):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    @property
    def data(self) -> bytes:
        return self._answer.content
