"""Which act each command is, and the trail in which a command writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

from aegle import access
from aegle.access import Act
from aegle.errors import AegleError
from aegle.local.audit import ChainedLines
from aegle.local.home import Home
from aegle.records import AuditOutcome

ACTS = MappingProxyType(
    {
        "account add": Act.PAGE_ACCOUNT_CHANGE,
        "account list": Act.HUB_CONSOLE_VIEW,
        "apply": Act.CLI_CONFIG_APPLY,
        "archive check": Act.CLI_ARCHIVE_CHECK,
        "archive export": Act.CLI_ARCHIVE_EXPORT,
        "archive grant": Act.CLI_ARCHIVE_GRANT,
        "archive rebuild": Act.CLI_ARCHIVE_REBUILD,
        "archive revoke": Act.CLI_ARCHIVE_REVOKE,
        "audit show": Act.CLI_AUDIT_SHOW,
        "audit verify": Act.CLI_AUDIT_VERIFY,
        "deid profile agree": Act.SITE_PROFILE_AGREE,
        "deid profile propose": Act.SITE_PROFILE_PROPOSE,
        "deid values approve": Act.SITE_VALUE_DECIDE,
        "deid values deny": Act.SITE_VALUE_DECIDE,
        "deid values list": Act.SITE_VALUES_VIEW,
        "demo": Act.HUB_PROCESS_START,
        "door add-key": Act.CLI_DOOR_KEY,
        "door keys": Act.HUB_CONSOLE_VIEW,
        "door remove-key": Act.CLI_DOOR_KEY,
        "labels export": Act.HUB_LABELS_QUERY,
        "labels query": Act.HUB_LABELS_QUERY,
        "quarantine fix": Act.SITE_RULE_ADD,
        "quarantine forget-rule": Act.SITE_RULE_REMOVE,
        "quarantine list": Act.SITE_QUARANTINE_VIEW,
        "quarantine reject": Act.SITE_QUARANTINE_SETTLE,
        "quarantine release": Act.SITE_QUARANTINE_SETTLE,
        "quarantine replace": Act.SITE_QUARANTINE_SETTLE,
        "quarantine rules": Act.SITE_QUARANTINE_VIEW,
        "quarantine show": Act.SITE_QUARANTINE_INSPECT,
        "send": Act.CLI_FILES_SEND,
        "site add": Act.CLI_CONFIG_CHANGE,
        "site backup": Act.CLI_SITE_BACKUP,
        "site intake": Act.DOOR_INSTANCE_RECEIVE,
        "site redeliver": Act.CLI_DELIVERY_RETRY,
        "site restore": Act.CLI_SITE_RESTORE,
        "site update": Act.CLI_SITE_UPDATE,
        "site retire": Act.CLI_CONFIG_CHANGE,
        "site rotate-credential": Act.HUB_CREDENTIAL_ROTATE,
        "status": Act.HUB_CONSOLE_VIEW,
        "up": Act.HUB_PROCESS_START,
        "vault backup": Act.CLI_VAULT_BACKUP,
        "vault restore": Act.CLI_VAULT_RESTORE,
        "vault reveal": Act.SITE_IDENTITY_REVEAL,
        "vault rotate": Act.CLI_VAULT_ROTATE,
    }
)
"""The act of each command that changes or shows something that is kept. Written by the command itself, by the hub for a
command that asks the hub, or by the programs that a command starts."""

WITHOUT_ACT = frozenset(
    {
        "account roles",
        "deid bench make",
        "deid bench score",
        "deid preview",
        "deid profile check",
        "deid profile proposals",
        "deid profile show",
        "deid run",
        "infra doctor",
        "infra mirror",
        "infra policy",
        "plan",
        "site alarm",
        "site check",
        "site list",
        "version",
    }
)
"""Commands that explain, compare, or work on the caller's own files, with no hub and no site."""


def record(
    place: Home,
    act: Act,
    outcome: AuditOutcome = AuditOutcome.OK,
    *,
    site: str = "",
    subject: str = "",
    principal: str = "user:operator",
    **facts: str | int | float | bool,
) -> None:
    """Write a command's act into the trail of commands of a site, or of the hub. Durable on return.

    Raises Overloaded when another command holds the trail for longer than 15 seconds."""
    owner, folder = (site, place.site(site)) if site else ("hub", place.hub)
    trail = ChainedLines(folder / "audit", owner, "cli")
    try:
        trail.append(access.event(act, outcome, principal=principal, site=site, subject=subject, **facts))
    finally:
        trail.close()


@contextmanager
def refusals_told(place: Home, act: Act, *, site: str, subject: str, principal: str) -> Iterator[None]:
    """Writes into the trail that an act was refused, and by which error, where the block raises one of ours."""
    try:
        yield
    except AegleError as error:
        refused, code = AuditOutcome.REFUSED, error.meaning.code
        record(place, act, refused, site=site, subject=subject, principal=principal, reason=code)
        raise
