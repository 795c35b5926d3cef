"""`aegle labels query|export`: what the laboratories labelled, pseudonymous, through the hub's API."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.progress import Progress

from aegle.cli.operator import operator, query_labels
from aegle.cli.places import HOME, HomePath, home
from aegle.cli.terminal import listed, terminal
from aegle.errors import Conflict
from aegle.local.enrolment import OperatorClient

app = typer.Typer(help="Query and export labels. No pixels, no free text, no identity.", no_args_is_help=True)
console = terminal()
_PAGE = 5_000
_COLUMNS = (
    "event_id", "arrived_at", "made_at", "site", "reader", "study_uid", "series_uid", "sop_uid", "subject", "code",
    "shape", "points_px", "label_id", "supersedes", "retracted",
)  # fmt: skip


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT in the BigQuery dialect over label and label_current.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 200,
    home_path: HomePath = HOME,
) -> None:
    """Run one SELECT and print its rows.

    Example: `aegle labels query "SELECT site, code, count(*) AS n FROM label_current GROUP BY site, code"`
    """
    found = query_labels(operator(home(home_path)), sql, limit)
    rows = [["" if value is None else str(_cell(value)) for value in row] for row in found.rows]
    console.print(listed(found.columns, rows))
    if found.truncated:
        console.print(f"There are more rows; raise --limit above {limit}, or use `aegle labels export`.")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.", dir_okay=False)],
    events: Annotated[
        bool, typer.Option("--events", help="Every event, corrections and retractions too; default: current labels.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    home_path: HomePath = HOME,
) -> None:
    """Write every label as CSV, one a row; points are JSON.

    Example: `aegle labels export labels.csv`
    """
    if file.exists() and not overwrite:
        raise Conflict(f"{file} is there already; name another, or add --overwrite")
    client, table = operator(home(home_path)), "label" if events else "label_current"
    total = query_labels(client, f"SELECT count(*) FROM {table}", 1).rows[0][0]
    partial = file.with_name(f".{file.name}.part")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        written = _write(stream, client, table, int(total))
    partial.replace(file)
    console.print(f"{written} labels in {file}.", highlight=False)


def _write(stream: TextIO, client: OperatorClient, table: str, total: int) -> int:
    written, writer = 0, csv.writer(stream)
    writer.writerow(_COLUMNS)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("labels", total=total)
        for rows in _pages(client, table):
            writer.writerows([_cell(value) for value in row] for row in rows)
            written += len(rows)
            progress.update(task, completed=written)
    return written


def _pages(client: OperatorClient, table: str) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """Every row in the order of the event ids, which the hub has checked to be UUIDs: they are safe inside a statement."""
    columns, after = ", ".join(_COLUMNS), ""
    while True:
        sql = f"SELECT {columns} FROM {table} WHERE event_id > '{after}' ORDER BY event_id"
        page = query_labels(client, sql, _PAGE)
        if page.rows:
            yield page.rows
        if not page.truncated:
            return
        after = str(page.rows[-1][0])


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value
