"""What de-identification did, study by study, as JSON: counts, codes, checks and digests. Pseudonyms only."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aegle.deid.outcome import Deidentified
from aegle.deid.profile import Profile
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.table import EDITION
from aegle.deid.values import Values
from aegle.dicom.uids import is_uid

#: Reasons with which the independent check holds an object that the engine had written.
_CHECKS = frozenset({HoldReason.CHECK_FAILED, HoldReason.IDENTIFIER_LEFT})


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of one source file."""

    source_digest: str
    name: str = ""  #: of the written file, relative to the output folder: STUDY/SERIES/INSTANCE.dcm by alias
    reason: str = ""  #: a HoldReason where held
    detail: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)  #: `GGGGEEEE action` -> how often
    study: str = ""  #: alias; empty where the object does not say
    certified: bool = False  #: (0012,0062) says YES


def written(done: Deidentified, source_digest: str) -> Settled:
    """An object that was written clean and checked."""
    alias = done.alias
    return Settled(
        source_digest=source_digest,
        name=f"{alias.study_uid}/{alias.series_uid}/{alias.sop_uid}.dcm",
        counts={f"{tag:08X} {what}": n for (tag, what), n in done.counts.items()},
        study=alias.study_uid,
        certified=done.pixels_certified,
    )


def held_back(held: Held, source_digest: str, naming: Pseudonyms) -> Settled:
    """An object that was not."""
    said = held.source.study_uid if held.source else ""
    study = naming.uid(said) if is_uid(said) else ""
    return Settled(source_digest=source_digest, reason=held.reason, detail=held.detail, study=study)


def report(items: Iterable[Settled], profile: Profile, values: Values) -> dict[str, Any]:
    """The whole, then each study; `values` are the decisions in force now."""
    known = list(items)
    studies: dict[str, list[Settled]] = {}
    for item in known:
        studies.setdefault(item.study or "not said", []).append(item)
    return {
        "profile": profile.name,
        "profile_digest": profile.digest,
        "edition": f"DICOM PS3.15 {EDITION}",
        "options": sorted(profile.options),
        "weaker_than_default_by": list(profile.weaker_by),
        "values_digest": values.digest,
        **_counts(known),
        "studies": {alias: _counts(found) | _proof(found) for alias, found in sorted(studies.items())},
    }


def _counts(items: Iterable[Settled]) -> dict[str, Any]:
    actions: Counter[str] = Counter()
    held: Counter[str] = Counter()
    clean = 0
    for item in items:
        clean += not item.reason
        held.update([item.reason] if item.reason else [])
        actions.update(item.counts)
    return {"written": clean, "held": dict(sorted(held.items())), "actions": dict(sorted(actions.items()))}


def _proof(items: list[Settled]) -> dict[str, Any]:
    clean = [item for item in items if not item.reason]
    digests = "\n".join(sorted(item.source_digest for item in clean))
    return {
        "checks": {"passed": len(clean), "failed": sum(item.reason in _CHECKS for item in items)},
        "patient_identity_removed": {
            "YES": sum(item.certified for item in clean),
            "NO": sum(not item.certified for item in clean),
        },
        "held_back": [
            {"reason": item.reason, "detail": item.detail, "source": item.source_digest[:16]}
            for item in items
            if item.reason
        ],
        "sources_digest": hashlib.sha256(digests.encode()).hexdigest(),
    }
