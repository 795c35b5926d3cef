"""Ties between the files of a corpus that a tool must not cut: same patient, same study, references, days between."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from pydicom import Dataset

from aegle.bench.reading import Written, uids

#: Values that are equal in two outputs exactly when they are in the two inputs.
TIES = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ContainerIdentifier")


def broken(inputs: Mapping[int, Written], outputs: Mapping[int, Written]) -> Iterator[str]:
    """Each relation that held between inputs and does not between their outputs, in words without identity."""
    for keyword in TIES:
        yield from _tie(keyword, inputs, outputs)
    instances = {str(source.value("SOPInstanceUID")): number for number, source in inputs.items()}
    for number, written in outputs.items():
        yield from _references(number, inputs[number], written, instances, outputs)
        if written.value("file_meta.MediaStorageSOPInstanceUID") != written.value("SOPInstanceUID"):
            yield f"{number}: file meta and data set name two instances"
    yield from _intervals(inputs, outputs)
    yield from _uptakes(inputs, outputs)


def _tie(keyword: str, inputs: Mapping[int, Written], outputs: Mapping[int, Written]) -> Iterator[str]:
    groups: dict[str, set[str]] = defaultdict(set)
    for number, written in outputs.items():
        original = inputs[number].value(keyword)
        if original:
            groups[original].add(written.value(keyword) or "")
    for now in groups.values():
        if len(now) > 1:
            yield f"{keyword}: one became {len(now)}"
    merged = len(groups) - len({value for now in groups.values() for value in now})
    if merged > 0:
        yield f"{keyword}: {merged + 1} became one"


def _references(
    number: int, source: Written, written: Written, instances: Mapping[str, int], outputs: Mapping[int, Written]
) -> Iterator[str]:
    for path, uid in uids(source.dataset) if source.dataset else ():
        target = instances.get(uid)
        if target is None or target == number or target not in outputs:
            continue
        if written.value(path) != outputs[target].value("SOPInstanceUID"):
            yield f"{number}: {path} points to nothing"


def _intervals(inputs: Mapping[int, Written], outputs: Mapping[int, Written]) -> Iterator[str]:
    visits: dict[str, list[int]] = defaultdict(list)
    for number in outputs:
        visits[inputs[number].value("PatientID") or ""].append(number)
    for numbers in visits.values():
        for one, other in pairwise(sorted(numbers)):
            before, after = (_days(files[one], files[other]) for files in (inputs, outputs))
            if after is not None and before != after:
                yield f"{one} and {other}: days between the studies changed"


def _uptakes(inputs: Mapping[int, Written], outputs: Mapping[int, Written]) -> Iterator[str]:
    for number, written in outputs.items():
        before, after = _uptake(inputs[number]), _uptake(written)
        if before is not None and after is not None and before != after:
            yield f"{number}: the time from injection to picture changed"


def _uptake(written: Written) -> timedelta | None:
    """None where one of the two moments is not told: a tool may remove them."""
    ds = written.dataset or Dataset()
    given = next(iter(ds.get("RadiopharmaceuticalInformationSequence") or ()), Dataset())
    told = (given.get("RadiopharmaceuticalStartDateTime"), f"{ds.get('AcquisitionDate')}{ds.get('AcquisitionTime')}")
    try:
        injected, pictured = (_moment(str(text)) for text in told)
    except ValueError:
        return None
    return pictured - injected


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M%S.%f" if "." in text else "%Y%m%d%H%M%S")  # noqa: DTZ007 - no zone


def _days(one: Written, other: Written) -> int | None:
    """None when a tool removed the dates, which is its right."""
    dates = [written.dataset.get("StudyDate", "") if written.dataset else "" for written in (one, other)]
    try:
        first, second = (datetime.strptime(str(date), "%Y%m%d") for date in dates)  # noqa: DTZ007 - a DA
    except ValueError:
        return None
    return (second - first).days
