"""dcmtk's programs, which share their names with pynetdicom's own: those of the Python environment are passed over."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_ELSEWHERE = os.pathsep.join(
    folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder) != Path(sys.executable).parent
)


def run(program: str, *words: str | Path | int) -> subprocess.CompletedProcess[str]:
    """Run to its end, at most 60 s; never raises for its exit code."""
    found = shutil.which(program, path=_ELSEWHERE)
    assert found, program
    return subprocess.run([found, *map(str, words)], timeout=60, capture_output=True, text=True)
