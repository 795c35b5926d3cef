"""All tools' scores as one table: for the terminal, and as Markdown for the docs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from rich.table import Table

from aegle.bench.answers import Leak
from aegle.bench.score import Score

_COLUMNS = {
    "destroyed": "clinical values destroyed",
    "relation": "relations broken",
    "withheld": "clean files withheld",
    "dciodvfy": "new dciodvfy errors",
}


@dataclass(kw_only=True)
class Tally:
    """One tool over several corpora."""

    name: str
    scores: list[Score] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def leaks(self) -> Counter[Leak]:
        """By class, over all corpora."""
        return sum((score.leaks for score in self.scores), Counter())

    def count(self, column: str) -> int:
        """Findings of one column, over all corpora."""
        return sum(score.count(column) for score in self.scores)


def rows(tallies: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    """One row a measure, one column a tool; leak classes in which nobody leaks are left out."""
    for kind in Leak:
        if any(tally.leaks[kind] for tally in tallies):
            yield (f"leaks: {kind}", *(str(tally.leaks[kind]) for tally in tallies))
    yield ("leaks in all", *(str(tally.count("leak")) for tally in tallies))
    for column, name in _COLUMNS.items():
        yield (name, *(str(tally.count(column)) for tally in tallies))
    yield (
        "files written",
        *(f"{sum(s.written for s in t.scores)} of {sum(s.files for s in t.scores)}" for t in tallies),
    )
    yield ("seconds", *(f"{tally.seconds:.1f}" for tally in tallies))


def tabled(tallies: Sequence[Tally]) -> Table:
    """The table for a terminal."""
    table = Table("", *(tally.name for tally in tallies))
    for name, *cells in rows(tallies):
        table.add_row(name, *cells, style="bold" if name == "leaks in all" else "")
    return table


def markdown(tallies: Sequence[Tally], seeds: Sequence[int], plants: int, day: date) -> str:
    """The same for the docs, with what it was measured on."""
    files = tallies[0].scores[0].files
    said = (
        f"Measured on {day:%Y-%m-%d}: {len(seeds)} synthetic corpora (seeds {seeds[0]} to {seeds[-1]}) of {files} files each, "
        f"{plants:,} planted identifiers in all. Lower is better in every row down to dciodvfy.\n"
    )
    head = f"| | {' | '.join(tally.name for tally in tallies)} |\n|---{'|---' * len(tallies)}|\n"
    return said + "\n" + head + "".join(f"| {' | '.join(row)} |\n" for row in rows(tallies))
