"""How the hub's database is kept: TLS or nothing, identities and no passwords, copies to go back to."""

from collections.abc import Mapping
from typing import Any, Final

from aegle.provision.policy.estate import Estate, Finding, Findings

_TLS: Final = frozenset({"ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"})
_WEEK_DAYS: Final = 7
_SIGN_IN: Final = "cloudsql.iam_authentication"


def database_insists_on_tls(estate: Estate) -> Findings:
    """The database refuses a connection without TLS."""
    for item in estate.of("google_sql_database_instance"):
        mode = item.block("settings", "ip_configuration").get("ssl_mode")
        if mode not in _TLS:
            yield Finding(address=item.address, why=f"ssl_mode is {mode}: rows may travel in plain")


def database_takes_no_password(estate: Estate) -> Findings:
    """Identities sign in to the database by their tokens; it has no user with a password."""
    for item in estate.of("google_sql_database_instance"):
        flags = {flag.get("name"): flag.get("value") for flag in item.block("settings").get("database_flags") or ()}
        if flags.get(_SIGN_IN) != "on":
            yield Finding(address=item.address, why=f"{_SIGN_IN} is not on")
    for user in estate.of("google_sql_user"):
        if not str(user.get("type")).startswith("CLOUD_IAM_"):
            yield Finding(address=user.address, why="signs in by a password")


def database_is_copied(estate: Estate) -> Findings:
    """The database is copied every day, copies stay for a week, and it can be brought back to any moment of it."""
    for item in estate.of("google_sql_database_instance"):
        backup = item.block("settings", "backup_configuration")
        if backup.get("enabled") is not True:
            yield Finding(address=item.address, why="has no backups")
        if backup.get("point_in_time_recovery_enabled") is not True:
            yield Finding(address=item.address, why="cannot be brought back to a moment")
        kept = backup.get("transaction_log_retention_days"), _copies(backup)
        if any(isinstance(days, int) and days < _WEEK_DAYS for days in kept):
            yield Finding(address=item.address, why=f"keeps its log for {kept[0]} days and {kept[1]} copies")


def _copies(backup: Mapping[str, Any]) -> Any:
    settings = backup.get("backup_retention_settings")
    return settings[0].get("retained_backups") if isinstance(settings, list) and settings else None
