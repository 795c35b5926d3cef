"""By what an object was treated, written down with what became of it: the report of a study says what held then, whatever holds
now."""

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

from aegle import __version__
from aegle.deid.profile import Profile
from aegle.deid.table import EDITION
from aegle.deid.values import Values


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Names and digests; no value of a patient."""

    profile: str
    profile_digest: str
    edition: str  #: of Table E.1-1
    options: tuple[str, ...]
    weaker_than_default_by: tuple[str, ...]
    second_look: str  #: which pictures a text detector looked at
    values_digest: str  #: of the decisions about words
    software: str

    def to_json(self) -> str:
        """A stable form for the ledger."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        said: dict[str, Any] = json.loads(text)
        lists: dict[str, Any] = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
        return cls(**{**said, **lists})


@lru_cache(maxsize=16)
def terms_of(profile: Profile, values: Values) -> Terms:
    """What holds now."""
    return Terms(
        profile=profile.name,
        profile_digest=profile.digest,
        edition=f"DICOM PS3.15 {EDITION}",
        options=tuple(sorted(profile.options)),
        weaker_than_default_by=profile.weaker_by,
        second_look=profile.looking,
        values_digest=values.digest,
        software=f"aegle {__version__}",
    )
