"""The child process of `spare_codes`: decodes frames to see what their spare bits hold. Started with `python -m`, never imported.

One line of JSON in (`{"path": ...}`), one out (`{"hidden": true}`). Frames pass one at a time.
"""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydicom import dcmread
from pydicom.pixels.utils import iter_pixels

from aegle.bounds import limit_memory
from aegle.deid.reading import opened
from aegle.deid.spare_bits import SpareBits

MEMORY_BYTES = 4 << 30  #: of address space; not enforced on Windows
FRAME_MAX_PIXELS = 100_000_000


def main() -> None:
    """Answer until standard input ends."""
    limit_memory(MEMORY_BYTES)
    json.dump({"ready": True}, sys.stdout)
    print(flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        path = Path(json.loads(line)["path"])
        with opened(path, whole=True) as reading:
            spare = SpareBits(reading, decoded=True)
        json.dump({"hidden": spare.hide_something(partial(_samples, path))}, sys.stdout)
        print(flush=True)  # noqa: T201


def _samples(path: Path) -> Iterator[bytes]:
    """The samples of each frame with every bit that was allocated: by Bits Stored the decoder would clear the others."""
    described = dcmread(path)
    if described.Rows * described.Columns > FRAME_MAX_PIXELS:
        raise ValueError("a frame beyond the bound")
    described.BitsStored, described.HighBit = described.BitsAllocated, described.BitsAllocated - 1
    for frame in iter_pixels(described, raw=True):
        yield frame.astype(frame.dtype.newbyteorder("<")).tobytes()


if __name__ == "__main__":
    main()
