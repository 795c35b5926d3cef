"""The site's DIMSE listeners: the door, and Query/Retrieve for the site's own staff tools where it is asked for.

Query/Retrieve reads the archive, which holds aliases alone.
"""

from dataclasses import dataclass
from typing import Any

from aegle import access
from aegle.access import Act
from aegle.config import Door, Query
from aegle.intake import spool as spooled
from aegle.intake.spool import Spool
from aegle.ports import Archive, AuditSink
from aegle.protocols.door import DimseDoor
from aegle.protocols.library_door import LibraryDoor
from aegle.protocols.listener import Listener
from aegle.protocols.peers import Receive, Sender
from aegle.protocols.query_scp import Desk, query_offer
from aegle.protocols.tls import server_context
from aegle.records import AuditOutcome
from aegle.site.door import Notices

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
    return DimseDoor(**common, most_bytes=door.max_instance_mb * _MEGABYTE, tls=tls)


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
