"""Makes a site known to the running hub and gives the site its credential, through the hub's operator API."""

from collections.abc import Collection

import httpx

from aegle.errors import PeerUnreachable
from aegle.local.home import AppliedSite, Home
from aegle.local.hub_client import error_of
from aegle.local.secrets import FileSecrets

CREDENTIAL = "hub-credential"


class OperatorClient:
    """The operator's side of the hub's API, with the token `aegle apply` made."""

    def __init__(self, home: Home, port: int) -> None:
        token = FileSecrets(home.hub / "secrets").get("operator-token").hex()
        headers = {"Authorization": f"Bearer operator.{token}"}
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False)

    def is_ready(self) -> bool:
        """Whether the hub answers."""
        try:
            return self._client.get("/healthz").is_success
        except httpx.HTTPError:
            return False

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        """One call. Raises PeerUnreachable, or the error that the hub answered, with the hub's own words."""
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise PeerUnreachable(f"the hub does not answer ({type(error).__name__}); is `aegle up` running?") from None
        if not answer.is_success:
            raise error_of(answer)
        return answer


def enroll(home: Home, client: OperatorClient, name: str, site: AppliedSite) -> None:
    """Tell the hub of a site; the first time, fetch the site's credential into its own secrets. Idempotent."""
    body = {
        "kind": site.config.kind.value,
        "archive_url": f"http://127.0.0.1:{site.archive_port}",
        "operating_point": site.config.operating_point,
    }
    client.call("PUT", f"/v1/admin/sites/{name}", body)
    secrets = FileSecrets(home.site(name) / "secrets")
    if not secrets.versions(CREDENTIAL):
        rotate(client, secrets, name)


def freeze_others(client: OperatorClient, running: Collection[str]) -> None:
    """Have the hub refuse every site that is not to run, and wait for no hello of it. Idempotent."""
    for known in client.call("GET", "/v1/admin/sites").json():
        if known["name"] not in running and not known["frozen"]:
            body = {key: known[key] for key in ("kind", "archive_url", "account")}
            more = {"operating_point": known["threshold"], "frozen": True}
            client.call("PUT", f"/v1/admin/sites/{known['name']}", body | more)


def rotate(client: OperatorClient, secrets: FileSecrets, name: str) -> None:
    """A new credential for a site; the one before stays valid until it is replaced again."""
    secret: str = client.call("POST", f"/v1/admin/sites/{name}/credential").json()["secret"]
    secrets.put(CREDENTIAL, secret.encode())
