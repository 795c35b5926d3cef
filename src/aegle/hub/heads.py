"""Audit heads lodged by sites: kept for ever, so that a trail that was shortened or rewritten contradicts itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow

from aegle.errors import BadMessage, Conflict, Forbidden
from aegle.hub.database import Database, changed, every, one
from aegle.records import AuditHead, Site

HEADS_MAX = 50

_CHAIN = re.compile(r"[a-z0-9-]{2,31}/[a-z0-9-]{1,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class LodgedHead:
    """The latest head of one chain that a site lodged."""

    site: str
    chain: str
    count: int
    digest: str
    lodged_at: datetime


@dataclass(frozen=True, kw_only=True)
class KeptHead(LodgedHead):
    """One of all heads that were ever lodged."""

    head_id: int  #: grows with every head


def lodge(database: Database, site: Site, heads: Sequence[AuditHead]) -> int:
    """Keep each head, whatever it says, and answer how many were new. Idempotent.

    Raises, after they are kept, Conflict where a head cannot follow one lodged before; BadMessage and Forbidden (a
    chain of another site) before anything is kept."""
    _check(site, heads)
    contradicted, new = [], 0
    with database.transaction() as transaction:
        for head in heads:
            values = {"site": site.name, "chain": head.chain, "count": head.count, "digest": head.digest}
            new += changed(transaction, "lodge_head", **values)
            contradicted += [(head, row) for row in [one(transaction, "contradicting_head", **values)] if row]
    if contradicted:
        raise Conflict(_say(*contradicted[0]))
    return new


def list_heads(database: Database) -> tuple[LodgedHead, ...]:
    """The latest head of every chain."""
    with database.transaction() as transaction:
        return tuple(LodgedHead(**row) for row in every(transaction, "heads"))


def heads_after(database: Database, after: int, limit: int) -> tuple[KeptHead, ...]:
    """Every head ever lodged, oldest first: those after the number `after`, at most `limit`."""
    with database.transaction() as transaction:
        return tuple(KeptHead(**row) for row in every(transaction, "heads_after", after=after, limit=limit))


def _say(head: AuditHead, before: DictRow) -> str:
    if before["count"] > head.count:
        return f"the trail {head.chain} has {head.count} entries and had {before['count']}: it was cut"
    return f"entry {head.count} of the trail {head.chain} is not the one lodged before: it was rewritten"


def _check(site: Site, heads: Sequence[AuditHead]) -> None:
    if len(heads) > HEADS_MAX:
        raise BadMessage(f"heads: at most {HEADS_MAX}")
    for head in heads:
        if not _CHAIN.fullmatch(head.chain) or not _DIGEST.fullmatch(head.digest) or head.count < 0:
            raise BadMessage("heads: chain SITE/PROCESS, a count and a SHA-256 digest")
        if head.chain.split("/")[0] != site.name:
            raise Forbidden("a chain of another site")
