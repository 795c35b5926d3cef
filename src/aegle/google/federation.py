"""A hospital's own machine signs in as its site by a certificate of the hospital's authority: workload identity federation.

The certificate is shown to Google's security token service over TLS (https://docs.cloud.google.com/iam/docs/workload-identity-
federation-with-x509-certificates). What comes back may ask for the site's tokens, each for an hour; no key of Google's is stored.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from google.auth import credentials as base
from google.auth import identity_pool, jwt, transport
from google.auth.environment_vars import CREDENTIALS
from google.auth.exceptions import RefreshError

from aegle.google.session import SCOPE

IAM_CREDENTIALS = "https://iamcredentials.googleapis.com/v1"
_IMPERSONATION = "service_account_impersonation_url"


def federated(audience: str, lender: str = IAM_CREDENTIALS) -> "FederatedIdToken | None":
    """ID tokens for `audience` where GOOGLE_APPLICATION_CREDENTIALS names the file that `aegle apply` wrote for a hospital's own
    machine; None where it names none or another kind. Raises OSError, ValueError and KeyError for a file that is damaged."""
    path = os.environ.get(CREDENTIALS)
    said = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    if said.get("type") != "external_account":
        return None
    account = str(said[_IMPERSONATION]).rpartition("/serviceAccounts/")[2].partition(":")[0]
    own = {key: value for key, value in said.items() if key != _IMPERSONATION}
    source = identity_pool.Credentials.from_info(own, scopes=[SCOPE])
    return FederatedIdToken(source, f"{lender}/projects/-/serviceAccounts/{account}:generateIdToken", audience)


class FederatedIdToken(base.Credentials):
    """The site's ID token, asked for with the machine's federated token (role workloadIdentityUser on the site's account).

    google-auth's own takes a service account's access token instead, which may not ask for tokens of itself."""

    def __init__(self, source: base.Credentials, url: str, audience: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._source, self._url, self._audience = source, url, audience

    def refresh(self, request: transport.Request) -> None:
        """A new token. Raises RefreshError and TransportError."""
        self._source.refresh(request)
        headers = {"authorization": f"Bearer {self._source.token}", "content-type": "application/json"}
        body = json.dumps({"audience": self._audience, "includeEmail": True}).encode()
        answer = request(self._url, method="POST", body=body, headers=headers)
        if answer.status != 200:
            raise RefreshError(f"generateIdToken answers {answer.status}")
        self.token = json.loads(answer.data)["token"]
        until = jwt.decode(self.token, verify=False)["exp"]
        self.expiry = datetime.fromtimestamp(until, UTC).replace(
            tzinfo=None
        )  # google-auth counts in UTC without saying so
