"""How long what is kept is kept: nothing goes by itself, and what somebody deletes can be brought back for a while."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aegle.provision.policy.estate import UNDECIDED, Estate, Finding, Findings, Resource

_WEEK_S: Final = 604_800
_EXPIRES: Final[Mapping[str, tuple[str, ...]]] = {
    "google_bigquery_dataset": ("default_table_expiration_ms", "default_partition_expiration_ms"),
    "google_bigquery_table": ("expiration_time",),
    "google_secret_manager_secret": ("ttl", "expire_time", "version_destroy_ttl"),
}
_SPARES_LIVE: Final = ("days_since_noncurrent_time", "num_newer_versions", "days_since_custom_time_noncurrent")
"""Conditions that only an object's earlier versions can meet."""


def nothing_expires(estate: Estate) -> Findings:
    """No object in force, row, table or secret is deleted because time has passed."""
    for kind, names in _EXPIRES.items():
        for item in estate.of(kind):
            for name in names:
                if _given(item.get(name)):
                    yield Finding(address=item.address, why=f"is gone by itself ({name})")
    for table in estate.of("google_bigquery_table"):
        if _given(table.block("time_partitioning").get("expiration_ms")):
            yield Finding(address=table.address, why="loses its rows by itself (time_partitioning)")
    for bucket in estate.of("google_storage_bucket"):
        for rule in _deleting(bucket):
            condition = (rule.get("condition") or [{}])[0]
            if (
                not any(_given(condition.get(name)) for name in _SPARES_LIVE)
                and condition.get("with_state") != "ARCHIVED"
            ):
                yield Finding(address=bucket.address, why="deletes objects that are in force (lifecycle_rule)")


def _deleting(bucket: Resource) -> Iterator[Mapping[str, Any]]:
    rules = bucket.get("lifecycle_rule")
    for rule in rules if isinstance(rules, list) else ():
        if (rule.get("action") or [{}])[0].get("type") == "Delete":
            yield rule


def deletion_can_be_undone(estate: Estate) -> Findings:
    """What is deleted by mistake can be brought back for a week, and what is full is not deleted at all."""
    for bucket in estate.of("google_storage_bucket"):
        if bucket.get("force_destroy") is True:
            yield Finding(address=bucket.address, why="goes with all that is in it (force_destroy)")
        kept = bucket.block("soft_delete_policy").get("retention_duration_seconds", _WEEK_S)
        if isinstance(kept, int) and kept < _WEEK_S:
            yield Finding(address=bucket.address, why=f"keeps what was deleted for {kept} seconds")
    for dataset in estate.of("google_bigquery_dataset"):
        if dataset.get("delete_contents_on_destroy") is True:
            yield Finding(address=dataset.address, why="goes with all its tables (delete_contents_on_destroy)")
    for database in estate.of("google_sql_database_instance"):
        if database.block("settings").get("deletion_protection_enabled") is False and not estate.frozen(database.owner):
            yield Finding(address=database.address, why="may be deleted by hand (deletion_protection_enabled)")


def _given(value: Any) -> bool:
    return bool(value) and value != UNDECIDED
