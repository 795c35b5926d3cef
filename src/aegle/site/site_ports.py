"""What a site's program is given: its ports, and where it listens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aegle.access import Wanted
from aegle.ports import Archive, AuditSink, Hub, Lender, Secrets
from aegle.records import AuditEvent, AuditHead


@dataclass(frozen=True, kw_only=True)
class SitePorts:
    """What a site needs from its machine, and where it listens."""

    secrets: Secrets
    archive: Archive
    audit: AuditSink
    hub: Hub
    heads: Callable[[], Sequence[AuditHead]]  #: of every audit chain of this site, the commands' too
    trail: Callable[[int, Wanted], Sequence[tuple[str, AuditEvent]]]
    """The latest events of all these chains together, latest first, each with its chain's name."""
    door_port: int
    archive_port: int
    pages_port: int
    lender: Lender | None = None  #: who lends the archive to workers; None: this program, its own endpoint
    copy_audit: Callable[[], bool] | None = (
        None  #: copies the trail to where nobody can change it; None: there is no such place
    )
