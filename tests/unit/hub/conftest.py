"""A real PostgreSQL for the session, and for each test module a database of its own with the hub's schema."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from aegle.hub.database import Database, migrate
from aegle.local.postgres import Postgres
from psycopg.conninfo import make_conninfo


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One embedded server."""
    with Postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """A database that holds the schema and nothing else."""
    url = new_database(server_url, "empty_hub")
    database = Database(url, connections=2)
    migrate(database)
    database.close()
    return "empty_hub"


@pytest.fixture
def database_url(server_url: str, template: str, request: pytest.FixtureRequest) -> str:
    """A fresh database with the hub's schema."""
    name = f"t{abs(hash(request.node.nodeid))}"
    return new_database(server_url, name, template)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The hub's connections to a fresh database."""
    opened = Database(database_url, connections=6)
    yield opened
    opened.close()


def new_database(server_url: str, name: str, template: str = "template1") -> str:
    """Make a database and answer its URL."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return make_conninfo(server_url, dbname=name)


@pytest.fixture
def empty_url(server_url: str, tmp_path: Path) -> str:
    """A fresh database without any schema."""
    return new_database(server_url, f"e{abs(hash(str(tmp_path)))}")
