"""Accounts and sessions in SQLite, for one site on one machine."""

import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aegle.access import Role
from aegle.pages.accounts import Account

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password_hash TEXT NOT NULL, one_time INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS session (token_hash TEXT PRIMARY KEY, name TEXT NOT NULL, until REAL NOT NULL) STRICT;
"""


class SqliteAccounts:
    """The AccountStore on one file; commands and the site's program may open it at once."""

    def __init__(self, path: Path) -> None:
        self._turn = threading.Lock()
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)
        if "one_time" not in {row[1] for row in self._run("PRAGMA table_info(account)")}:
            self._run("ALTER TABLE account ADD COLUMN one_time INTEGER NOT NULL DEFAULT 0")

    def find(self, name: str) -> Account | None:
        """One account, None when unknown."""
        found = self._accounts("WHERE name = ?", name)
        return found[0] if found else None

    def all(self) -> Sequence[Account]:
        """Every account, by name."""
        return self._accounts("ORDER BY name")

    def put(self, account: Account) -> None:
        """Add or replace an account; a replaced one's sessions end."""
        self._run("DELETE FROM session WHERE name = ?", account.name)
        self._run(
            "INSERT OR REPLACE INTO account (name, role, password_hash, one_time) VALUES (?, ?, ?, ?)",
            account.name,
            account.role.value,
            account.password_hash,
            int(account.one_time),
        )

    def remove(self, name: str) -> None:
        """Forget an account and end its sessions."""
        self._run("DELETE FROM session WHERE name = ?", name)
        self._run("DELETE FROM account WHERE name = ?", name)

    def open_session(self, token_hash: str, name: str, until: datetime) -> None:
        """Remember a session; those that have ended are forgotten."""
        self._run("DELETE FROM session WHERE until < ?", datetime.now(UTC).timestamp())
        self._run("INSERT INTO session VALUES (?, ?, ?)", token_hash, name, until.timestamp())

    def session(self, token_hash: str) -> str | None:
        """The account name of a session that has not ended."""
        now = datetime.now(UTC).timestamp()
        rows = self._run("SELECT name FROM session WHERE token_hash = ? AND until > ?", token_hash, now)
        return str(rows[0][0]) if rows else None

    def close_session(self, token_hash: str) -> None:
        """Forget a session."""
        self._run("DELETE FROM session WHERE token_hash = ?", token_hash)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _accounts(self, condition: str, *values: object) -> list[Account]:
        rows = self._run(f"SELECT name, role, password_hash, one_time FROM account {condition}", *values)
        return [
            Account(name=name, role=Role(role), password_hash=password_hash, one_time=bool(one_time))
            for name, role, password_hash, one_time in rows
        ]

    def _run(self, statement: str, *values: object) -> list[Any]:
        with self._turn:
            return self._database.execute(statement, values).fetchall()
