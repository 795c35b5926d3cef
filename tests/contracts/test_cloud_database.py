"""The hub's database on Cloud SQL: TLS of its own authority, no password, tokens that end, and who waits for whom."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psycopg
import pytest
from cloud_double import Cloud, clouded
from cloudsql_double import Instance, instance

from aegle.errors import BadConfig, PeerUnreachable
from aegle.estate import HubDatabase
from aegle.google import CloudSql, Session
from aegle.hub.database import Database, migrate
from aegle.hub.schema import await_schema, let_in

ACCOUNT = "aegle-{}@p.iam.gserviceaccount.com"
USER = "aegle-{}@p.iam"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with instance(tmp_path_factory.mktemp("instance")) as made:
        for who in ("hub", "worker", "migration"):
            made.add_user(ACCOUNT.format(who), owns=who == "migration")
        yield made


@pytest.fixture
def cloud(database: Instance) -> Iterator[Cloud]:
    with clouded() as opened:
        opened.settings, opened.new_token = database.settings(), database.sign_in
        yield opened


def reached(cloud: Cloud, database: Instance, folder: Path, who: str) -> CloudSql:
    session = Session(cloud.identity(ACCOUNT.format(who)), httpx.Client(), wait=lambda seconds: None)
    wanted = HubDatabase(instance=database.name, user=USER.format(who), port=database.port)
    return CloudSql(session, wanted, folder / who, cloud.url)


def whoami(url: str) -> str:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute("SELECT current_user").fetchone()
        assert row
        return str(row[0])


def test_an_identity_signs_in_by_its_token_over_tls(cloud: Cloud, database: Instance, tmp_path: Path) -> None:
    with reached(cloud, database, tmp_path, "hub").reached() as url:
        assert whoami(url) == USER.format("hub")
        assert not any(token in url for token in cloud.tokens), "the URL is no secret"
        assert (tmp_path / "hub" / "database-token").stat().st_mode & 0o077 == 0
    assert not database.plain


def test_a_connection_after_the_token_ended_takes_the_renewed_one(
    cloud: Cloud, database: Instance, tmp_path: Path
) -> None:
    place = reached(cloud, database, tmp_path, "hub")
    with place.reached() as url:
        whoami(url)
        database.sign_in(ACCOUNT.format("hub"), "another token: the one in the file has ended")
        with pytest.raises(psycopg.OperationalError):
            whoami(url)
        place._session._credentials.token = None  # google-auth says so some minutes before the end
        place._write_token("127.0.0.1")
        assert whoami(url) == USER.format("hub")


def test_a_server_of_another_authority_is_not_spoken_to(cloud: Cloud, database: Instance, tmp_path: Path) -> None:
    with instance(tmp_path) as other:
        cloud.settings = other.settings()
    with (
        reached(cloud, database, tmp_path, "hub").reached() as url,
        pytest.raises(psycopg.OperationalError, match="SSL error"),
    ):
        whoami(url)


def test_a_user_that_the_instance_does_not_know_is_not_let_in(cloud: Cloud, database: Instance, tmp_path: Path) -> None:
    with (
        reached(cloud, database, tmp_path, "stranger").reached() as url,
        pytest.raises(psycopg.OperationalError, match="authentication failed"),
    ):
        whoami(url)


def test_an_instance_without_a_private_address_is_refused_with_the_remedy(
    cloud: Cloud, database: Instance, tmp_path: Path
) -> None:
    cloud.settings["ipAddresses"] = [{"type": "PRIMARY", "ipAddress": "203.0.113.5"}]
    with (
        pytest.raises(BadConfig, match="no private address"),
        reached(cloud, database, tmp_path, "hub").reached(),
    ):
        pass
    cloud.away.add("sqladmin")
    with pytest.raises(PeerUnreachable), reached(cloud, database, tmp_path, "hub").reached():
        pass


def test_hub_and_workers_wait_until_the_owner_has_migrated(cloud: Cloud, database: Instance, tmp_path: Path) -> None:
    told: list[str] = []
    with (
        reached(cloud, database, tmp_path, "hub").reached() as hub_url,
        reached(cloud, database, tmp_path, "migration").reached() as owner_url,
        closing(Database(hub_url, connections=1)) as hub,
        closing(Database(owner_url, connections=1)) as owner,
    ):
        steps: list[Callable[[], object]] = [
            lambda: migrate(owner),  # between the two, the tables are there and closed to the hub
            lambda: let_in(owner, USER.format("hub"), USER.format("worker")),
        ]
        await_schema(hub, lambda: told.append("waits"), lambda _: steps.pop(0)())
        assert told == ["waits"] and not steps
        assert migrate(owner) == ()
        let_in(owner, USER.format("hub"), USER.format("worker"))  # a second time changes nothing
        await_schema(hub, lambda: told.append("waits"))
        assert told == ["waits"]
