"""The Provisioner port on one machine: a folder, keys and loopback ports for each site. It never deletes a site's data."""

import socket
from collections.abc import Iterator, Sequence

from aegle import durable
from aegle.config import Config, SiteConfig
from aegle.deid import agreement
from aegle.deid.agreement import Agreements
from aegle.deid.profile import configured
from aegle.errors import BadConfig
from aegle.local.home import Applied, AppliedHub, AppliedSite, Home, same_hub
from aegle.local.secrets import FileSecrets
from aegle.ports import Change

_FIRST_PORT = 8701
SITE_SECRETS = ("pseudonym-secret", "vault-key", "quarantine-key", "grant-key", "page-key")
HUB_SECRETS = ("operator-token", "page-key")


class LocalProvisioner:
    """Makes `aegle.yaml` real below a folder; programs are started by `aegle up`, which watches what is written here."""

    def __init__(self, config: Config, home: Home) -> None:
        self._config, self._home = config, home

    def plan(self) -> Sequence[Change]:
        """What differs between aegle.yaml and what is there. Changes nothing. Raises BadConfig for a site that shall become
        another kind."""
        applied = self._home.applied()
        changes = []
        if not same_hub(self._config, applied):
            what = "create" if applied is None else "change"
            changes.append(Change(site="", what=what, why="the hub with its database, keys and ports on this machine"))
        before = applied.sites if applied else {}
        for name, site in self._config.sites.items():
            changes.extend(_difference(name, site, before.get(name), self._home.site(name).exists()))
        for name in before.keys() - self._config.sites.keys():
            why = "no longer in aegle.yaml: its program stops, its archive, vault and keys stay where they are"
            changes.append(Change(site=name, what="retire", why=why))
        return changes

    def apply(self) -> Sequence[Change]:
        """Make it so, idempotent; answers what was done. Raises BadConfig for a profile that two people must agree to
        first."""
        for name, site in self._config.sites.items():
            Agreements(self._home.site(name) / agreement.FILE).require(configured(site.deid), name)
        changes = self.plan()
        durable.private_folder(self._home.root)
        hub_secrets = FileSecrets(durable.private_folder(self._home.hub) / "secrets")
        for secret in HUB_SECRETS:
            hub_secrets.ensure(secret)
        for name in self._config.sites:
            site_secrets = FileSecrets(durable.private_folder(self._home.site(name)) / "secrets")
            for secret in SITE_SECRETS:
                site_secrets.ensure(secret)
        wanted = self._wanted(self._home.applied())
        if wanted != self._home.applied():
            self._home.write_applied(wanted)
        return changes

    def _wanted(self, before: Applied | None) -> Applied:
        """The applied state for this aegle.yaml; a port once given is kept."""
        free = _free_ports({*_ports(before), *_named_ports(self._config)})
        hub = self._config.hub
        old = before.hub if before else None
        sites = {}
        for name, site in self._config.sites.items():
            known = before.sites.get(name) if before else None
            sites[name] = AppliedSite(
                door_port=site.door.port or (known.door_port if known else next(free)),
                archive_port=site.archive_port or (known.archive_port if known else next(free)),
                pages_port=site.pages.port or (known.pages_port if known else next(free)),
                config=site,
            )
        return Applied(
            hub=AppliedHub(
                port=hub.port or (old.port if old else next(free)),
                pages_port=hub.pages_port or (old.pages_port if old else next(free)),
                config=hub,
            ),
            sites=sites,
        )


def _difference(name: str, site: SiteConfig, before: AppliedSite | None, has_folder: bool) -> list[Change]:
    if before is None:
        back = (
            "; it finds the archive, vault, keys and people of the site that had this name before" if has_folder else ""
        )
        why = f"a {site.kind} with a folder, keys, archive, door and pages of its own{back}"
        return [Change(site=name, what="create", why=why)]
    if before.config.kind != site.kind:
        raise BadConfig(
            f"{name} was applied as a {before.config.kind} and stays one; add the {site.kind} under another name"
        )
    if before.config != site:
        if site.frozen and not before.config.frozen:
            why = "its program stops; its archive, vault and keys stay where they are"
            return [Change(site=name, what="freeze", why=why)]
        if before.config.frozen and not site.frozen:
            return [Change(site=name, what="thaw", why="no longer frozen: its program starts, with all that was there")]
        changed = [key for key in SiteConfig.model_fields if getattr(before.config, key) != getattr(site, key)]
        return [Change(site=name, what="change", why=f"{', '.join(changed)} in aegle.yaml; its program restarts")]
    return []


def _ports(applied: Applied | None) -> Iterator[int]:
    if applied is None:
        return
    yield from (applied.hub.port, applied.hub.pages_port)
    for site in applied.sites.values():
        yield from (site.door_port, site.archive_port, site.pages_port)


def _named_ports(config: Config) -> Iterator[int]:
    """Ports that the file gives by number: nobody else is given one of these."""
    named = [config.hub.port, config.hub.pages_port]
    for site in config.sites.values():
        named += [site.door.port, site.archive_port, site.pages.port]
        named += [listener.port for listener in (site.door.stow, site.query) if listener]
    yield from (port for port in named if port is not None)


def _free_ports(taken: set[int]) -> Iterator[int]:
    """Loopback ports nobody listens on now and none of our sites was given."""
    for port in range(_FIRST_PORT, 65_000):
        if port not in taken and _is_free(port):
            yield port


def free_port() -> int:
    """A loopback port nobody listens on now, from the system's own range, so that no site is given the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
