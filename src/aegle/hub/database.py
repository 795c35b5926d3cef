"""The hub's database: transactions from a pool, SQL as text, and numbered migrations.

Truth lives in our own tables. Migration 0003 is procrastinate's schema; from then on its version is what the lock
file of the project pins.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import psycopg
from procrastinate.schema import SchemaManager
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from aegle.errors import Unavailable

Transaction = psycopg.Connection[DictRow]

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
_MIGRATION_LOCK = 0x6165676C65  #: "aegle"; any number that only our migrations use
_QUEUE_STEP = "0003_procrastinate"


class Database:
    """Connections to the hub's PostgreSQL. One a process, shared by its threads."""

    def __init__(self, url: str, *, connections: int = 8) -> None:
        self.url = url
        self._pool = ConnectionPool(
            url,
            connection_class=psycopg.Connection[DictRow],
            kwargs={"row_factory": dict_row, "application_name": "aegle-hub"},
            min_size=1,
            max_size=connections,
            timeout=10.0,
            check=ConnectionPool.check_connection,  # a restarted server leaves dead connections behind
            open=True,
        )

    def close(self) -> None:
        """End every connection."""
        self._pool.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction, committed at the end and undone by an error. Raises Unavailable when the server is away."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Unavailable("the hub's database does not answer") from error


@cache
def _queries() -> dict[str, bytes]:
    text = resources.files("aegle.hub").joinpath("queries.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: body.strip().encode() for name, body in zip(parts[::2], parts[1::2], strict=True)}


def sql(name: str) -> bytes:
    """The query of this name in `queries.sql`."""
    return _queries()[name]


def one(transaction: Transaction, name: str, /, **values: Any) -> DictRow | None:
    """The first row of a named query, None when there is none."""
    return transaction.execute(sql(name), values).fetchone()


def every(transaction: Transaction, name: str, /, **values: Any) -> list[DictRow]:
    """Every row of a named query."""
    return transaction.execute(sql(name), values).fetchall()


def changed(transaction: Transaction, name: str, /, **values: Any) -> int:
    """How many rows a named statement wrote."""
    return transaction.execute(sql(name), values).rowcount


def migrate(database: Database) -> tuple[str, ...]:
    """Bring the schema up to date and answer the steps taken. Idempotent; safe when several processes start at once."""
    taken = []
    for name, script in steps():
        with database.transaction() as transaction:
            transaction.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
            if _take(transaction, name, script):
                taken.append(name)
    return tuple(taken)


def _take(transaction: Transaction, name: str, script: str) -> bool:
    transaction.execute(
        "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    if transaction.execute("SELECT 1 FROM migration WHERE name = %s", [name]).fetchone():
        return False
    if not (name == _QUEUE_STEP and _has_queue(transaction)):
        transaction.execute(script.encode())
    transaction.execute("INSERT INTO migration (name) VALUES (%s)", [name])
    return True


def _has_queue(transaction: Transaction) -> bool:
    """A database that an operator prepared may hold procrastinate's schema already; it cannot be applied twice."""
    row = transaction.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL AS there").fetchone()
    return bool(row and row["there"])


def steps() -> list[tuple[str, str]]:
    """Every migration that this release knows, in order: its name and its SQL."""
    folder = resources.files("aegle.hub").joinpath("migrations")
    ours = [(item.name.removesuffix(".sql"), item.read_text(encoding="utf-8")) for item in folder.iterdir()
            if item.name.endswith(".sql")]  # fmt: skip
    return sorted([*ours, (_QUEUE_STEP, SchemaManager.get_schema())])
