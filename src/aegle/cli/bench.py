"""`aegle deid bench`: de-identification tools, ours among them, on synthetic corpora with an answer key."""

import tempfile
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from aegle.bench import make_corpus, score_folder
from aegle.bench.rivals import Rival, installed, run_ours, run_rival
from aegle.bench.table import Tally, markdown, tabled
from aegle.cli.terminal import terminal

app = typer.Typer(
    help="Measure de-identification tools on synthetic corpora with an answer key.", invoke_without_command=True
)
console = terminal()


@app.callback()
def bench(
    context: typer.Context,
    seeds: Annotated[int, typer.Option(min=1, help="How many corpora, with seeds 1, 2, ...")] = 1,
    report: Annotated[Path | None, typer.Option(help="Write the table as Markdown, too.", dir_okay=False)] = None,
    *,
    rivals: Annotated[bool, typer.Option(help="Run the other tools that are on the PATH.")] = True,
) -> None:
    """Run Aegle and every rival that is installed on the same corpora, and print one table.

    Rivals: gdcmanon and PixelMed (Debian packages libgdcm-tools, libpixelmed-java), and from PyPI dicognito,
    dicom-anonymizer and deid, each found by its command on the PATH.

    Examples: `aegle deid bench --seeds 10`, `aegle deid bench make corpus/`, `aegle deid bench score corpus/ output/`
    """
    if context.invoked_subcommand is not None:
        return
    warnings.simplefilter("ignore")  # pydicom's, on what rivals write
    numbers = range(1, seeds + 1)
    tools = installed() if rivals else []
    tallies = [Tally(name="Aegle"), *(Tally(name=rival.name) for rival in tools)]
    plants = 0
    with Progress(console=console) as progress:
        shown = progress.add_task("running", total=len(tallies) * seeds)
        for seed in numbers:
            for planted in _one_corpus(seed, tallies, tools):
                plants = plants + planted
                progress.advance(shown)
    console.print(tabled(tallies))
    if report is not None:
        report.write_text(markdown(tallies, numbers, plants, datetime.now(UTC).date()), encoding="utf-8")


def _one_corpus(seed: int, tallies: list[Tally], tools: list[Rival]) -> Iterator[int]:
    """Runs each tool on one corpus; yields after each, the number of plants once."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        corpus = root / "corpus"
        key = make_corpus(corpus, seed)
        for n, tally in enumerate(tallies):
            output, scratch = root / f"out{n}", root / f"scratch{n}"
            scratch.mkdir()
            ours = n == 0
            taken = run_ours(corpus, output, scratch, key) if ours else run_rival(tools[n - 1], corpus, output, scratch)
            tally.seconds += taken
            tally.scores.append(score_folder(corpus, output))
            yield sum(len(answer.plants) + len(answer.burned) for answer in key.files) if ours else 0


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(help="A new folder: the files go to its `source`, the key beside that.")],
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 1,
) -> None:
    """Write one corpus, to be de-identified by any tool.

    Example: `aegle deid bench make corpus/ --seed 7`
    """
    key = make_corpus(folder, seed)
    plants = sum(len(answer.plants) for answer in key.files)
    console.print(f"{len(key.files)} files with {plants} planted identifiers in {folder}/source")


@app.command()
def score(
    corpus: Annotated[Path, typer.Argument(help="A folder made by `make`.", exists=True, file_okay=False)],
    output: Annotated[Path, typer.Argument(help="What a tool wrote for it.", exists=True, file_okay=False)],
) -> None:
    """Score any tool's output folder, whatever its file names: every finding, then the counts.

    Exit status: 0 when there is no finding, 3 when there is one.

    Example: `aegle deid bench score corpus/ output/`
    """
    warnings.simplefilter("ignore")
    result = score_folder(corpus, output)
    for finding in result.findings:
        console.print(f"{finding.column:10} {finding.theme:24} {finding.kind or ''} {finding.detail}", highlight=False)
    columns = ("leak", "destroyed", "relation", "withheld", "dciodvfy")
    console.print(
        f"{result.written} of {result.files} files written; " + ", ".join(f"{c} {result.count(c)}" for c in columns)
    )
    if result.findings:
        raise typer.Exit(3)
