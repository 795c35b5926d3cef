"""The commands. `aegle --help` shows them; each is a thin caller of a room below.

What reads, explains and refuses a command line (`assembly`) takes longer to load than a folder of slices takes to treat, so
`aegle deid run` starts without it where its words are plain.
"""

import gc
import sys
from typing import TYPE_CHECKING

from aegle.errors import AegleError

if TYPE_CHECKING:
    import typer

    app: typer.Typer

INTERRUPTED = 130  #: exit status after Ctrl-C


def __getattr__(name: str) -> "typer.Typer":
    """`app`, the whole command line, made when somebody asks for it."""
    if name != "app":
        raise AttributeError(name)
    from aegle.cli.assembly import assembled

    return assembled()


def main() -> None:
    """Run a command; an error of ours is told in its own words, with a status of its own."""
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:  # while what a command needs was still loaded
        sys.exit(INTERRUPTED)
    except AegleError as error:
        _tell(error.meaning.code, str(error))
        sys.exit(75 if error.meaning.retryable else 1)  # 75: EX_TEMPFAIL, the same call may succeed later
    except (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        if error.filename is None:
            raise
        remedy = "name another path, or give the account that runs this the right to it."
        _tell(error.strerror or "", f"{error.filename}: {remedy}")
        sys.exit(1)


def _run(words: list[str]) -> None:
    if words[:2] == ["deid", "run"]:
        _start_plainly(words[2:])  # does not return where it did the work
    from aegle import durable
    from aegle.cli.assembly import assembled

    with durable.storage():  # a full disk is told in a line, also where a database is opened
        assembled(*words)()


def _start_plainly(words: list[str]) -> None:
    from aegle import late

    late.put_off()  # before pydicom is loaded
    gc.disable()  # nothing that is loaded goes away again: looking for what might costs a tenth of the start
    from aegle.cli import plainly

    gc.freeze()
    gc.enable()
    from aegle import durable

    with durable.storage():
        plainly.run(words)


def _tell(what: str, told: str) -> None:
    from rich.markup import escape

    from aegle.cli.terminal import terminal

    terminal(errors=True).print(f"[bold red]{what}[/]  {escape(told)}", highlight=False)
