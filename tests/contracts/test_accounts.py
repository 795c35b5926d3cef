"""The AccountStore contract on every implementation."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aegle.access import Role
from aegle.hub.database import Database, migrate
from aegle.hub.people import HubAccounts
from aegle.local.accounts import SqliteAccounts
from aegle.local.postgres import Postgres
from aegle.pages.accounts import Account, AccountStore

SOON = datetime.now(UTC) + timedelta(hours=1)


def account(name: str = "omar", role: Role = Role.ADMINISTRATOR, **changes: object) -> Account:
    return Account(**{"name": name, "role": role, "password_hash": "$argon2id$x", **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Postgres(tmp_path_factory.mktemp("people"), settings={"fsync": "off"}) as url:
        opened = Database(url, connections=2)
        migrate(opened)
        yield opened
        opened.close()


@pytest.fixture(params=["sqlite", "hub"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AccountStore]:
    if request.param == "sqlite":
        accounts = SqliteAccounts(tmp_path / "accounts.db")
        yield accounts
        accounts.close()
    else:
        database: Database = request.getfixturevalue("database")
        with database.transaction() as transaction:
            transaction.execute("DELETE FROM person")
        yield HubAccounts(database)


def test_an_account_is_found_as_it_was_put_and_listed_by_name(store: AccountStore) -> None:
    assert store.find("omar") is None
    store.put(account("omar", one_time=True))
    store.put(account("anna"))
    assert store.find("omar") == account("omar", one_time=True)
    assert [found.name for found in store.all()] == ["anna", "omar"]


def test_a_session_is_known_until_it_ends_or_is_closed(store: AccountStore) -> None:
    store.put(account())
    store.open_session("a", "omar", SOON)
    store.open_session("b", "omar", datetime.now(UTC) - timedelta(seconds=1))
    assert store.session("a") == "omar"
    assert store.session("b") is None
    store.close_session("a")
    assert store.session("a") is None


def test_a_replaced_accounts_sessions_end(store: AccountStore) -> None:
    store.put(account())
    store.open_session("a", "omar", SOON)
    store.put(account(password_hash="$argon2id$y"))
    assert store.session("a") is None
    assert store.find("omar") == account(password_hash="$argon2id$y")


def test_a_removed_accounts_sessions_end(store: AccountStore) -> None:
    store.put(account())
    store.open_session("a", "omar", SOON)
    store.remove("omar")
    store.remove("omar")
    assert store.session("a") is None
    assert store.find("omar") is None
