"""Coverage-guided fuzzing of engine and check with atheris (Apache-2.0; CPython on Linux): `make fuzz`.

Options are libFuzzer's: `-max_total_time=60`, a corpus folder, a crash file to run again.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "deid"))

with atheris.instrument_imports(include=["aegle.deid", "aegle.dicom"]):
    from damage import seeds, settle

    from aegle.deid import Pseudonyms

FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
PSEUDONYMS = Pseudonyms.from_secret(bytes(32))


def settle_one(content: bytes) -> None:
    """Any bytes at all."""
    settle(content, FOLDER, PSEUDONYMS)


def corpus() -> str:
    """A folder of whole objects to begin with; the fuzzer adds what reached something new."""
    folder = Path(tempfile.mkdtemp())
    for number, content in enumerate(seeds()):
        if len(content) < 60_000:
            (folder / f"{number}.dcm").write_bytes(content)
    return str(folder)


if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    arguments = ["-max_len=60000", "-timeout=5", "-rss_limit_mb=2048", *sys.argv[1:], *([] if names else [corpus()])]
    atheris.Setup([sys.argv[0], *arguments], settle_one)
    atheris.Fuzz()
