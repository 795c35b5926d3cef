"""What commands write to: nothing is cut off in a narrow window, and what came from outside is shown as it is.

rich would read `[...]` in a cell as its own markup (an AE title is whatever a caller sends) and `site:label:record` as a picture.
"""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text


def terminal(*, errors: bool = False) -> Console:
    """Standard output, or standard error. A line is as long as it is; the window folds it."""
    return Console(stderr=errors, emoji=False, soft_wrap=True)


def listed(
    heads: Sequence[str], rows: Iterable[Sequence[str | Text]], *, whole: Sequence[str] = (), title: str = ""
) -> Table:
    """A table of plain words. Long cells are folded, never cut; the columns `whole` are not folded, for they get copied."""
    columns = [Column(Text(head), overflow="fold", no_wrap=head in whole) for head in heads]
    table = Table(
        *columns, title=title or None, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    for column in columns:
        if column.no_wrap:
            column.min_width = max(
                (cell.cell_len for cell in column.cells if isinstance(cell, Text)), default=0
            )  # or it is cut
    return table
