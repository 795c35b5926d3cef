"""An archive's index of a million instances, loaded through the store's own code, and what to search it for."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

from pydicom.datadict import keyword_for_tag

from aegle import durable
from aegle.dicom.describe import Description
from aegle.dicom.levels import KEYS, LEVELS
from aegle.local.archive.index import Index
from aegle.protocols.qido import token
from aegle.records import InstanceRef, Level, StoredInstance

STUDIES, SERIES, EACH = 100_000, 2, 5
INSTANCES = STUDIES * SERIES * EACH
SQLITE = sqlite3.sqlite_version
ASKED = 300  #: searches of each kind
PAGE = 25
_TOGETHER = 2_000
_CT = "1.2.840.10008.5.1.4.1.1.2"
_MODALITIES = ("CT", "MR", "SM", "XC")


def fill(folder: Path) -> float:
    """Index every instance, two thousand a commit; answers the seconds."""
    index = Index(durable.private_folder(folder) / "index.db")
    began, batch = time.perf_counter(), list[tuple[StoredInstance, Description]]()
    for study in range(STUDIES):
        batch += _study(study)
        if len(batch) >= _TOGETHER or study == STUDIES - 1:
            index.add_all(batch)
            batch = []
    index.close()
    return time.perf_counter() - began


def values(study: int) -> dict[str, str]:
    """What is told of a study, by tag."""
    chance = Random(study)
    return {
        "0020000D": f"2.25.{study + 1}0",
        "00080050": f"A{study:07}",
        "00100020": f"P{study // 2:06}",
        "00200010": f"{study % 10_000}",
        "00100010": f"Alias{study // 2 % 30_000:05}^Q",
        "00080090": f"Referrer{chance.randrange(400):03}",
        "00100030": f"{1930 + chance.randrange(80)}{1 + chance.randrange(12):02}{1 + chance.randrange(28):02}",
        "00080020": f"{2016 + chance.randrange(10)}{1 + chance.randrange(12):02}{1 + chance.randrange(28):02}",
        "00080030": f"{chance.randrange(24):02}{chance.randrange(60):02}{chance.randrange(60):02}.000000",
        "00081030": f"examination {chance.randrange(300)}",
        "00100040": "FMO"[chance.randrange(3)],
    }


def _study(study: int) -> Iterator[tuple[StoredInstance, Description]]:
    for series in range(SERIES):
        for number in range(EACH):
            yield _instance(study, series, number)


def _instance(study: int, series: int, number: int) -> tuple[StoredInstance, Description]:
    of_study = values(study)
    series_uid, sop_uid = f"{of_study['0020000D']}.{series}", f"{of_study['0020000D']}.{series}.{number}"
    modality = _MODALITIES[(study + series) % 4]
    told = of_study | {
        "00080016": _CT, "00080018": sop_uid, "0020000E": series_uid, "00080060": modality, "00200011": str(series),
        "00200013": str(number), "0008103E": f"series {study % 50}", "00180015": "CERVIX", "00280010": "512", "00280011": "512",
    }  # fmt: skip
    header = {tag: _json(tag, text) for tag, text in sorted(told.items())} | _FILLING
    place = InstanceRef(study_uid=of_study["0020000D"], series_uid=series_uid, sop_uid=sop_uid, sop_class=_CT)
    shape = {"transfer_syntax": "1.2.840.10008.1.2.1", "modality": modality, "frames": 1, "rows": 512, "columns": 512}
    description = Description(instance=place, header=header, table=None, **shape)  # type: ignore[arg-type]
    return StoredInstance(**vars(place), size_bytes=525_000, digest="0" * 64, **shape), description  # type: ignore[arg-type]


#: so that a header weighs what a slice's does
_FILLING = {
    f"0018{element:04X}": {"vr": "LO", "Value": ["about what a modality tells"]} for element in range(0x9000, 0x9020)
}


def _json(tag: str, text: str) -> dict[str, Any]:
    vr = {"00100010": "PN", "00080090": "PN", "00280010": "US", "00280011": "US"}.get(tag, "LO")
    vr = "IS" if tag in ("00200011", "00200013") else vr
    value: Any = {"Alphabetic": text} if vr == "PN" else int(text) if vr in ("US", "IS") else text
    return {"vr": vr, "Value": [value]}


def searches() -> Iterator[tuple[str, Sequence[str]]]:
    """Kinds of searches with their paths: each key at its own level, wildcards, ranges, and pages at any depth."""
    chance = Random(7)
    for key in KEYS:
        if key.tag in ("00080061", "00180015", "0008103E"):
            continue
        paths = [f"/{_plural(key.level)}?{key.tag}={quote(_value(key.tag, chance))}&limit={PAGE}" for _ in range(ASKED)]
        yield f"{keyword_for_tag(int(key.tag, 16))} = one value", paths
    yield (
        "PatientName = Alias01*",
        [f"/studies?PatientName=Alias{chance.randrange(300):03}*&limit={PAGE}" for _ in range(ASKED)],
    )
    yield "StudyDate = a week", [f"/studies?StudyDate={_week(chance)}&limit={PAGE}" for _ in range(ASKED)]
    yield (
        "ModalitiesInStudy and a week",
        [f"/studies?ModalitiesInStudy=SM&StudyDate={_week(chance)}&limit={PAGE}" for _ in range(ASKED)],
    )
    yield (
        "instances of a study",
        [f"/studies/{values(chance.randrange(STUDIES))['0020000D']}/instances?limit={PAGE}" for _ in range(ASKED)],
    )
    for level in LEVELS:
        yield (
            f"all {_plural(level)}, offset to 100,000",
            [f"/{_plural(level)}?limit={PAGE}&offset={chance.randrange(100_000)}" for _ in range(ASKED)],
        )
        yield (
            f"all {_plural(level)}, by the Link of a page at any depth",
            [f"/{_plural(level)}?limit={PAGE}&after={_after(level, chance)}" for _ in range(ASKED)],
        )
    yield (
        "instances of one modality in the study, by Link",
        [f"/instances?ModalitiesInStudy=SM&limit={PAGE}&after={_after(Level.INSTANCE, chance)}" for _ in range(ASKED)],
    )


def _after(level: Level, chance: Random) -> str:
    """As the Link of an answer has it, from the place of its last result."""
    study = values(chance.randrange(STUDIES))["0020000D"]
    place = (
        study,
        f"{study}.{chance.randrange(SERIES)}",
        f"{study}.{chance.randrange(SERIES)}.{chance.randrange(EACH)}",
    )
    return token(place[: LEVELS.index(level) + 1])


def _plural(level: Level) -> str:
    return {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}[level]


def _week(chance: Random) -> str:
    year, month, day = 2016 + chance.randrange(10), 1 + chance.randrange(12), 1 + chance.randrange(21)
    return f"{year}{month:02}{day:02}-{year}{month:02}{day + 7:02}"


def _value(tag: str, chance: Random) -> str:
    study, series, number = chance.randrange(STUDIES), chance.randrange(SERIES), chance.randrange(EACH)
    of_study = values(study)
    return (of_study | {
        "00080018": f"{of_study['0020000D']}.{series}.{number}", "0020000E": f"{of_study['0020000D']}.{series}",
        "00200011": str(series), "00200013": str(number), "00080016": _CT, "00080060": _MODALITIES[study % 4],
    })[tag]  # fmt: skip
