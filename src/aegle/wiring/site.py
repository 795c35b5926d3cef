"""A site's program on its machine, beside the hub or on Google Cloud."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import httpx

from aegle import config
from aegle.local.accounts import SqliteAccounts
from aegle.local.archive import FileArchive, RemoteArchive
from aegle.local.audit import ChainedLines, heads_in
from aegle.local.enrolment import CREDENTIAL
from aegle.local.home import Applied, Home
from aegle.local.hub_client import HttpHub
from aegle.local.secrets import FileSecrets
from aegle.local.trails import newest_in
from aegle.pages.accounts import SignIn
from aegle.ports import AuditSink, Lender, Secrets
from aegle.protocols.dicomweb_store import DicomWebStore
from aegle.site.folder import SiteFolder
from aegle.site.pages import site_shell
from aegle.site.program import SiteProgram
from aegle.site.site_ports import SitePorts
from aegle.wiring.identity import google_session, require_google

_GOOGLE_ARCHIVE = "healthcare.googleapis.com"
_ARCHIVE_TIMEOUT_S = 300.0  #: between two bytes: an archive may take its time to write a slide


def site_folder(home: Home, name: str) -> SiteFolder:
    """Where a site keeps what."""
    return SiteFolder(root=home.site(name))


@contextmanager
def running_site(home: Home, name: str) -> Iterator[SiteProgram]:
    """A site's program with its pages, up until the block ends."""
    applied = home.require_applied()
    place, folder = applied.site(name), site_folder(home, name)
    with ExitStack() as stack:
        chain = ChainedLines(folder.audit, name, "site")
        stack.callback(chain.close)
        cloud, archive_at = place.config.cloud, place.config.archive
        own = _on_google(stack, cloud, archive_at, folder, chain) if cloud else _on_this_machine(folder, applied, chain)
        stack.callback(own.hub.close)
        archive = _archive(stack, archive_at, folder, own.secrets)
        stack.callback(archive.close)
        accounts = SqliteAccounts(folder.accounts)
        stack.callback(accounts.close)
        ports = SitePorts(
            secrets=own.secrets,
            archive=archive,
            audit=own.audit,
            hub=own.hub,
            heads=partial(heads_in, folder.audit, name),
            trail=partial(newest_in, folder.audit, name),
            door_port=place.door_port,
            archive_port=place.archive_port,
            pages_port=place.pages_port,
            lender=own.lender,
            copy_audit=own.copy_audit,
        )
        program = SiteProgram(name, place.config, folder, ports)
        sign_in = SignIn(accounts, place.config.kind, own.secrets.get("page-key"))
        program.serve(site_shell(program, sign_in, own.audit).application())
        stack.callback(program.stop)
        program.start()
        yield program


def _archive(
    stack: ExitStack, remote: config.RemoteArchive | None, folder: SiteFolder, secrets: Secrets
) -> FileArchive | RemoteArchive:
    """The site's archive: its own folder, or the DICOMweb service that the configuration names."""
    if remote is None:
        return FileArchive(folder.archive)
    client = stack.enter_context(httpx.Client(timeout=_ARCHIVE_TIMEOUT_S, trust_env=False))
    return RemoteArchive(folder.archive, DicomWebStore(remote.url, _archive_auth(remote, secrets, client), client))


def _archive_auth(remote: config.RemoteArchive, secrets: Secrets, client: httpx.Client) -> str | httpx.Auth:
    if remote.token_secret is not None:
        return secrets.get(remote.token_secret).decode()
    if httpx.URL(remote.url).host != _GOOGLE_ARCHIVE:
        return "none"
    require_google()
    from aegle.google import GoogleToken, machine_credentials

    return GoogleToken(machine_credentials(), client)


@dataclass(frozen=True, kw_only=True)
class _Own:
    """The ports that depend on where a site's machine is."""

    secrets: Secrets
    audit: AuditSink
    hub: HttpHub
    lender: Lender | None = None
    copy_audit: Callable[[], bool] | None = None


def _on_this_machine(folder: SiteFolder, applied: Applied, chain: ChainedLines) -> _Own:
    """Beside the hub: files, and the hub on loopback by the credential that `aegle apply` made."""
    secrets = FileSecrets(folder.secrets)
    url = f"http://127.0.0.1:{applied.hub.port}"
    hub = HttpHub(url, lambda: f"{folder.root.name}.{secrets.get(CREDENTIAL).decode()}")
    return _Own(secrets=secrets, audit=chain, hub=hub)


def _on_google(
    stack: ExitStack,
    cloud: config.Cloud,
    archive: config.RemoteArchive | None,
    folder: SiteFolder,
    chain: ChainedLines,
) -> _Own:
    """On Google Cloud: this machine's identity opens its secrets, its log and the hub; no key is stored."""
    session, client = google_session(stack)
    from aegle.google import CloudTrail, ReaderToken, SecretManager, address, site_token

    def at(service: str, path: str) -> str:
        return address(service, path, cloud.endpoint)

    copied = folder.root / "audit-copied.json"
    trail = CloudTrail(chain, copied, session, cloud.project, at("logging", "v2"))
    lender = at("iamcredentials", "v1")
    return _Own(
        secrets=FileSecrets(folder.secrets)
        if cloud.keys_here
        else SecretManager(session, cloud.project, folder.root.name, at("secretmanager", "v1")),
        audit=trail,
        hub=HttpHub(cloud.hub_url, site_token(cloud.hub_url, client, lender)),
        lender=ReaderToken(session, cloud.reader, archive.url, lender) if cloud.reader and archive else None,
        copy_audit=lambda: trail.ship() > 0,
    )
