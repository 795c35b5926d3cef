"""What a run over a folder reads and writes besides objects: which files, which key, and that places do not mix."""

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from aegle import durable
from aegle.errors import BadConfig, Conflict, NotFound


def find(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """The files of a folder to any depth, in a stable order, and the folders that could not be entered, with the reason.

    Links to files count as files, links to folders are not followed. Pipes, sockets and devices are passed by."""
    files: list[Path] = []
    closed: dict[Path, str] = {}

    def note(error: OSError) -> None:
        closed[Path(error.filename)] = os.strerror(error.errno or 0)

    for at, _, names in os.walk(folder, onerror=note):
        files += [path for path in (Path(at, name) for name in names) if not _is_no_file(path)]
    return sorted(files), closed


def _is_no_file(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device, which nobody means to have read."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # to be told as unreadable


def shown(path: Path) -> str:
    """A path as JSON may hold it: a name that is no text with its bytes escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def load_key(path: Path, *, make: bool) -> bytes:
    """The pseudonyms' secret from a file of 64 hexadecimal digits; made at random where there is none and `make` allows.

    Raises BadConfig for anything else in the file."""
    if not path.exists():
        if not make:
            raise BadConfig(f"{path} is not there; `aegle deid run` makes a key the first time")
        durable.write(path, secrets.token_hex(32).encode() + b"\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="utf-8-sig").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise BadConfig(f"{path} does not hold a key: 64 hexadecimal digits, as plain text; name the file that does")
    return key


def require_apart(source: Path, output: Path, private: Mapping[str, Path | None]) -> None:
    """Refuse what mixes: anything below the input, which a second run would read, and below the output, which is meant to
    leave, the input or what is as identified as it (`private`, by the option that names it). Raises Conflict."""
    if _lies_in(output, source):
        raise Conflict(f"{output} lies in the input folder; choose an output folder beside it")
    if _lies_in(source, output):
        raise Conflict(
            f"{source} lies in the output folder, and must not leave with it; choose an output folder beside it"
        )
    for option, place in private.items():
        if place is not None and _lies_in(place, source):
            raise Conflict(f"{place} lies in the input folder; name a place outside of it with {option}")
        if place is not None and _lies_in(place, output):
            raise Conflict(
                f"{place} lies in the output folder, and must not leave with it; name a place outside of it with {option}"
            )


def _lies_in(place: Path, folder: Path) -> bool:
    return folder.resolve() in (place.resolve(), *place.resolve().parents)


def require_folder_of(*files: Path) -> None:
    """Raises NotFound where a file is to be made in a folder that is not there: a slip in its name would make another key."""
    for file in files:
        if not file.parent.is_dir():
            raise NotFound(f"the folder of {file} is not there; make it, or name another place")
