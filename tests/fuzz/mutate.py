"""Ten thousand damaged objects through engine and check: `make fuzz`. Prints what they ended as; stops at the first fault.

A fault leaves its object in `fuzz-found/`, named by its seed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "deid"))

from damage import damaged, seeds, settle

from aegle.deid import Deidentified, Pseudonyms

FOUND = Path("fuzz-found")


def main() -> None:
    """Settle each and count."""
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    pseudonyms, objects = Pseudonyms.from_secret(bytes(32)), seeds()
    ended: Counter[str] = Counter()
    began, slowest = time.monotonic(), 0.0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        for number in range(asked.seed, asked.seed + asked.count):
            content, started = damaged(Random(number), objects), time.monotonic()
            try:
                outcome = settle(content, Path(folder), pseudonyms)
            except BaseException:
                FOUND.mkdir(exist_ok=True)
                (FOUND / f"{number}.dcm").write_bytes(content)
                raise
            slowest = max(slowest, time.monotonic() - started)
            ended["written clean" if isinstance(outcome, Deidentified) else f"held: {outcome.reason}"] += 1
    print(f"{asked.count} objects in {time.monotonic() - began:.0f} s, the slowest took {slowest:.2f} s")
    for what, count in ended.most_common():
        print(f"{count:8}  {what}")


if __name__ == "__main__":
    main()
