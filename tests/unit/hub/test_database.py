"""Migrations, append-only tables, and a database that goes away."""

import threading

import psycopg
import pytest

from aegle.errors import Unavailable
from aegle.hub.database import Database, migrate


def test_migrations_are_taken_once_in_order(empty_url: str) -> None:
    database = Database(empty_url, connections=2)
    assert migrate(database) == (
        "0001_sites_and_bundles",
        "0002_requests",
        "0003_procrastinate",
        "0004_people",
        "0005_site_account",
        "0006_warehouse_due",
        "0007_site_frozen",
    )
    assert migrate(database) == ()
    database.close()


def test_processes_that_start_at_once_migrate_once(empty_url: str) -> None:
    database = Database(empty_url, connections=4)
    taken: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda: taken.append(migrate(database))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in taken for name in names) == [
        "0001_sites_and_bundles", "0002_requests", "0003_procrastinate", "0004_people",
        "0005_site_account", "0006_warehouse_due", "0007_site_frozen",
    ]  # fmt: skip
    database.close()


def test_a_queue_schema_that_is_there_already_is_kept(empty_url: str) -> None:
    database = Database(empty_url, connections=2)
    migrate(database)
    with database.transaction() as transaction:
        transaction.execute("DELETE FROM migration WHERE name = '0003_procrastinate'")
    assert migrate(database) == ("0003_procrastinate",)
    database.close()


@pytest.mark.parametrize("table", ["site_credential", "site_policy", "audit_head", "outcome"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {key} = {key}"])
def test_evidence_can_be_added_and_never_changed(database: Database, table: str, change: str) -> None:
    keys = {"site_credential": "site", "site_policy": "site", "audit_head": "site", "outcome": "kind"}
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction() as transaction:
        transaction.execute(change.format(table, key=keys[table]).encode())


def test_an_error_undoes_the_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as transaction:
        transaction.execute("UPDATE site SET hello = '{}'")
        raise ZeroDivisionError
    with database.transaction() as transaction:
        assert transaction.execute("SELECT 1 FROM site WHERE hello IS NOT NULL").fetchall() == []


def test_connections_that_the_server_ended_are_replaced(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.execute("SELECT 1")
    with pytest.raises(Unavailable), database.transaction() as transaction:
        transaction.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()")
    with database.transaction() as transaction:
        assert transaction.execute("SELECT 1 AS one").fetchone() == {"one": 1}
