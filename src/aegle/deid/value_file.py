"""A site's decisions about words as a CSV file that a person edits: `keyword,value,decision`.

For work on a folder, with no site running. Its values may be patients': the file is private to its owner, and nothing
here puts a value into a message.
"""

import codecs
import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aegle import durable
from aegle.deid.fold import folded
from aegle.deid.reasons import FirstSeen
from aegle.deid.values import Decision, Values, is_keyword
from aegle.errors import BadConfig

COLUMNS = ("keyword", "value", "decision")
_HEAD_BYTES = 512  #: in which the columns are named
_STRICTNESS = {Decision.PENDING: 0, Decision.APPROVE: 1, Decision.DENY: 2}  #: of two decisions the stricter holds
_FORMULA = ("=", "+", "-", "@")  #: what a spreadsheet would run; such a value is written behind an apostrophe


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the file."""

    keyword: str
    value: str
    decision: Decision

    @property
    def key(self) -> tuple[str, str]:
        """What the line is about, whatever its spelling."""
        return self.keyword, folded(self.value)


def read(path: Path) -> list[Line]:
    """The file's lines, one a value, none where there is no file. Of two about the same value a denial holds before an
    approval, and either before what is pending, in whatever order they stand.

    Spreadsheets write semicolons or tabs for commas where those stand in numbers, UTF-16 as "Unicode text", and a line
    `sep=;` before all others: read alike. Raises BadConfig that names the line and what is wrong with it, never the value."""
    if not path.exists():
        return []
    content = path.read_bytes()
    form = _form(content)
    try:
        rows = list(csv.reader(io.StringIO(content.decode(form.encoding), newline=""), delimiter=form.delimiter))
    except (UnicodeError, csv.Error):
        raise BadConfig(f"{path} is not CSV in UTF-8; in a spreadsheet, save it as 'CSV UTF-8'") from None
    head = next((number for number, row in enumerate(rows) if any(row) and not _is_hint(row)), len(rows))
    if rows[head:] and _cells(rows[head]) != COLUMNS:
        raise BadConfig(f"{path}: the first line must read {','.join(COLUMNS)}; put it there, or name another file")
    numbered = enumerate(rows[head + 1 :], start=head + 2)
    lines = [_line(row, f"{path}, row {number}") for number, row in numbered if any(cell.strip() for cell in row)]
    found: dict[tuple[str, str], Line] = {}
    for line in lines:
        known = found.setdefault(line.key, line)
        if _STRICTNESS[line.decision] > _STRICTNESS[known.decision]:
            found[line.key] = line
    return [*found.values()]


class _Form(NamedTuple):
    """How a spreadsheet wrote the file."""

    encoding: str = "utf-8"
    delimiter: str = ","


def _form(content: bytes) -> _Form:
    """As its first bytes and the line of the columns' names show it."""
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encoding = next((name for mark, name in marks.items() if content.startswith(mark)), "utf-8")
    text = content[:_HEAD_BYTES].decode(encoding, "ignore")
    heads = (line.lower().replace('"', "") for line in text.splitlines())
    head = next((line for line in heads if line.strip().startswith(COLUMNS[0])), "")
    return _Form(encoding, next((mark for mark in ";\t" if mark in head), ","))


def _is_hint(row: list[str]) -> bool:
    """`sep=;`, by which a spreadsheet tells another how it wrote the file."""
    return row[0].lower().startswith("sep=")


def _cells(row: list[str]) -> tuple[str, ...]:
    return tuple(cell.strip().lower() for cell in _filled(row))


def _filled(row: list[str]) -> list[str]:
    """The row without empty cells to the right of the columns, which a spreadsheet adds."""
    return row[: len(COLUMNS)] if not any(cell.strip() for cell in row[len(COLUMNS) :]) else row


def _line(row: list[str], where: str) -> Line:
    row = _filled(row)
    if len(row) != len(COLUMNS):
        raise BadConfig(f"{where}: three columns are wanted; put a value that has a comma in double quotes")
    keyword, value, decision = row[0].strip(), row[1].strip(), row[2].strip().lower()
    if not is_keyword(keyword):
        raise BadConfig(f"{where}: the first column is not the keyword of an attribute")
    if decision not in set(Decision):
        raise BadConfig(f"{where}: the decision is approve, deny or pending; write one of them into the third column")
    if value.startswith("'") and value[1:].startswith(_FORMULA):
        value = value[1:]
    return Line(keyword=keyword, value=value, decision=Decision(decision))


def values_of(lines: Iterable[Line]) -> Values:
    """The decisions, to judge by."""
    return Values({line.key: line.decision for line in lines})


def add(path: Path, first_seen: Collection[FirstSeen]) -> int:
    """Add values that the file does not have as pending; how many. Durable on return."""
    lines = read(path)
    known = {line.key for line in lines}
    fresh: Mapping[tuple[str, str], Line] = {
        line.key: line for line in sorted(_pending(first_seen), key=lambda line: line.key) if line.key not in known
    }
    if fresh:
        write(path, [*lines, *fresh.values()])
    return len(fresh)


def _pending(first_seen: Collection[FirstSeen]) -> Iterator[Line]:
    for item in first_seen:
        yield Line(keyword=item.keyword, value=item.value, decision=Decision.PENDING)


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write the file anew, for its owner's eyes only, in the form it has: the spreadsheet that wrote it opens it again.
    Durable on return."""
    durable.write(path, _encoded(lines, _form(path.read_bytes()) if path.exists() else _Form()))


def encoded(lines: Iterable[Line]) -> bytes:
    """The content of a new file."""
    return _encoded(lines, _Form())


def _encoded(lines: Iterable[Line], form: _Form) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", delimiter=form.delimiter)
    writer.writerow(COLUMNS)
    for line in lines:
        guard = "'" if line.value.startswith(_FORMULA) else ""
        writer.writerow((line.keyword, guard + line.value, line.decision.value))
    return text.getvalue().encode(form.encoding)
