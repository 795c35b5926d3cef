"""Where a site keeps what, below one private folder."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from aegle.deid import agreement, pixel_book


@dataclass(frozen=True, kw_only=True)
class SiteFolder:
    """The layout of a site's folder. Only `archive` holds nothing that names a patient."""

    root: Path

    @property
    def secrets(self) -> Path:
        """The site's keys."""
        return self.root / "secrets"

    @property
    def spool(self) -> Path:
        """Received, not yet settled: identified."""
        return self.root / "spool"

    @property
    def work(self) -> Path:
        """De-identified, not yet checked."""
        return self.root / "work"

    @property
    def quarantine(self) -> Path:
        """Held: identified, encrypted."""
        return self.root / "quarantine"

    @property
    def archive(self) -> Path:
        """De-identified DICOM."""
        return self.root / "archive"

    @property
    def storing(self) -> Path:
        """On its way in at the archive's endpoint; not yet looked at."""
        return self.root / "storing"

    @property
    def vault(self) -> Path:
        """Aliases to originals, encrypted."""
        return self.root / "vault.db"

    @property
    def state(self) -> Path:
        """Studies, requests, results, labels: aliases only."""
        return self.root / "site.db"

    @property
    def labels(self) -> Path:
        """Label events and whether the hub has them: aliases and pseudonyms only."""
        return self.root / "labels.db"

    @property
    def accounts(self) -> Path:
        """People who may sign in."""
        return self.root / "accounts.db"

    @property
    def values(self) -> Path:
        """Words of kept attributes and what was decided about them; they may be patients'."""
        return self.root / "values.db"

    @property
    def reports(self) -> Path:
        """What de-identification did to each instance: aliases only."""
        return self.root / "reports.db"

    @property
    def pixel_rules(self) -> Path:
        """What is known of devices' pictures."""
        return self.root / pixel_book.FILE

    @property
    def agreements(self) -> Path:
        """Weaker profiles that two people of the site agreed to."""
        return self.root / agreement.FILE

    @property
    def revoked(self) -> Path:
        """Grants of the archive that were taken back, by their ids."""
        return self.root / "revoked"

    @property
    def door_keys(self) -> Path:
        """Who may send by STOW-RS: names and hashes."""
        return self.root / "door-keys.json"

    @property
    def outbox(self) -> Path:
        """Results on their way to the PACS: identified."""
        return self.root / "outbox"

    @property
    def audit(self) -> Path:
        """Audit chains."""
        return self.root / "audit"

    @property
    def lodged(self) -> Path:
        """The hub's audit heads, as they were lodged here."""
        return self.root / "audit" / "lodged.heads"

    def tidy(self, keep: Collection[str]) -> None:
        """Remove what a crash left half-made, before anything runs: none of it was acknowledged and all of it is made again.

        `keep` names the outbox files still to be sent."""
        for left in (
            *_files(self.work),
            *_files(self.storing),
            *self.quarantine.glob("*.part"),
            *self.quarantine.glob(".*.json.*"),
        ):
            left.unlink()
        for sent in _files(self.outbox):
            if sent.name not in keep:
                sent.unlink()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.exists() else []
