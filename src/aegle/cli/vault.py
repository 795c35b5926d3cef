"""`aegle vault backup|restore|rotate|reveal`: a site's vault looked after, and one alias undone by two people."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from aegle import access, wiring
from aegle.access import Act
from aegle.cli.acts import record
from aegle.cli.keeping import stopped
from aegle.cli.persons import As, Password, Second, SecondPassword, require_person
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.deid import Vault, vault_upkeep
from aegle.errors import Forbidden, NotFound
from aegle.local.home import Home
from aegle.site.folder import SiteFolder

app = typer.Typer(
    help="A site's map from aliases to patients: backed up, under another key, undone.", no_args_is_help=True
)
console = terminal()
KEY = "vault-key"

SiteName = Annotated[str, typer.Option("--site", help="Which site.")]
Backup = Annotated[Path, typer.Argument(help="Folder of the backup.")]

#: What `reveal` shows of a study.
_SHOWN = {
    0x00100010: "name", 0x00100020: "patient ID", 0x00100021: "issuer", 0x00100030: "born", 0x00100040: "sex",
    0x00080050: "accession", 0x00200010: "study ID", 0x00080020: "study date", 0x00080090: "referred by",
}  # fmt: skip


@app.command()
def backup(target: Backup, site: SiteName, home_path: HomePath = HOME) -> None:
    """Copy the vault into a new folder, every value proved to open. The site may run. The key is never in it.

    Example: `aegle vault backup /mnt/backup/vault-2026-11-25 --site st-anna`
    """
    place, folder, keys = _opened(home_path, site)
    vault_upkeep.require_no_key(target, keys, folder.secrets)
    record(place, Act.CLI_VAULT_BACKUP, site=site)
    made = vault_upkeep.backup(folder.vault, keys, target)
    console.print(
        f"{made.instances} instance(s) of {made.studies} studies. Opens with key {made.key}, which is not in it:"
    )
    console.print(f"  {folder.secrets}/{KEY}.*", highlight=False, soft_wrap=True)
    console.print(
        "Keep the key somewhere else. Whoever has both has the patients; whoever lost either has none of them."
    )


@app.command()
def restore(source: Backup, site: SiteName, home_path: HomePath = HOME) -> None:
    """Put a backup in the vault's place. Stop the site first; the vault that was there is kept beside it.

    What came in since the backup is not in it: send it again, and it is admitted under the same aliases.
    Example: `aegle vault restore /mnt/backup/vault-2026-11-25 --site st-anna`
    """
    place, folder, keys = _opened(home_path, site)
    with stopped(folder, site):
        record(place, Act.CLI_VAULT_RESTORE, site=site)
        back = vault_upkeep.bring_back(source, keys, folder.vault)
        current = vault_upkeep.is_rotated(folder.vault, keys)
    console.print(f"The vault of {back.made_at:%Y-%m-%d %H:%M} UTC is back: {back.instances} instance(s).")
    if not current:
        console.print(
            "It is sealed under an older key. Seal it under the present one: aegle vault rotate --site " + site
        )


@app.command()
def rotate(site: SiteName, home_path: HomePath = HOME) -> None:
    """Seal the vault under a new key. Stop the site first. Stopped half-way, the same command goes on.

    Example: `aegle vault rotate --site st-anna`
    """
    place, folder, keys = _opened(home_path, site)
    with stopped(folder, site), wiring.site_secrets(place, site) as secrets:
        record(place, Act.CLI_VAULT_ROTATE, site=site)
        if vault_upkeep.is_rotated(folder.vault, keys):
            secrets.put(KEY, os.urandom(32))
        count = sum(vault_upkeep.rotate(folder.vault, secrets.versions(KEY)))
    console.print(
        f"{count} value(s) sealed anew. The vault opens with the new key alone. Back it up, and the key apart."
    )
    console.print("Older keys open only older backups; destroy them when those are gone.")


@app.command()
def reveal(
    alias: Annotated[
        str, typer.Argument(help="A patient's alias, or the alias of a study, series, instance or other UID.")
    ],
    site: SiteName,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit trail. No patient's data.")],
    person: As,
    second: Second,
    password: Password,
    second_password: SecondPassword,
    home_path: HomePath = HOME,
) -> None:
    """Show who or what an alias stands for. Two people of the site, both present, each with their own password.

    Example: `aegle vault reveal AG-0123456789ABCDEF0123 --site st-anna --reason "recall" --as anna --with omar`
    """
    place, folder, keys = _opened(home_path, site)
    if person == second:
        raise Forbidden("a second person must confirm: --with somebody else")
    access.event(Act.SITE_IDENTITY_REVEAL, reason=reason)  # refused without one, whoever asks
    require_person(place, site, person, password, Act.SITE_IDENTITY_REVEAL)
    require_person(place, site, second, second_password, Act.SITE_REVEAL_CONFIRM)
    for who, act in ((second, Act.SITE_REVEAL_CONFIRM), (person, Act.SITE_IDENTITY_REVEAL)):
        record(place, act, site=site, subject=alias, principal=f"user:{who}", reason=reason)
    with closing(Vault(folder.vault, *keys)) as vault:
        table = _identities(vault, alias) if alias.startswith("AG-") else _uid(vault, alias)
    console.print(table)


def _identities(vault: Vault, patient_alias: str) -> Table:
    """Each study of the patient, with the identity it came under."""
    studies = vault.studies_of(patient_alias)
    if not studies:
        raise NotFound("the vault does not know this patient")
    return _originals([row for study in studies for row in _of_study(vault, study)])


def _uid(vault: Vault, alias: str) -> Table:
    """The original UID, and its patient where the alias is a study's."""
    try:
        return _originals(_of_study(vault, alias))
    except NotFound:
        return _originals([(alias, vault.original_uid(alias))])


def _of_study(vault: Vault, study: str) -> list[tuple[str, str]]:
    identity = vault.identity(study)
    return [(study, vault.original_uid(study)), *((f"  {name}", identity.text(tag)) for tag, name in _SHOWN.items())]


def _originals(rows: list[tuple[str, str]]) -> Table:
    return listed(("what", "original"), rows)


def _opened(home_path: Path, site: str) -> tuple[Home, SiteFolder, list[bytes]]:
    place = home(home_path)
    place.require_applied().site(site)
    folder = SiteFolder(root=place.site(site))
    with wiring.site_secrets(place, site) as secrets:
        return place, folder, list(secrets.versions(KEY))
