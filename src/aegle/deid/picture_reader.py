"""The child process that draws a held picture for a person to look at. Started with `python -m`, never imported.

One line of JSON in, one out: `{"path": ..., "widest_px": ..., "frame": 6}` gives `{"png": ...}`, in base64; without a frame
it gives how many there are, `{"frames": ...}`. Peak memory: one frame, decoded.
"""

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

from aegle.deid.serving import serve
from aegle.deid.views import as_shown, frame_count

MEMORY_BYTES = 4 << 30  #: of address space; not enforced on Windows
PROCESSOR_SECONDS = 60  #: for one picture


def answer(wish: dict[str, Any]) -> dict[str, Any]:
    """The picture of a frame, or how many there are."""
    if "frame" not in wish:
        return {"frames": frame_count(Path(wish["path"]))}
    stream = io.BytesIO()
    Image.fromarray(as_shown(Path(wish["path"]), wish["widest_px"], wish["frame"])).save(stream, "PNG")
    return {"png": base64.b64encode(stream.getvalue()).decode()}


if __name__ == "__main__":
    serve(answer, MEMORY_BYTES, PROCESSOR_SECONDS)
