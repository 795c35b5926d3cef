"""De-identification at the site's door: PS3.15 Annex E as data, a byte-level engine, pseudonyms, vault and restore."""

import logging
from typing import TYPE_CHECKING, Any

from aegle.deid.check import check
from aegle.deid.engine import deidentify, identify
from aegle.deid.outcome import Deidentified, Identity
from aegle.deid.profile import Profile, default_profile, profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import REASONS, FirstSeen, Held, HoldReason, Reason
from aegle.deid.restore import restore
from aegle.deid.table import Option
from aegle.deid.values import Decision, Values

if TYPE_CHECKING:
    from aegle.deid.vault import Admission, Vault

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its warnings quote values, and those are a patient's

__all__ = [
    "REASONS",
    "Admission",
    "Decision",
    "Deidentified",
    "FirstSeen",
    "Held",
    "HoldReason",
    "Identity",
    "Option",
    "Profile",
    "Pseudonyms",
    "Reason",
    "Values",
    "Vault",
    "check",
    "default_profile",
    "deidentify",
    "identify",
    "profile",
    "restore",
]


def __getattr__(name: str) -> Any:
    """The vault, for whoever has one: its cipher takes a while to load."""
    if name not in {"Admission", "Vault"}:
        raise AttributeError(name)
    from aegle.deid import vault

    return getattr(vault, name)
