"""Ties within and between the files of a corpus that a tool must not cut: same patient, same study, references, time between."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import combinations, pairwise

from aegle.bench.answers import AnswerKey, FileAnswer
from aegle.bench.reading import Written, uids

#: Values that are equal in two outputs exactly when they are in the two inputs.
TIES = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ContainerIdentifier")
_MOMENT = re.compile(r"(\d{8})(\d{4})(\d{2})?(\.\d{1,6})?([+-]\d{4})?")
_FIRST_DAY = "19010101"  #: what is dated before it is a dummy: there were no pictures
_SAME = timedelta(seconds=1)  #: a tool may drop fractions


def broken(key: AnswerKey, inputs: Mapping[int, Written], outputs: Mapping[int, Written]) -> Iterator[str]:
    """Each relation that held between inputs and does not between their outputs, in words without identity."""
    answers = {answer.number: answer for answer in key.files if answer.number in outputs}
    yield from _tie("PatientID", _patients(answers, inputs, outputs), outputs)
    for keyword in TIES:
        yield from _tie(keyword, {number: inputs[number].value(keyword) for number in outputs}, outputs)
    instances = {str(source.value("SOPInstanceUID")): number for number, source in inputs.items()}
    for number, written in outputs.items():
        yield from _references(number, inputs[number], written, instances, outputs)
        if written.value("file_meta.MediaStorageSOPInstanceUID") != written.value("SOPInstanceUID"):
            yield f"{number}: file meta and data set name two instances"
        yield from _links(answers[number], inputs[number], written)
        yield from _seconds(answers[number], inputs[number], written)
    yield from _days_between(answers, inputs, outputs)


def _patients(
    answers: Mapping[int, FileAnswer], inputs: Mapping[int, Written], outputs: Mapping[int, Written]
) -> Mapping[int, str]:
    """Whose each file is. A placeholder that was left as it was, or emptied, still is nobody's: only a tool that makes an ID
    of it makes one patient of strangers."""
    return {
        number: str(answer.patient)
        for number, answer in answers.items()
        if answer.has_id or outputs[number].value("PatientID") not in {None, "", inputs[number].value("PatientID")}
    }


def _tie(keyword: str, originals: Mapping[int, str | None], outputs: Mapping[int, Written]) -> Iterator[str]:
    became: dict[str, set[str]] = defaultdict(set)
    was: dict[str, set[str]] = defaultdict(set)
    for number, original in originals.items():
        if original:
            now = outputs[number].value(keyword) or ""
            became[original].add(now)
            was[now].add(original)
    for several in became.values():
        if len(several) > 1:
            yield f"{keyword}: one became {len(several)}"
    for several in was.values():
        if len(several) > 1:
            yield f"{keyword}: {len(several)} became one"


def _references(
    number: int, source: Written, written: Written, instances: Mapping[str, int], outputs: Mapping[int, Written]
) -> Iterator[str]:
    for path, uid in uids(source.dataset) if source.dataset else ():
        target = instances.get(uid)
        if target is None or target == number or target not in outputs:
            continue
        if written.value(path) != outputs[target].value("SOPInstanceUID"):
            yield f"{number}: {path} points to nothing"


def _links(answer: FileAnswer, source: Written, written: Written) -> Iterator[str]:
    """The first of one file. A value that a tool removed or emptied names nothing."""
    for pair in combinations(answer.links, 2):
        before, after = ([file.value(path) for path in pair] for file in (source, written))
        were_one, are_one = before[0] == before[1], after[0] == after[1]
        if all(after) and were_one != are_one:
            yield f"{answer.number}: {' and '.join(pair)} {'are' if are_one else 'are no longer'} one"
            return


def _seconds(answer: FileAnswer, source: Written, written: Written) -> Iterator[str]:
    """Between the moments of one file that are told before and after; one dummy in the place of two moments tells none."""
    both = [(_moment(source, path), _moment(written, path)) for path in answer.moments]
    told = [(before, after) for before, after in both if before and after]
    for (one, one_after), (other, other_after) in pairwise(told):
        is_dummy = one != other and one_after == other_after
        if not is_dummy and abs((other - one) - (other_after - one_after)) >= _SAME:
            yield f"{answer.number}: the time between two moments changed"
            return


def _moment(file: Written, path: str) -> datetime | None:
    """A DT, or a DA with the TM beside it, as UTC; None for a dummy, and where the two do not tell a minute."""
    beside = path.removesuffix("Date") + "Time"
    text = file.text(path) + ("" if path.endswith("DateTime") else file.text(beside))
    match = _MOMENT.fullmatch(text)
    if match is None or match[1] < _FIRST_DAY:
        return None
    day, minute, second, fraction, offset = match.groups()
    zone = offset or file.text("TimezoneOffsetFromUTC") or "+0000"
    try:
        return datetime.strptime(f"{day}{minute}{second or '00'}{fraction or '.0'}{zone}", "%Y%m%d%H%M%S.%f%z")
    except ValueError:
        return None


def _days_between(
    answers: Mapping[int, FileAnswer], inputs: Mapping[int, Written], outputs: Mapping[int, Written]
) -> Iterator[str]:
    visits: dict[int, list[int]] = defaultdict(list)
    for number, answer in answers.items():
        visits[answer.patient].append(number)
    for numbers in visits.values():
        for one, other in pairwise(sorted(numbers)):
            before, after = (_days(files[one], files[other]) for files in (inputs, outputs))
            if after is not None and before != after:
                yield f"{one} and {other}: days between the studies changed"


def _days(one: Written, other: Written) -> int | None:
    """None when a tool removed the dates or put dummies, which is its right."""
    dates = [written.text("StudyDate") for written in (one, other)]
    if min(dates) < _FIRST_DAY:
        return None
    try:
        first, second = (datetime.strptime(date, "%Y%m%d") for date in dates)  # noqa: DTZ007 - a DA
    except ValueError:
        return None
    return (second - first).days
