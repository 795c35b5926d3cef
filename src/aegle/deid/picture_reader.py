"""The child process that draws a held picture for a person to look at. Started with `python -m`, never imported.

One line of JSON in (`{"path": ..., "widest_px": ...}`), one out (`{"png": ...}`, in base64). Peak memory: one frame, decoded.
"""

import base64
import io
import json
import sys
from pathlib import Path

from PIL import Image

from aegle.bounds import limit_memory
from aegle.deid.views import as_shown

MEMORY_BYTES = 4 << 30  #: of address space; not enforced on Windows


def main() -> None:
    """Answer until standard input ends."""
    limit_memory(MEMORY_BYTES)
    json.dump({"ready": True}, sys.stdout)
    print(flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        wish = json.loads(line)
        stream = io.BytesIO()
        Image.fromarray(as_shown(Path(wish["path"]), wish["widest_px"])).save(stream, "PNG")
        json.dump({"png": base64.b64encode(stream.getvalue()).decode()}, sys.stdout)
        print(flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
