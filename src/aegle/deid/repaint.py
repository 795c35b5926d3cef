"""Painting over compressed pictures: decode, paint, encode again without loss, in a child process with no keys.

Frames pass one at a time, so memory is one frame's, decoded. The child gets a path and boxes, nothing else of the site's; it
is bounded in memory, time and pixels, and whatever it does wrong holds the object. Every frame of the element is written
as JPEG 2000 lossless, so that what was not painted over is the picture as it was decoded before, bit for bit.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegle.deid.masks import Box
from aegle.deid.part10 import Holding
from aegle.deid.reasons import HoldReason

SYNTAX = "1.2.840.10008.1.2.4.90"  #: JPEG 2000 Image Compression (Lossless Only)
SECONDS = 600.0  #: for one object
_CHILD = "aegle.deid.painter"
_NEEDED = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP")


@dataclass(frozen=True, kw_only=True)
class Repainted:
    """A PixelData element in a file of its own, encoded as JPEG 2000 lossless in explicit VR little endian."""

    path: Path
    photometric: str  #: Photometric Interpretation of what it holds


def repaint(source: Path, element: Path, boxes: Sequence[Box]) -> Repainted:
    """Write the painted PixelData element of `source` to `element`. Raises Holding when a frame cannot be decoded."""
    return Repainted(path=element, photometric=_ask("paint", source, element, boxes)["photometric"])


def painted_well(source: Path, written: Path, boxes: Sequence[Box]) -> bool:
    """Whether both files decode to the same picture outside of the boxes, and to nothing but zero or black inside."""
    return bool(_ask("compare", source, written, boxes)["same"])


def _ask(what: str, source: Path, other: Path, boxes: Sequence[Box]) -> dict[str, Any]:
    wish = json.dumps({"what": what, "source": str(source), "other": str(other), "boxes": boxes})
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-m", _CHILD],
            input=wish,
            capture_output=True,  # decoders quote what they read: it is not passed on
            text=True,
            env=environment,
            timeout=SECONDS,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        raise Holding(HoldReason.PIXELS_UNPROVEN, "the picture cannot be decoded to be painted over") from None
    return answer
