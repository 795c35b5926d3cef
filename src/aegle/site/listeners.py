"""The site's listeners for DICOM: the door by DIMSE and by STOW-RS, and Query/Retrieve for the site's own staff tools.

Query/Retrieve reads the archive, which holds aliases alone.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegle import access, durable
from aegle.access import Act
from aegle.config import Door, Query, SiteConfig
from aegle.errors import StorageFull
from aegle.intake import spool as spooled
from aegle.intake.spool import Spool
from aegle.pages.servers import HttpServer
from aegle.ports import Archive, AuditSink
from aegle.protocols.door import DimseDoor
from aegle.protocols.library_door import LibraryDoor
from aegle.protocols.listener import Listener
from aegle.protocols.peers import Receive, Sender
from aegle.protocols.query_scp import Desk, query_offer
from aegle.protocols.tls import https_settings, server_context
from aegle.records import AuditOutcome
from aegle.site.door import Notices, SiteDoor
from aegle.site.door_keys import DoorKeys
from aegle.site.folder import SiteFolder
from aegle.site.receipts import Receipts
from aegle.site.stow_door import StowDoor
from aegle.site.unwritten import Unwritten

_MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class QueryTrail:
    """Writes down what a peer searched and read."""

    site: str
    audit: AuditSink

    def tell(self, sender: Sender, act: Act, study_uid: str, outcome: AuditOutcome, reason: str, count: int) -> None:
        """Durable on return. Raises StorageFull: then nothing is answered either."""
        facts: dict[str, str | int] = {"door": "query"}
        facts |= {"reason": reason} if reason else {}
        facts |= {"count": count} if count else {}
        event = access.event(
            act, outcome, principal=f"peer:{sender.ae_title}", site=self.site, subject=study_uid, **facts
        )
        self.audit.append(event)


def door_listener(
    door: Door, *, title: str, port: int, spool: Spool, receive: Receive, notices: Notices
) -> Listener | LibraryDoor:
    """C-STORE and C-ECHO, not yet started. Raises BadConfig where its TLS cannot be used."""
    common: dict[str, Any] = {
        "ae_title": title,
        "address": (door.bind, port),
        "allow": door.allow,
        "folder": spool.incoming,
        "receive": receive,
        "notice": notices.of(spooled.Door.DIMSE),
        "limit": door.max_associations,
    }
    if door.upper_layer == "pynetdicom":
        return LibraryDoor(**common)
    tls = server_context(door.tls) if door.tls else None
    return DimseDoor(**common, most_bytes=door.max_instance_mb * _MEGABYTE, tls=tls, slot=spool.slots.take)


def query_listener(query: Query, *, site: str, archive: Archive, audit: AuditSink, notices: Notices) -> Listener:
    """C-FIND, C-GET and C-ECHO, not yet started. Raises BadConfig where its TLS cannot be used."""
    title = query.ae_title or f"{site.upper()[:13]}-QR"
    trail = QueryTrail(site=site, audit=audit)
    return Listener(
        query_offer(Desk(archive=archive, ae_title=title, tell=trail.tell)),
        ae_title=title,
        address=(query.bind, query.port),
        allow=query.allow,
        notice=notices.of("query"),
        limit=query.max_associations,
        tls=server_context(query.tls) if query.tls else None,
    )


def stow_server(config: Door, *, site: SiteDoor, keys: DoorKeys, notices: Notices, work: Path) -> HttpServer | None:
    """STOW-RS, not yet started, where it is asked for. Raises BadConfig where its TLS cannot be used."""
    if config.stow is None:
        return None
    made = StowDoor(
        door=site,
        keys=keys,
        notices=notices,
        work=durable.private_folder(work),
        part_max_bytes=config.max_instance_mb * _MEGABYTE,
        limit=config.stow.max_requests,
    )
    tls = https_settings(config.stow.tls) if config.stow.tls else None
    return HttpServer(made.application(), config.stow.bind, config.stow.port, tls)


class Doors:
    """A site's listeners and what they write down, opened and closed together."""

    def __init__(
        self,
        name: str,
        config: SiteConfig,
        *,
        title: str,
        port: int,
        spool: Spool,
        folder: SiteFolder,
        archive: Archive,
        audit: AuditSink,
        arrived: Callable[[], None],
    ) -> None:
        unwritten, keys = Unwritten(), DoorKeys(path=folder.door_keys)
        self.receipts = Receipts(name, audit, unwritten)
        self.notices = Notices(site=name, audit=audit, unwritten=unwritten)
        self.door = SiteDoor(
            site=name, spool=spool, audit=audit, arrived=arrived, receipts=self.receipts, unwritten=unwritten
        )
        self._spool = spool
        stow = stow_server(config.door, site=self.door, keys=keys, notices=self.notices, work=folder.work)
        self._listeners: list[Listener | LibraryDoor | HttpServer] = [stow] if stow else []
        if config.query is not None:
            self._listeners.append(
                query_listener(config.query, site=name, archive=archive, audit=audit, notices=self.notices)
            )
        receive = self.door.receive
        self._listeners.append(
            door_listener(config.door, title=title, port=port, spool=spool, receive=receive, notices=self.notices)
        )

    def steps(self) -> dict[str, tuple[Callable[[], bool], float]]:
        """What is to be done every so many seconds."""
        return {"receipts": (self.receipts.write, 0.25), "refusals": (self.notices.tell_counted, 10.0)}

    def recover(self) -> None:
        """Write the receipts that a crash kept from the trail, before anything runs."""
        self.receipts.recover(self._spool.waiting())

    def start(self) -> None:
        """Listen. Raises Overloaded when a port is taken."""
        for listener in self._listeners:
            listener.start()

    def stop(self) -> None:
        """Hang up, then write down what waits; on a full disk receipts wait for the next start."""
        for listener in self._listeners:
            listener.stop()
        with contextlib.suppress(StorageFull):
            self.receipts.write()
            self.notices.tell_counted(ending=True)
