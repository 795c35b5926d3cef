"""A running site's decisions about words: one SQLite file in the site's private folder, shared with the commands.

Values may be patients': they stay in this file. Elsewhere a value is named by a keyed digest, whose key is in the file.
"""

import hmac
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aegle.deid.fold import folded
from aegle.deid.reasons import FirstSeen
from aegle.deid.values import Decision, Values
from aegle.errors import NotFound

_SCHEMA = """
CREATE TABLE IF NOT EXISTS value (
    digest TEXT PRIMARY KEY, keyword TEXT NOT NULL, value TEXT NOT NULL, decision TEXT NOT NULL,
    seen_at REAL NOT NULL, decided_by TEXT NOT NULL DEFAULT '', decided_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS secret (only INTEGER PRIMARY KEY CHECK (only = 1), salt BLOB NOT NULL) STRICT;
"""


@dataclass(frozen=True, kw_only=True)
class Word:
    """One value of the book."""

    digest: str  #: names it in the audit trail, in links and in quarantine
    keyword: str
    value: str = field(repr=False)
    decision: Decision
    seen_at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None


class ValueBook:
    """The decisions of one site. Safe to share between threads; commands may open the same file."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._turn = threading.RLock()
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)
        self._run("INSERT OR IGNORE INTO secret VALUES (1, ?)", secrets.token_bytes(32))
        self._salt: bytes = self._run("SELECT salt FROM secret")[0][0]
        self._known = (-1, Values())
        self._changes = 0

    def current(self) -> Values:
        """The decisions in force now, also those that a command has just made."""
        with self._turn:
            version = self._run("PRAGMA data_version")[0][0] + self._changes
            if self._known[0] != version:
                self._known = (version, Values({(word.keyword, word.value): word.decision for word in self.words()}))
            return self._known[1]

    def digest_of(self, item: FirstSeen) -> str:
        """The name of a value: 16 hexadecimal digits of a keyed digest over attribute and folded value."""
        message = f"{item.keyword}\0{folded(item.value)}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._salt, message, "sha256").hex()[:16]

    def add(self, first_seen: Collection[FirstSeen]) -> tuple[str, ...]:
        """Write down values that nobody has decided about; their digests. Durable, and what is known stays as it is."""
        digests = {self.digest_of(item): item for item in first_seen}
        now = datetime.now(UTC).timestamp()
        for digest, item in digests.items():
            row = (digest, item.keyword, item.value, Decision.PENDING, now)
            self._run("INSERT OR IGNORE INTO value VALUES (?, ?, ?, ?, ?, '', NULL)", *row)
        self._changed()
        return tuple(sorted(digests))

    def words(self) -> list[Word]:
        """Everything in the book: what waits first, then by attribute."""
        rows = self._run("SELECT * FROM value ORDER BY decision <> 'pending', keyword, value, digest")
        return [_word(row) for row in rows]

    def is_waiting(self, digests: Iterable[str]) -> bool:
        """Whether any of these values has no decision yet."""
        waiting = {row[0] for row in self._run("SELECT digest FROM value WHERE decision = 'pending'")}
        return not waiting.isdisjoint(digests)

    def decide(self, digest: str, decision: Decision, by: str) -> Word:
        """Approve or deny a value, or change the decision for what comes from now on. Durable. Raises NotFound."""
        now = datetime.now(UTC).timestamp()
        row = (decision, by, now, digest)
        found = self._run(
            "UPDATE value SET decision = ?, decided_by = ?, decided_at = ? WHERE digest = ? RETURNING *", *row
        )
        if not found:
            raise NotFound("no value of this name is in the list; `aegle deid values list` shows the names")
        self._changed()
        return _word(found[0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _changed(self) -> None:
        """`data_version` tells of other connections only."""
        with self._turn:
            self._changes += 1

    def _run(self, statement: str, *values: object) -> list[Any]:
        with self._turn:
            return self._database.execute(statement, values).fetchall()


def _word(row: tuple[Any, ...]) -> Word:
    digest, keyword, value, decision, seen_at, decided_by, decided_at = row
    return Word(
        digest=digest,
        keyword=keyword,
        value=value,
        decision=Decision(decision),
        seen_at=datetime.fromtimestamp(seen_at, UTC),
        decided_by=decided_by,
        decided_at=datetime.fromtimestamp(decided_at, UTC) if decided_at else None,
    )
