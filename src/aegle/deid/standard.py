"""Somebody else's opinion of an output: the errors that dciodvfy finds in it and did not find in its source.

An error more is no leak: it is told, and the object is not held for it.
"""

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = "dciodvfy"
_TIMEOUT_SECONDS = 120
#: What may be a value: everything in brackets but the names of attributes and modules.
_VALUES = re.compile(r"(?<!Element=)(?<!Module=)(?<!ttribute )(?<!ttribute=)<(?!/)[^>]*>|(?<=UID )[0-9.]+|\[.*?\]")


@dataclass(kw_only=True)
class Opinion:
    """What was found in a sample of outputs. Messages hold no values."""

    compared: int = 0
    errors: Counter[str] = field(default_factory=Counter)  #: new ones, and in how many objects

    def add(self, found: frozenset[str] | None) -> None:
        """The outcome for one object; None for one that was not in the sample."""
        if found is not None:
            self.compared += 1
            self.errors.update(found)

    def told(self) -> dict[str, object]:
        """For a report."""
        return {"compared": self.compared, "new_errors": dict(sorted(self.errors.items()))}


def installed() -> bool:
    """Whether the program is on this machine (Debian: dicom3tools)."""
    return shutil.which(PROGRAM) is not None


def in_sample(source_digest: str, one_in: int) -> bool:
    """Whether an object belongs to a sample of one in so many: always the same ones, 0 for none."""
    return one_in > 0 and int(source_digest[:8], 16) % one_in == 0


def new_errors(source: Path, target: Path) -> frozenset[str]:
    """Errors of the target that the source does not have, each without the value it is about. None where the program
    takes too long over one of them."""
    try:
        return _errors(target) - _errors(source)
    except subprocess.TimeoutExpired:
        return frozenset()


def _errors(path: Path) -> frozenset[str]:
    done = subprocess.run([PROGRAM, str(path)], capture_output=True, timeout=_TIMEOUT_SECONDS, check=False)
    lines = (done.stdout + done.stderr).decode("ascii", "replace").splitlines()
    return frozenset(_VALUES.sub("", line) for line in lines if line.startswith("Error"))
