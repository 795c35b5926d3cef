"""Where the hub's database is, told to the workers of the same machine."""

import os

from aegle import durable
from aegle.errors import PeerUnreachable
from aegle.local.home import Applied, Home


def database_url(applied: Applied) -> str:
    """An outside PostgreSQL, where one is named; else empty: the embedded one is used."""
    return os.environ.get("AEGLE_DATABASE_URL") or applied.hub.config.database_url or ""


def lend_database(home: Home, url: str) -> None:
    """Tell this machine's workers where the database is. The URL holds its password."""
    durable.write(home.hub / "database-url", url.encode())


def borrow_database(home: Home) -> str:
    try:
        return (home.hub / "database-url").read_text()
    except FileNotFoundError:
        raise PeerUnreachable("the hub has not started on this machine yet; `aegle up` starts it first") from None
