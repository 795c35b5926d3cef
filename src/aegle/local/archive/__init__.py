"""The embedded archive: one file an instance, an SQLite index that can be rebuilt from the files."""

from aegle.local.archive.store import FileArchive

__all__ = ["FileArchive"]
