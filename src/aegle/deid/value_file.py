"""A site's decisions about words as a CSV file that a person edits: `keyword,value,decision`.

For work on a folder, with no site running. Its values may be patients': the file is private to its owner, and nothing
here puts a value into a message.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aegle import durable
from aegle.deid.fold import folded
from aegle.deid.reasons import FirstSeen
from aegle.deid.values import Decision, Values, is_keyword
from aegle.errors import BadConfig

COLUMNS = ("keyword", "value", "decision")
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
    """The file's lines, none where there is no file. Of two about the same value the later holds.

    Raises BadConfig that names the line and what is wrong with it, never the value."""
    if not path.exists():
        return []
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise BadConfig(f"{path} is not CSV in UTF-8") from None
    if rows and tuple(cell.strip().lower() for cell in rows[0]) != COLUMNS:
        raise BadConfig(f"{path}: the first line must read {','.join(COLUMNS)}")
    return [_line(row, f"{path}, row {number}") for number, row in enumerate(rows[1:], start=2) if any(row)]


def _line(row: list[str], where: str) -> Line:
    if len(row) != len(COLUMNS):
        raise BadConfig(f"{where}: three columns are wanted; put a value that has a comma in double quotes")
    keyword, value, decision = row[0].strip(), row[1].strip(), row[2].strip().lower()
    if not is_keyword(keyword):
        raise BadConfig(f"{where}: the first column is not the keyword of an attribute")
    if decision not in set(Decision):
        raise BadConfig(f"{where}: the decision is approve, deny or pending")
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
    """Write the file anew, for its owner's eyes only. Durable on return."""
    durable.write(path, encoded(lines))


def encoded(lines: Iterable[Line]) -> bytes:
    """The file's content."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        guard = "'" if line.value.startswith(_FORMULA) else ""
        writer.writerow((line.keyword, guard + line.value, line.decision.value))
    return text.getvalue().encode("utf-8")
