"""httpx as the transport of google-auth, so that one HTTP client, with its proxies and timeouts, does all calls."""

import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

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
        cert: tuple[str, str] | None = None,
        **_: object,
    ) -> transport.Response:
        """One request; with `cert` (paths of certificate and key) over TLS that shows it. Raises TransportError, as
        google-auth expects."""
        try:
            with self._showing(cert) as client:
                answer = client.request(method, url, content=body, headers=headers, timeout=timeout or 30)
        except (httpx.HTTPError, OSError) as error:  # OSError: the certificate or its key cannot be read
            raise exceptions.TransportError(type(error).__name__) from error
        return _Answer(answer)

    def _showing(self, cert: tuple[str, str] | None) -> AbstractContextManager[httpx.Client]:
        if cert is None:
            return nullcontext(self._client)
        context = ssl.create_default_context()
        context.load_cert_chain(*cert)
        return httpx.Client(verify=context)


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
