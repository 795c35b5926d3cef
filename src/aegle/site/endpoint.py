"""The archive's endpoint of a site: grants checked, acts audited, objects taken in, images drawn."""

from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from aegle import durable
from aegle.carrier import Application
from aegle.ports import Archive, AuditSink
from aegle.protocols.dicomweb_server import archive_app
from aegle.site.access import GrantGate
from aegle.site.drawing import Drawing
from aegle.site.storing import Storing


@dataclass(frozen=True, kw_only=True)
class ArchiveEndpoint:
    """What stands between an archive and whoever asks for it over HTTP."""

    site: str
    archive: Archive
    audit: AuditSink
    key: bytes = field(repr=False)  #: of the grants
    folder: Path  #: for objects on their way in, on the archive's file system
    part_max_bytes: int  #: of one object
    revoked: Container[object] = ()  #: ids of grants that were taken back
    drawing: Drawing = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "drawing", Drawing(archive=self.archive))

    def application(self) -> Application:
        """For the carrier. What a crash left of objects on their way in goes: none was acknowledged."""
        for left in durable.private_folder(self.folder).iterdir():
            left.unlink()
        gate = GrantGate(site=self.site, key=self.key, audit=self.audit, revoked=self.revoked)
        storing = Storing(site=self.site, archive=self.archive, audit=self.audit)
        receiver = storing.receiver(self.folder, self.part_max_bytes)
        return archive_app(self.archive, gate, receiver, self.drawing)

    def close(self) -> None:
        """End the process that draws."""
        self.drawing.close()
