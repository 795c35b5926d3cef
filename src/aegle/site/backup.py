"""A site's memory in one sealed file, and the way back: vault, what waits in spool and quarantine, the site's databases, and
what people set: who may send by STOW-RS (hashes), which grants were taken back, pixel rules, agreements.

Not in it: keys (whoever has both has the patients), the archive (de-identified, kept elsewhere or backed up as files), the trail,
and the outbox, which is made again. The file is sealed under a key derived from the vault's; an older vault
key opens older backups.
"""

import io
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aegle import durable
from aegle.deid import vault_upkeep
from aegle.errors import Conflict, Unreadable
from aegle.site.folder import SiteFolder
from aegle.site.sealed import Opening, Sealing

SUFFIX = ".sealed"
_VAULT, _DATABASES, _FILES, _SETTINGS, _REVOKED = "vault", "databases", "files", "settings", "revoked"
_FOLDERS = ("spool", "quarantine")


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a backup holds."""

    instances: int  #: that the vault knows
    waiting: int  #: files of spool and quarantine
    size_bytes: int  #: of the sealed file


def name_now(site: str) -> str:
    """A name for a backup that is made now; names sort by time."""
    return f"{site}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"


def make(folder: SiteFolder, keys: Sequence[bytes], target: Path) -> Contents:
    """Write a backup to a new file, durable and read back whole before this returns. The site may run meanwhile.

    Raises Conflict when the file is there, StorageFull, Unreadable when the vault does not open; then no file is left."""
    if target.exists():
        raise Conflict(f"{target} is there; name a new file")
    part = target.with_name(f"{target.name}.part")
    try:
        with _aside(folder) as aside, durable.storage():
            with part.open("xb") as stream, Sealing(stream, keys[0]) as sealing:
                _pack(folder, keys, aside, sealing)
            part.chmod(0o600)
            contents = _look(part, keys, folder)
            durable.sync_file(part)
            durable.settle(part, target)
    finally:
        part.unlink(missing_ok=True)
    return contents


def bring_back(source: Path, keys: Sequence[bytes], folder: SiteFolder) -> Contents:
    """Put a backup in place. The site's program must not run. What was there stays beside it as `NAME.before-TIME`; what waits
    in spool and quarantine by now stays too, and so does what people have set: a key or a grant that was taken back since is not
    revived.

    Raises Unreadable for a backup that is damaged or not of these keys: then nothing was changed."""
    with _aside(folder) as aside:
        contents = _unpack(source, keys, aside, folder)
        vault_upkeep.verify(aside / _VAULT / vault_upkeep.FILE, keys)
        vault_upkeep.bring_back(aside / _VAULT, keys, folder.vault)
        for database in sorted((aside / _DATABASES).glob("*.db")):
            _take_place(database, folder.root / database.name)
        for name in _FOLDERS:
            _fill(aside / _FILES / name, durable.private_folder(folder.root / name))
        _fill(aside / _SETTINGS, folder.root)
        _fill(aside / _REVOKED, durable.private_folder(folder.revoked))
    return contents


@contextmanager
def _aside(folder: SiteFolder) -> Iterator[Path]:
    """A private folder on the site's own disk, gone afterwards: what is in it names patients."""
    aside = durable.private_folder(folder.root / "backup.tmp")
    shutil.rmtree(aside)
    try:
        yield durable.private_folder(aside)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _pack(folder: SiteFolder, keys: Sequence[bytes], aside: Path, sealing: Sealing) -> None:
    """What waits goes first: an object that is settled meanwhile is then in the vault's copy too, not in neither."""
    with tarfile.open(fileobj=sealing, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in _FOLDERS:
            for file in sorted((folder.root / name).glob("*")):
                _add(tar, file, f"{_FILES}/{name}/{file.name}")
        for file in (folder.door_keys, folder.pixel_rules, folder.agreements):
            _add(tar, file, f"{_SETTINGS}/{file.name}")
        for file in sorted(folder.revoked.glob("*")):
            _add(tar, file, f"{_REVOKED}/{file.name}")
        vault_upkeep.backup(folder.vault, keys, aside / _VAULT)
        for file in sorted((aside / _VAULT).iterdir()):
            tar.add(file, f"{_VAULT}/{file.name}")
        for database in sorted(folder.root.glob("*.db")):
            if database != folder.vault:
                copy = aside / database.name
                _copy(database, copy)
                tar.add(copy, f"{_DATABASES}/{database.name}")
                copy.unlink()


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    """A file as it is; one that is not there, or was settled meanwhile and is safe elsewhere, is left out."""
    try:
        stream = file.open("rb") if file.is_file() else None
    except FileNotFoundError:
        return
    if stream is not None:
        with stream:
            tar.addfile(tar.gettarinfo(arcname=name, fileobj=stream), stream)


def _copy(database: Path, copy: Path) -> None:
    """Consistent, also while the site writes."""
    with closing(sqlite3.connect(database, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")


def _look(sealed: Path, keys: Sequence[bytes], folder: SiteFolder) -> Contents:
    """Read the whole of it, as one who restores would."""
    waiting = 0
    with _opened(sealed, keys) as tar:
        for item in tar:
            waiting += item.name.startswith(f"{_FILES}/")
            content = tar.extractfile(item)
            while content is not None and content.read(1 << 20):
                pass
    return Contents(instances=_count(folder.vault), waiting=waiting, size_bytes=sealed.stat().st_size)


def _unpack(sealed: Path, keys: Sequence[bytes], aside: Path, folder: SiteFolder) -> Contents:
    with durable.storage(), _opened(sealed, keys) as tar:
        tar.extractall(aside, filter="data")
    waiting = sum(1 for name in _FOLDERS for _ in (aside / _FILES / name).glob("*"))
    instances = _count(aside / _VAULT / vault_upkeep.FILE)
    return Contents(instances=instances, waiting=waiting, size_bytes=sealed.stat().st_size)


@contextmanager
def _opened(sealed: Path, keys: Sequence[bytes]) -> Iterator[tarfile.TarFile]:
    """The archive inside. Raises Unreadable for what is none, or was cut."""
    with sealed.open("rb") as stream, io.BufferedReader(Opening(stream, keys)) as plain:
        try:
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                yield tar
        except tarfile.TarError:
            raise Unreadable("what is sealed in the file is no backup of a site") from None
        while plain.read(1 << 20):  # to the last block, which proves that nothing was cut off
            pass


def _take_place(fresh: Path, target: Path) -> None:
    """The database becomes `target`; the one that was there is kept beside it, its log written into it."""
    if target.exists():
        with closing(sqlite3.connect(target, timeout=30)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        target.replace(target.with_name(f"{target.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"))
    for rest in ("-wal", "-shm"):
        target.with_name(target.name + rest).unlink(missing_ok=True)
    fresh.chmod(0o600)
    durable.sync_file(fresh)
    durable.settle(fresh, target)


def _fill(source: Path, target: Path) -> None:
    """Files come back; one that is there already stays."""
    for file in sorted(source.glob("*")):
        if not (target / file.name).exists():
            file.chmod(0o600)
            durable.sync_file(file)
            durable.settle(file, target / file.name)


def _count(vault: Path) -> int:
    with closing(sqlite3.connect(f"{vault.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as database:
        return int(database.execute("SELECT count(*) FROM instance").fetchone()[0])
