"""A vault looked after: another key, a backup without the key, and the way back. The site's program does not run meanwhile,
but for the backup."""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from aegle import api, durable
from aegle.deid.seals import Seals, fingerprint
from aegle.deid.vault import SEAL_TEXT
from aegle.errors import Conflict, NotFound, Unreadable

FILE, MANIFEST = "vault.db", "manifest.json"
_SEALED = (("uid", "original"), ("study", "identity"))  #: tables, whose names are the kinds of their seals, and columns
_KEY_FILE_MAX_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup says about itself. No key, no original."""

    made_at: datetime
    sha256: str  #: of the copy of the vault
    key: str  #: fingerprint of the key that opens it
    instances: int
    studies: int


def is_rotated(path: Path, keys: Sequence[bytes]) -> bool:
    """Whether everything is sealed under the newest of the keys: the vault's own seal is the last to be.

    Raises Unreadable when no key opens it."""
    with closing(_connected(path)) as database:
        row = database.execute("SELECT value FROM seal WHERE name = 'seal'").fetchone()
    seals = Seals(*keys)
    seals.open("seal", "", row[0] if row else b"")
    return seals.is_newest("seal", "", row[0])


def rotate(path: Path, keys: Sequence[bytes], batch: int = 500) -> Iterator[int]:
    """Seal everything under the newest key, `batch` values a transaction; answers how many were, after each.

    Stopped anywhere, it goes on where it was: what is sealed anew opens with the new key, the rest with an older one."""
    seals = Seals(*keys)
    with closing(_connected(path)) as database:
        for table, column in _SEALED:
            for rows in _batches(database, table, column, batch):
                yield _seal_anew(database, seals, table, column, rows)
        anew = seals.seal("seal", "", SEAL_TEXT)
        database.execute("UPDATE seal SET value = ? WHERE name = 'seal'", (anew,))
        # What the old key opens must not lie on in free pages or in the log.
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _seal_anew(
    database: sqlite3.Connection, seals: Seals, kind: str, column: str, rows: list[tuple[str, bytes]]
) -> int:
    due = [(alias, value) for alias, value in rows if not seals.is_newest(kind, alias, value)]
    database.execute("BEGIN IMMEDIATE")
    database.executemany(
        f"UPDATE {kind} SET {column} = ? WHERE alias = ?",
        [(seals.seal(kind, alias, seals.open(kind, alias, value)), alias) for alias, value in due],
    )
    database.execute("COMMIT")
    return len(due)


def verify(path: Path, keys: Sequence[bytes]) -> int:
    """Open every value; how many there are. Raises Unreadable at the first that does not, or for a damaged file."""
    seals, count = Seals(*keys), 0
    with closing(_connected(path)) as database:
        try:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise Unreadable("the vault's file is damaged")
            for kind, column in _SEALED:
                for rows in _batches(database, kind, column, 1000):
                    count += sum(1 for alias, value in rows if seals.open(kind, alias, value) is not None)
        except sqlite3.DatabaseError:
            raise Unreadable("the vault's file is damaged, or is not a vault") from None
    return count


def backup(path: Path, keys: Sequence[bytes], folder: Path) -> Manifest:
    """Copy the vault into a new or empty folder; consistent while the site runs, every value proved to open.

    Raises Conflict when the folder holds anything, the key among it or not."""
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; name a new folder")
    copy = durable.private_folder(folder) / FILE
    with durable.storage(), closing(_connected(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    verify(copy, keys)
    durable.sync_file(copy)
    manifest = Manifest(
        made_at=datetime.now(UTC),
        sha256=_digest(copy),
        key=fingerprint(keys[0]),
        instances=_count(copy, "instance"),
        studies=_count(copy, "study"),
    )
    durable.write(folder / MANIFEST, json.dumps(json.loads(api.encode(manifest)), indent=1).encode())
    return manifest


def require_no_key(folder: Path, keys: Sequence[bytes], secrets: Path) -> None:
    """Refuse a backup folder in which, or beside which in one folder, the key lies: whoever has both has the patients.

    Raises Conflict."""
    inside = folder.resolve()
    if inside == secrets.resolve() or inside in secrets.resolve().parents or secrets.resolve() in inside.parents:
        raise Conflict("the vault's key lies in that folder, or it lies among the keys; a backup goes somewhere else")
    for parent in (inside, inside.parent):
        for path in parent.glob("*") if parent.exists() else ():
            if path.is_file() and path.stat().st_size <= _KEY_FILE_MAX_BYTES and _holds(path.read_bytes(), keys):
                raise Conflict(f"{path} holds the vault's key; a backup goes where the key is not")


def _holds(content: bytes, keys: Sequence[bytes]) -> bool:
    lowered = content.lower()
    return any(key in content or key.hex().encode() in lowered for key in keys)


def bring_back(folder: Path, keys: Sequence[bytes], path: Path) -> Manifest:
    """Put a backup in the vault's place; the vault that was there is kept beside it as `vault.db.before-TIME`.

    Raises NotFound, and Unreadable for a backup that is damaged or is not of these keys: then nothing was changed."""
    copy = folder / FILE
    if not copy.exists() or not (folder / MANIFEST).exists():
        raise NotFound(f"{folder} holds no backup: {FILE} and {MANIFEST}")
    manifest = api.decode(Manifest, (folder / MANIFEST).read_bytes())
    if _digest(copy) != manifest.sha256:
        raise Unreadable("the backup was changed since it was made")
    verify(copy, keys)
    fresh = path.with_name(f".{path.name}.fresh")
    with durable.storage():
        shutil.copyfile(copy, fresh)
        fresh.chmod(0o600)
        durable.sync_file(fresh)
        _keep_beside(path)
        durable.settle(fresh, path)
    return manifest


def _keep_beside(path: Path) -> None:
    """A copy of the vault that is there; its log is empty afterwards, so that another file can take its place."""
    if not path.exists():
        return
    with closing(_connected(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    shutil.copyfile(path, kept)
    kept.chmod(0o600)
    durable.sync_file(kept)
    for rest in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        rest.unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise NotFound("there is no vault here yet; the site makes it when it first starts")
    return sqlite3.connect(path, timeout=30, isolation_level=None)


def _batches(database: sqlite3.Connection, table: str, column: str, size: int) -> Iterator[list[tuple[str, bytes]]]:
    query = f"SELECT alias, {column} FROM {table} WHERE alias > ? ORDER BY alias LIMIT ?"
    last = ""
    while rows := database.execute(query, (last, size)).fetchall():
        yield rows
        last = rows[-1][0]


def _count(path: Path, table: str) -> int:
    with closing(_connected(path)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
