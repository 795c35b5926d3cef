"""Words for whoever reads the terminal: in colour where it is one, and as they are where it is not."""

import os
import sys


def is_watched() -> bool:
    """Whether a person looks at what is told, or wants it as if."""
    return sys.stdout.isatty() or any(name in os.environ for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))


def tell(words: str, *, plain: bool = False) -> None:
    """A line. `plain` leaves it as it is: not coloured, not broken."""
    if not is_watched():
        print(words)  # noqa: T201
        return
    from aegle.cli.terminal import terminal  # a tenth of a second, and only a person is worth it

    terminal().print(words, markup=False, highlight=not plain)
