"""Who may do what with the hub's tables where the programs do not own them, and waiting until the tables are there.

One identity migrates and owns the tables; hub and workers sign in as others, which cannot change a table and cannot change
or delete evidence. On one machine all are the same and none of this is needed.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from aegle.errors import Unavailable
from aegle.hub.database import Database, Transaction, steps

EVIDENCE: Final = ("site_credential", "site_policy", "audit_head", "outcome")
"""Tables that only grow."""

_WORKER: Final = {
    "SELECT": ("migration", "site", "site_policy", "bundle", "request", "outcome"),
    "INSERT": ("outcome", "warehouse_due"),
    "UPDATE": ("request",),
}
_QUEUE: Final = "SELECT, INSERT, UPDATE, DELETE"


def let_in(database: Database, hub: str, worker: str) -> None:
    """Let these two roles of the database work with the tables, after `migrate`, as their owner. Idempotent."""
    with database.transaction() as transaction:
        rows = transaction.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = sorted(row["tablename"] for row in rows)
        for role in (hub, worker):
            _grant(transaction, "USAGE", "ALL SEQUENCES IN SCHEMA public", role)
            _grant(transaction, "SELECT", "ALL SEQUENCES IN SCHEMA public", role)
        for table in tables:
            _let_in(transaction, table, hub, worker)


def await_schema(database: Database, told: Callable[[], None], wait: Callable[[float], None] = time.sleep) -> None:
    """Return when every migration that this release knows was taken; `told` is called once when there is something to
    wait for."""
    waiting = False
    while not _is_current(database):
        if not waiting:
            told()
        waiting = True
        wait(5.0)


def _let_in(transaction: Transaction, table: str, hub: str, worker: str) -> None:
    if table.startswith("procrastinate_"):
        for role in (hub, worker):
            _grant(transaction, _QUEUE, table, role)
        return
    _grant(transaction, "SELECT, INSERT" if table in EVIDENCE else _QUEUE, table, hub)
    for right, granted in _WORKER.items():
        if table in granted:
            _grant(transaction, right, table, worker)


def _grant(transaction: Transaction, rights: str, thing: str, role: str) -> None:
    what = sql.SQL(thing) if thing.startswith("ALL ") else sql.Identifier(thing)
    transaction.execute(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), what, sql.Identifier(role)))


def _is_current(database: Database) -> bool:
    try:
        with database.transaction() as transaction:
            there = transaction.execute("SELECT to_regclass('migration') IS NOT NULL AS there").fetchone()
            if not there or not there["there"]:
                return False
            taken: Sequence[str] = [row["name"] for row in transaction.execute("SELECT name FROM migration").fetchall()]
    except (Unavailable, InsufficientPrivilege):  # migrated a moment ago, and not let in yet
        return False
    return {name for name, _ in steps()} <= set(taken)
