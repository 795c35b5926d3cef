"""The Healthcare API's DICOM store as a site's archive: our DICOMweb client, with this machine's identity as its token.

Of its dialect (https://cloud.google.com/healthcare-api/docs/dicom) the client already does what any archive may ask: objects
as stored only for `transfer-syntax=*`, pages of 1,000 where it allows 5,000, reasons in the body of a 409, waits at 429.
What is left is the token, which ends after an hour.
"""

from collections.abc import Generator

import httpx
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError

from aegle.errors import Unauthenticated
from aegle.google.transport import HttpxRequest


class GoogleToken(httpx.Auth):
    """This machine's access token on each request; made anew when it has ended, and once when it is refused.

    A body that is read from a file cannot be sent twice: a refused STOW is tried again by its caller."""

    def __init__(self, credentials: Credentials, client: httpx.Client) -> None:
        self._credentials, self._request = credentials, HttpxRequest(client)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx asks. Raises Unauthenticated when Google gives no token."""
        if not self._credentials.valid:
            self._renew()
        request.headers["Authorization"] = f"Bearer {self._credentials.token}"
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED and request.method != "POST":
            self._renew()
            request.headers["Authorization"] = f"Bearer {self._credentials.token}"
            yield request

    def _renew(self) -> None:
        try:
            self._credentials.refresh(self._request)
        except GoogleAuthError as error:
            raise Unauthenticated(f"Google does not give this identity a token ({type(error).__name__})") from None
