"""`aegle deid run` from a plain command line, without what the other commands need to read theirs.

Only words that need no explanation are taken: anything else, a mistake above all, is left to the whole command line, which
says what is wrong with it. Both end in `folder.deidentify_folder`.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from aegle.cli import INTERRUPTED
from aegle.cli.folder import deidentify_folder
from aegle.deid.second_look import Looking
from aegle.deid.table import Option

E_ = TypeVar("E_", bound=Enum)


class _NotPlain(Exception):
    """These words are for the whole command line."""


def run(words: Sequence[str]) -> None:
    """Do the work and end the process, or return where the words are not plain."""
    try:
        wishes = plain(words)
    except _NotPlain:
        return
    try:
        sys.exit(deidentify_folder(**wishes))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        sys.exit(1)


def plain(words: Sequence[str]) -> dict[str, Any]:
    """The arguments of `deidentify_folder` that the words after `deid run` say. Raises _NotPlain."""
    if os.name == "nt" or any(name.endswith("_COMPLETE") for name in os.environ):
        raise _NotPlain  # wildcards are expanded there; a shell asks for completions
    found: dict[str, Any] = {}
    places: list[Path] = []
    left = list(reversed(words))
    while left:
        word = left.pop()
        if not word.startswith("-"):
            places.append(_path(word))
            continue
        name, equals, value = word.partition("=")
        if name not in OPTIONS or not (equals or left):
            raise _NotPlain
        parameter, read = OPTIONS[name]
        said = read(value if equals else left.pop())
        found[parameter] = [*found.get(parameter, ()), *said] if isinstance(said, list) else said
    if len(places) != 2 or not places[0].is_dir():
        raise _NotPlain
    return {"source": places[0], "output": places[1]} | found


def _path(word: str) -> Path:
    if not word or word.startswith("-") or (Path(word).exists() and not os.access(word, os.R_OK)):
        raise _NotPlain
    return Path(word)


def _word(word: str) -> str:
    if word.startswith("-"):
        raise _NotPlain
    return word


def _number(smallest: int) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not (word.isascii() and word.isdecimal()) or int(word) < smallest:
            raise _NotPlain
        return int(word)

    return read


def _choice(choices: type[E_]) -> Callable[[str], E_]:
    def read(word: str) -> E_:
        found = next((choice for choice in choices if choice.value == word), None)
        if found is None:
            raise _NotPlain
        return found

    return read


def _option(word: str) -> list[Option]:
    return [_choice(Option)(word)]


#: Each option by its name, with the parameter that it fills and what reads it; those of `aegle.cli.deid.run`.
OPTIONS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "--key": ("key", _path),
    "--quarantine": ("quarantine", _path),
    "--values": ("values", _path),
    "--option": ("options", _option),
    "--profile": ("profile_file", _path),
    "--second-look": ("second_look", _choice(Looking)),
    "--jobs": ("jobs", _number(1)),
    "--compare": ("compare", _number(0)),
    "--recipient": ("recipient", _word),
}
