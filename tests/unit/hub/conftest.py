"""A real PostgreSQL for the session; for each test a database of its own with the hub's schema, and the hub over it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubworld import ARCHIVE, BUNDLE, Running, new_database, running

from aegle.hub.bundles import register
from aegle.hub.database import Database, migrate
from aegle.hub.sites import Enrolment, enroll
from aegle.local.postgres import Postgres
from aegle.records import Site, SiteKind

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One embedded server, which need not outlive the power."""
    with Postgres(tmp_path_factory.mktemp("postgres"), settings={"fsync": "off", "full_page_writes": "off"}) as url:
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """A database that holds the schema, two hospitals, a laboratory and a bundle."""
    database = Database(new_database(server_url, "template_hub"), connections=2)
    migrate(database)
    register(database, BUNDLE)
    for name, kind in (("st-anna", "hospital"), ("st-berta", "hospital"), ("cytolab", "lab")):
        enroll(database, name, Enrolment(kind=SiteKind(kind), archive_url=ARCHIVE.format(name)))
    database.close()
    return "template_hub"


@pytest.fixture
def empty_url(server_url: str) -> str:
    """A fresh database without any schema."""
    return new_database(server_url, f"empty_{next(_numbers)}")


@pytest.fixture
def database_url(server_url: str, template: str) -> str:
    """A fresh copy of the template."""
    return new_database(server_url, f"test_{next(_numbers)}", template)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The hub's connections to a fresh database."""
    opened = Database(database_url, connections=6)
    yield opened
    opened.close()


@pytest.fixture
def anna() -> Site:
    """A hospital."""
    return Site(name="st-anna", kind=SiteKind.HOSPITAL)


@pytest.fixture
def berta() -> Site:
    """Another hospital."""
    return Site(name="st-berta", kind=SiteKind.HOSPITAL)


@pytest.fixture
def hub(database: Database, tmp_path: Path) -> Iterator[Running]:
    """The whole hub in this process, for one test."""
    with running(database, tmp_path) as hub:
        yield hub


@pytest.fixture(scope="session")
def closed_hub(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A hub for tests that are refused everything and so share it."""
    database = Database(new_database(server_url, "closed", template), connections=4)
    with running(database, tmp_path_factory.mktemp("closed")) as hub:
        yield hub
    database.close()
