"""What a run over a folder has settled, so that it can be stopped and taken up again: one SQLite file, aliases only."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aegle.deid.reasons import HoldReason

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settled (
    source_digest TEXT PRIMARY KEY,   -- keyed, so it tells nothing to anybody without the key
    name TEXT NOT NULL,               -- of the written file below the output folder; empty where held
    reason TEXT NOT NULL, detail TEXT NOT NULL, counts TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS settled_name ON settled (name) WHERE name <> '';
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of one source file."""

    source_digest: str
    name: str = ""  #: of the written file, relative to the output folder
    reason: str = ""  #: a HoldReason where held
    detail: str = ""
    counts: dict[str, int] = field(default_factory=dict)  #: `GGGGEEEE action` -> how often


class Ledger:
    """Written by one process; `is_settled` may be asked by any."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        location = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._database = sqlite3.connect(location, uri=True, timeout=30, isolation_level=None)
        if not read_only:
            self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)

    def require(self, name: str, value: str) -> str:
        """Remember a fact of the run the first time; afterwards the value remembered, which may be another."""
        self._database.execute("INSERT OR IGNORE INTO fact VALUES (?, ?)", (name, value))
        (known,) = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return str(known)

    def is_settled(self, source_digest: str) -> bool:
        """Whether these very bytes were treated before. Those held for their words alone are not: they may be decided."""
        query = "SELECT 1 FROM settled WHERE source_digest = ? AND reason <> ?"
        found = self._database.execute(query, (source_digest, HoldReason.FIRST_SEEN_VALUE)).fetchone()
        return found is not None

    def settle(self, items: Sequence[Settled]) -> None:
        """All or none; durable on return."""
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO settled VALUES (?, ?, ?, ?, ?)",
                [
                    (item.source_digest, item.name, item.reason, item.detail, json.dumps(item.counts, sort_keys=True))
                    for item in items
                ],
            )

    def all(self) -> Iterator[Settled]:
        """Everything settled, in a stable order."""
        rows = self._database.execute("SELECT * FROM settled ORDER BY source_digest")
        for digest, name, reason, detail, counts in rows:
            yield Settled(source_digest=digest, name=name, reason=reason, detail=detail, counts=json.loads(counts))

    def report(self) -> dict[str, object]:
        """Counts of the whole: written, held by reason, and by tag and action. Pseudonyms only."""
        actions: Counter[str] = Counter()
        held: Counter[str] = Counter()
        written = 0
        for item in self.all():
            written += not item.reason
            held.update([item.reason] if item.reason else [])
            actions.update(item.counts)
        return {"written": written, "held": dict(sorted(held.items())), "actions": dict(sorted(actions.items()))}

    def close(self) -> None:
        """Close the file."""
        self._database.close()
