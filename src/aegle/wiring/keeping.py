"""What commands that look after a site need of its machine: its secrets, the place for its backups, and releases."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx

from aegle.errors import PeerUnreachable
from aegle.local.home import AppliedSite, Home
from aegle.local.secrets import FileSecrets
from aegle.ports import Secrets
from aegle.wiring.identity import google_session

if TYPE_CHECKING:
    from aegle import google


@contextmanager
def site_secrets(home: Home, name: str) -> Iterator[Secrets]:
    """A site's secrets: files beside it, or Secret Manager for a machine on Google Cloud."""
    cloud = home.require_applied().site(name).config.cloud
    with ExitStack() as stack:
        if cloud is None or cloud.keys_here:
            yield FileSecrets(home.site(name) / "secrets")
            return
        session, _ = google_session(stack)
        from aegle.google import SecretManager, address

        yield SecretManager(session, cloud.project, name, address("secretmanager", "v1", cloud.endpoint))


@contextmanager
def backups(home: Home, name: str) -> Iterator["google.Bucket | None"]:
    """The bucket for a site's backups; None where the site has none."""
    cloud = home.require_applied().site(name).config.cloud
    with _bucket(cloud.bucket if cloud else None, cloud.endpoint if cloud else None) as found:
        yield found


@contextmanager
def mirror(home: Home, name: str) -> Iterator["google.Bucket | None"]:
    """The bucket of releases; None where the site has none."""
    cloud = home.require_applied().site(name).config.cloud
    with _bucket(cloud.mirror if cloud else None, cloud.endpoint if cloud else None) as found:
        yield found


def hub_version(home: Home, site: AppliedSite) -> str:
    """The release that the hub runs, as its API says to anybody. Raises PeerUnreachable."""
    cloud = site.config.cloud
    url = cloud.hub_url if cloud else f"http://127.0.0.1:{home.require_applied().hub.port}"
    try:
        answer = httpx.get(f"{url}/openapi.json", timeout=30, trust_env=False)
        return str(answer.raise_for_status().json()["info"]["version"])
    except (httpx.HTTPError, ValueError, KeyError):
        raise PeerUnreachable("the hub does not say which release it runs; name one: --to VERSION") from None


def say(home: Home, name: str, line: dict[str, str]) -> None:
    """A line in the log that operators' alerts look at, on Google Cloud; nowhere on one machine."""
    cloud = home.require_applied().site(name).config.cloud
    if cloud is None:
        return
    with ExitStack() as stack:
        session, _ = google_session(stack)
        from aegle.google import address

        entry = {"jsonPayload": line | {"site": name}, "severity": "ERROR"}
        log = {"logName": f"projects/{cloud.project}/logs/aegle", "resource": {"type": "global"}, "entries": [entry]}
        session.call("POST", address("logging", "v2/entries:write", cloud.endpoint), log)


@contextmanager
def _bucket(name: str | None, endpoint: str | None) -> Iterator["google.Bucket | None"]:
    with ExitStack() as stack:
        if name is None:
            yield None
            return
        session, _ = google_session(stack)
        from aegle.google import Bucket

        yield Bucket(session, name, endpoint)
