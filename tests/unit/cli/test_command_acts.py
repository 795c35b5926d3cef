"""Every command has its audit act, or a reason to have none: a new command without a row here fails by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import aegle
from aegle.access import Act
from aegle.cli import app

ACTS = {
    "apply": Act.CLI_CONFIG_APPLY,
    "send": Act.CLI_FILES_SEND,
    "site add": Act.CLI_CONFIG_CHANGE,
    "site retire": Act.CLI_CONFIG_CHANGE,
    "run migration": Act.HUB_SCHEMA_MIGRATE,
    "site backup": Act.CLI_SITE_BACKUP,
    "site restore": Act.CLI_SITE_RESTORE,
    "site intake": Act.DOOR_INSTANCE_RECEIVE,
    "site redeliver": Act.CLI_DELIVERY_RETRY,
    "site update": Act.CLI_SITE_UPDATE,
    "site rotate-credential": Act.HUB_CREDENTIAL_ROTATE,  # the hub writes it
    "account add": Act.PAGE_ACCOUNT_CHANGE,
    "archive check": Act.CLI_ARCHIVE_CHECK,
    "archive rebuild": Act.CLI_ARCHIVE_REBUILD,
    "archive export": Act.CLI_ARCHIVE_EXPORT,
    "archive grant": Act.CLI_ARCHIVE_GRANT,
    "archive revoke": Act.CLI_ARCHIVE_REVOKE,
    "door add-key": Act.CLI_DOOR_KEY,
    "door remove-key": Act.CLI_DOOR_KEY,
    "door keys": Act.HUB_CONSOLE_VIEW,
    "quarantine list": Act.SITE_QUARANTINE_VIEW,
    "quarantine show": Act.SITE_QUARANTINE_INSPECT,
    "quarantine release": Act.SITE_QUARANTINE_SETTLE,
    "quarantine reject": Act.SITE_QUARANTINE_SETTLE,
    "quarantine replace": Act.SITE_QUARANTINE_SETTLE,
    "quarantine fix": Act.SITE_RULE_ADD,
    "quarantine rules": Act.SITE_QUARANTINE_VIEW,
    "quarantine forget-rule": Act.SITE_RULE_REMOVE,
    "vault backup": Act.CLI_VAULT_BACKUP,
    "vault restore": Act.CLI_VAULT_RESTORE,
    "vault rotate": Act.CLI_VAULT_ROTATE,
    "vault reveal": Act.SITE_IDENTITY_REVEAL,
    "deid profile propose": Act.SITE_PROFILE_PROPOSE,
    "deid profile agree": Act.SITE_PROFILE_AGREE,
    "deid values list": Act.SITE_VALUES_VIEW,  # with --site; a CSV is the person's own
    "deid values approve": Act.SITE_VALUE_DECIDE,
    "deid values deny": Act.SITE_VALUE_DECIDE,
    "labels query": Act.HUB_LABELS_QUERY,  # the hub writes it
    "labels export": Act.HUB_LABELS_QUERY,
    "audit verify": Act.CLI_AUDIT_VERIFY,
    "audit show": Act.CLI_AUDIT_SHOW,
    "account list": Act.HUB_CONSOLE_VIEW,
    "run hub": Act.HUB_PROCESS_START,
    "run worker": Act.WORKER_PROCESS_START,
    "run site": Act.SITE_PROCESS_START,
}
NONE = {
    "infra doctor": "asks Google what the caller may do",
    "infra mirror": "reads files of the person's own",
    "infra policy": "reads documents of the person's own",
    "plan": "reads aegle.yaml and what was applied",
    "up": "its programs write their own",
    "demo": "its programs write their own",
    "version": "touches nothing",
    "status": "reads counts and process states, no study",
    "site alarm": "knocks at ports and counts files, no study",
    "site check": "knocks at ports and counts files, no study",
    "site list": "reads aegle.yaml and what was applied",
    "account roles": "prints a table of the program",
    "deid run": "works on a folder of the person's own, with no site",
    "deid preview": "works on a folder of the person's own, with no site",
    "deid bench make": "writes a synthetic corpus of its own",
    "deid bench score": "reads a synthetic corpus and what a tool made of it",
    "deid profile show": "prints a table of the program",
    "deid profile check": "reads a file of the person's own",
    "deid profile proposals": "reads who agreed to which profile, no study",
    "run demo-pacs": "stands in for somebody else's program",
}


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name))


def test_every_command_names_its_act_or_why_it_has_none() -> None:
    assert set(commands(typer.main.get_command(app))) == ACTS.keys() | NONE.keys()


@pytest.mark.parametrize("act", sorted(set(ACTS.values())))
def test_the_act_of_a_command_is_written_somewhere(act: Act) -> None:
    sources = [path for path in Path(aegle.__file__).parent.rglob("*.py") if path.name != "access.py"]
    assert any(f"Act.{act.name}" in path.read_text(encoding="utf-8") for path in sources)
