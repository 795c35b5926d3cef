"""A site's archive: the embedded one (a file an instance, an SQLite index), or somebody else's through DICOMweb."""

from aegle.local.archive.remote import RemoteArchive
from aegle.local.archive.store import FileArchive

__all__ = ["FileArchive", "RemoteArchive"]
