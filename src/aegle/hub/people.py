"""People who may sign in at the hub, kept in its database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow

from aegle.access import Role
from aegle.hub.database import Database, changed, every, one
from aegle.pages.accounts import Account, new_account


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone who may sign in at the hub."""

    name: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class NewPerson(Person):
    """Someone just added, with the password that is shown this once."""

    password: str


class HubAccounts:
    """The AccountStore of the hub; every method is one transaction, durable on return."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> Account | None:
        """One account, None when unknown."""
        with self._database.transaction() as transaction:
            row = one(transaction, "person", name=name)
        return _account(row) if row else None

    def all(self) -> Sequence[Account]:
        """Every account, by name."""
        with self._database.transaction() as transaction:
            return [_account(row) for row in every(transaction, "people")]

    def put(self, account: Account) -> None:
        """Add or replace an account; a replaced one's sessions end."""
        with self._database.transaction() as transaction:
            changed(transaction, "end_sessions", name=account.name)
            changed(
                transaction, "put_person", name=account.name, role=account.role.value,
                password_hash=account.password_hash, one_time=account.one_time,
            )  # fmt: skip

    def remove(self, name: str) -> None:
        """Forget an account and end its sessions. Idempotent."""
        with self._database.transaction() as transaction:
            changed(transaction, "remove_person", name=name)

    def open_session(self, token_hash: str, name: str, until: datetime) -> None:
        """Remember a session; those that have ended are forgotten."""
        with self._database.transaction() as transaction:
            changed(transaction, "forget_ended_sessions")
            changed(transaction, "open_session", token_hash=token_hash, name=name, until=until)

    def session(self, token_hash: str) -> str | None:
        """The account name of a session that has not ended, else None."""
        with self._database.transaction() as transaction:
            row = one(transaction, "session_holder", token_hash=token_hash)
        return str(row["name"]) if row else None

    def close_session(self, token_hash: str) -> None:
        """Forget a session."""
        with self._database.transaction() as transaction:
            changed(transaction, "close_session", token_hash=token_hash)


def add_person(database: Database, name: str, role: Role) -> NewPerson:
    """Add a person with a random password, or give a known one a new role and password. Raises BadMessage."""
    account, password = new_account(name, role, None)
    HubAccounts(database).put(account)
    return NewPerson(name=name, role=role, password=password)


def list_people(database: Database) -> tuple[Person, ...]:
    """Everyone who may sign in, by name."""
    return tuple(Person(name=account.name, role=account.role) for account in HubAccounts(database).all())


def _account(row: DictRow) -> Account:
    return Account(**{**row, "role": Role(row["role"])})
