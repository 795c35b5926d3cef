"""What de-identification did, study by study, as JSON: counts, codes, checks and digests. Pseudonyms only."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from aegle.deid.outcome import Deidentified
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.reasons import Held, HoldReason
from aegle.deid.terms import Terms
from aegle.dicom.uids import is_uid

#: What was shown of every object that is written, by another reader over the written file.
CHECKS = (
    "every element follows its rule; none is unknown or there twice, and none private or an overlay but by an option",
    "no UID, date or time of the source is left where one is replaced",
    "no identifier of the source in any element, nor in the raw bytes around the pixels, in any encoding",
    "the pixels are the source's, bit for bit, but for what was blanked or painted over",
    "the aliases and the file meta group are in their places",
)
#: Reasons with which the independent check holds an object that the engine had written.
_CHECKS = frozenset({HoldReason.CHECK_FAILED, HoldReason.IDENTIFIER_LEFT, HoldReason.HIDDEN_BITS})


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
    terms: Terms | None = None  #: by which it was treated; None for what was written down before terms were
    settled_at: float = field(default=0.0, compare=False)  #: seconds since 1970, when it was written down


def written(done: Deidentified, source_digest: str, terms: Terms | None) -> Settled:
    """An object that was written clean and checked."""
    alias = done.alias
    return Settled(
        source_digest=source_digest,
        name=f"{alias.study_uid}/{alias.series_uid}/{alias.sop_uid}.dcm",
        counts={f"{tag:08X} {what}": n for (tag, what), n in done.counts.items()},
        study=alias.study_uid,
        certified=done.pixels_certified,
        terms=terms,
    )


def held_back(held: Held, source_digest: str, study: str, terms: Terms | None) -> Settled:
    """An object that was not; `study` is its study's alias, empty where the object does not say."""
    return Settled(source_digest=source_digest, reason=held.reason, detail=held.detail, study=study, terms=terms)


def study_of(held: Held, naming: Pseudonyms) -> str:
    """The alias of the study of an object that the engine held; empty where the object names none."""
    said = held.source.study_uid if held.source else ""
    return naming.uid(said) if is_uid(said) else ""


def report(items: Iterable[Settled]) -> dict[str, Any]:
    """The whole, then each study, each by the terms that held when its objects were treated."""
    known = list(items)
    studies: dict[str, list[Settled]] = {}
    for item in known:
        studies.setdefault(item.study or "not said", []).append(item)
    return {
        "treated_by": _terms(known),
        "checks_of_every_written_object": list(CHECKS),
        **_counts(known),
        "studies": {
            alias: _counts(found) | _proof(found) | {"treated_by": _terms(found)}
            for alias, found in sorted(studies.items())
        },
    }


def _terms(items: Sequence[Settled]) -> list[dict[str, Any]]:
    """Each profile, with the decisions, under which some of the objects were treated, and on which days (UTC)."""
    by_terms: dict[Terms, list[Settled]] = {}
    for item in items:
        if item.terms is not None:
            by_terms.setdefault(item.terms, []).append(item)
    told = []
    for terms, treated in by_terms.items():
        days = sorted(datetime.fromtimestamp(item.settled_at, UTC).date().isoformat() for item in treated)
        told.append({"objects": len(treated), "first_on": days[0], "last_on": days[-1], **asdict(terms)})
    return sorted(told, key=lambda each: (each["first_on"], each["profile_digest"], each["values_digest"]))


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
