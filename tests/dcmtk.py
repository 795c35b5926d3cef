"""dcmtk's programs, which share their names with pynetdicom's own: scripts of a Python environment are passed over."""

import os
import shutil
import subprocess
from pathlib import Path


def run(program: str, *words: str | Path | int) -> subprocess.CompletedProcess[str]:
    """Run to its end, at most 60 s; never raises for its exit code."""
    return subprocess.run([_found(program), *map(str, words)], timeout=60, capture_output=True, text=True)


def _found(program: str) -> str:
    for folder in os.environ["PATH"].split(os.pathsep):
        path = shutil.which(program, path=folder)
        if path is not None and not Path(path).read_bytes().startswith(b"#!"):
            return path
    raise AssertionError(f"{program} of dcmtk is not on this machine")
