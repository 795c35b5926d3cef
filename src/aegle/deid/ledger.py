"""What a run over a folder has settled, so that it can be stopped and taken up again: one SQLite file, aliases only."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from aegle import durable
from aegle.deid.reasons import HoldReason
from aegle.deid.report import Settled
from aegle.deid.terms import Terms

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settled (
    source_digest TEXT PRIMARY KEY,   -- keyed, so it tells nothing to anybody without the key
    name TEXT NOT NULL,               -- of the written file below the output folder, empty where held
    reason TEXT NOT NULL, detail TEXT NOT NULL, counts TEXT NOT NULL,
    study TEXT NOT NULL DEFAULT '', certified INTEGER NOT NULL DEFAULT 0,
    terms INTEGER, settled_at REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS terms (number INTEGER PRIMARY KEY, told TEXT NOT NULL UNIQUE) STRICT;
CREATE INDEX IF NOT EXISTS settled_name ON settled (name) WHERE name <> '';
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class Ledger:
    """Written by one process, by any of its threads; `is_settled` may be asked by any process."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        location = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._database = sqlite3.connect(location, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
        self._together = durable.Together(self._settle)
        if not read_only:
            self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            self._bring_forward()

    def _bring_forward(self) -> None:
        """A new file gets its tables, in one wait for the disk; a file of the first form told no study."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";"):
                self._database.execute(statement)
            if "study" not in {row[1] for row in self._database.execute("PRAGMA table_info(settled)")}:
                self._database.execute("ALTER TABLE settled ADD COLUMN study TEXT NOT NULL DEFAULT ''")
                self._database.execute("ALTER TABLE settled ADD COLUMN certified INTEGER NOT NULL DEFAULT 0")
            if "terms" not in {row[1] for row in self._database.execute("PRAGMA table_info(settled)")}:
                self._database.execute("ALTER TABLE settled ADD COLUMN terms INTEGER")
                self._database.execute("ALTER TABLE settled ADD COLUMN settled_at REAL NOT NULL DEFAULT 0")
            self._database.execute("CREATE INDEX IF NOT EXISTS settled_study ON settled (study)")

    def require(self, **facts: str) -> dict[str, str]:
        """Remember facts of the run the first time; afterwards the values remembered, which may be others."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO fact VALUES (?, ?)", facts.items())
        known: dict[str, str] = dict(self._database.execute("SELECT name, value FROM fact"))
        return {name: known[name] for name in facts}

    def holds_any(self) -> bool:
        """Whether an earlier run settled something."""
        return self._database.execute("SELECT 1 FROM settled LIMIT 1").fetchone() is not None

    def is_settled(self, source_digest: str) -> bool:
        """Whether these very bytes were treated before. Those held for their words alone are not: they may be decided."""
        query = "SELECT 1 FROM settled WHERE source_digest = ? AND reason <> ?"
        found = self._database.execute(query, (source_digest, HoldReason.FIRST_SEEN_VALUE)).fetchone()
        return found is not None

    def settle(self, items: Sequence[Settled]) -> None:
        """All or none; durable on return. What was written in place of another takes its line, too. Raises StorageFull."""
        self._together.add(items)

    def _settle(self, several: Sequence[Sequence[Settled]]) -> None:
        items, now = list(chain.from_iterable(several)), time.time()
        with durable.storage(), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            numbers = {terms: self._number(terms) for terms in {item.terms for item in items}}
            rows = [
                (
                    *(item.source_digest, item.name, item.reason, item.detail),
                    *(json.dumps(dict(item.counts), sort_keys=True), item.study, int(item.certified)),
                    *(numbers[item.terms], now),
                )
                for item in items
            ]
            self._database.executemany(
                "DELETE FROM settled WHERE name = ? AND name <> '' AND source_digest <> ?",
                [(item.name, item.source_digest) for item in items],
            )
            self._database.executemany("INSERT OR REPLACE INTO settled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _number(self, terms: Terms | None) -> int | None:
        """Under which they stand in the file."""
        if terms is None:
            return None
        told = terms.to_json()
        self._database.execute("INSERT OR IGNORE INTO terms (told) VALUES (?)", (told,))
        number: int = self._database.execute("SELECT number FROM terms WHERE told = ?", (told,)).fetchone()[0]
        return number

    def all(self, study: str = "") -> Iterator[Settled]:
        """Everything settled, or everything of one study, in a stable order."""
        condition, values = ("WHERE study = ?", (study,)) if study else ("", ())
        rows = self._database.execute(f"SELECT * FROM settled {condition} ORDER BY source_digest", values)
        known = {
            number: Terms.from_json(told) for number, told in self._database.execute("SELECT number, told FROM terms")
        }
        for digest, name, reason, detail, counts, alias, certified, terms, settled_at in rows:
            yield Settled(
                source_digest=digest,
                name=name,
                reason=reason,
                detail=detail,
                counts=json.loads(counts),
                study=alias,
                certified=bool(certified),
                terms=known.get(terms),
                settled_at=settled_at,
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()
