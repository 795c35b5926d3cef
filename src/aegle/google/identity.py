"""A site signs in at the hub as its service account: a short-lived Google ID token for the hub's address, no stored key.

The site asks its machine's metadata server, or its workload identity federation, for the token; the hub checks signature,
issuer, audience and account (https://cloud.google.com/docs/authentication/token-types#id). One account is one site.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping

import httpx
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import id_token

from aegle.errors import PeerUnreachable, Unauthenticated
from aegle.google.federation import IAM_CREDENTIALS, federated
from aegle.google.transport import HttpxRequest

CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
CLOCK_SKEW_S = 10
CERTIFICATES_S = 3600.0  #: Google's keys live for days and are published a day before they are used
CERTIFICATES_SOONEST_S = 60.0  #: no unknown key makes us ask more often than this


def site_token(audience: str, client: httpx.Client, lender: str = IAM_CREDENTIALS) -> Callable[[], str]:
    """What gives this machine's ID token for the hub at `audience`, renewed before it ends (they last an hour).

    Raises Unauthenticated when the machine has no Google identity."""
    request = HttpxRequest(client)
    try:
        found = federated(audience, lender) or id_token.fetch_id_token_credentials(audience, request=request)
    except (GoogleAuthError, OSError, ValueError, KeyError):
        raise Unauthenticated("this machine has no Google identity to sign in with at the hub") from None
    turn = threading.Lock()

    def token() -> str:
        with turn:
            try:
                if not found.valid:
                    found.refresh(request)
            except GoogleAuthError as error:
                raise Unauthenticated(f"Google does not give this machine a token ({type(error).__name__})") from None
            return str(found.token)

    return token


class TokenVerifier:
    """The hub's side: whose token it is. Safe to share between threads."""

    def __init__(
        self,
        audience: str,
        client: httpx.Client,
        certificates: str = CERTIFICATES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audience, self._client, self._url, self._clock = audience, client, certificates, clock
        self._turn = threading.Lock()
        self._certificates: Mapping[str, str] = {}
        self._fetched_at = -CERTIFICATES_S

    def account(self, token: str) -> str:
        """The service account's address. Raises Unauthenticated for a token that is not Google's, not for this hub, over
        its time, or without a verified address; PeerUnreachable when Google's certificates cannot be had."""
        try:
            key = str(jwt.decode_header(token).get("kid", ""))
            claims = jwt.decode(token, self._known(key), audience=self._audience, clock_skew_in_seconds=CLOCK_SKEW_S)
        except (GoogleAuthError, ValueError):
            raise Unauthenticated("the token is not a valid Google ID token for this hub") from None
        if claims.get("iss") not in ISSUERS or claims.get("email_verified") is not True:
            raise Unauthenticated("the token is not Google's, or its account's address is not verified")
        return str(claims["email"])

    def _known(self, key: str) -> Mapping[str, str]:
        """Google's certificates by key id; fetched when they are old, or when they lack this key."""
        with self._turn:
            age = self._clock() - self._fetched_at
            if age >= CERTIFICATES_S or (key not in self._certificates and age >= CERTIFICATES_SOONEST_S):
                self._certificates, self._fetched_at = self._fetch(), self._clock()
            return self._certificates

    def _fetch(self) -> Mapping[str, str]:
        try:
            answer = self._client.get(self._url)
            answer.raise_for_status()
            found: Mapping[str, str] = json.loads(answer.content)
        except (httpx.HTTPError, ValueError) as error:
            raise PeerUnreachable(f"Google's certificates cannot be fetched ({type(error).__name__})") from None
        return found
