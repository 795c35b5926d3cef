"""Sites that somebody else wrote down: one small JSON file each, made where a site is made, and taken in by the hub."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath

from aegle import logs
from aegle.access import Act, event
from aegle.errors import AegleError, BadMessage
from aegle.hub.database import Database
from aegle.hub.sites import Enrolment, SiteStatus, enroll, list_sites
from aegle.ports import AuditSink
from aegle.records import SiteKind


def take_in(database: Database, audit: AuditSink, written: Mapping[str, bytes]) -> int:
    """Enroll what is new or changed of `written` (file name -> content), freeze what is gone; answers how many.

    A file that cannot be used is said in the log and keeps no other one back. A site whose file is gone stays known, with
    all that was asked and answered; its identity is gone, so nobody waits for its hello."""
    known = {status.name: status for status in list_sites(database)}
    files = {PurePosixPath(name).stem: text for name, text in written.items()}
    gone = [status for name, status in known.items() if name not in files and status.account and not status.frozen]
    return sum(_take_one(database, audit, name, text, known) for name, text in files.items()) + sum(
        _enrolled(database, audit, status.name, _frozen(status)) for status in gone
    )


def _take_one(database: Database, audit: AuditSink, name: str, content: bytes, known: Mapping[str, SiteStatus]) -> bool:
    try:
        wanted = _parsed(content)
        if name in known and _as_wanted(known[name], wanted):
            return False
        return _enrolled(database, audit, name, wanted)
    except AegleError as error:
        logs.error("a site's enrolment cannot be used", site=name, code=error.meaning.code)
        return False


def _enrolled(database: Database, audit: AuditSink, name: str, wanted: Enrolment) -> bool:
    enroll(database, name, wanted)
    state = "frozen" if wanted.frozen else "live"
    audit.append(event(Act.HUB_SITE_ENROLL, principal="system", subject=name, kind=wanted.kind.value, state=state))
    return True


def _frozen(status: SiteStatus) -> Enrolment:
    return Enrolment(
        kind=status.kind, archive_url=status.archive_url, account=status.account, operating_point=status.threshold,
        frozen=True,
    )  # fmt: skip


def _parsed(content: bytes) -> Enrolment:
    try:
        said = json.loads(content)
        return Enrolment(
            kind=SiteKind(said["kind"]), archive_url=str(said["archive_url"]), account=str(said["account"]),
            operating_point=said.get("operating_point"), frozen=bool(said.get("frozen", False)),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadMessage("an enrolment is JSON with kind, archive_url and account") from None


def _as_wanted(status: SiteStatus, wanted: Enrolment) -> bool:
    return (status.kind, status.archive_url, status.account, status.threshold, status.frozen) == (
        wanted.kind, wanted.archive_url, wanted.account, wanted.operating_point, wanted.frozen
    )  # fmt: skip
