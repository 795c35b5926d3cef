"""A worker process for tests: it says when it has begun to read, and reads until it is killed.

python slowworker.py FILE   (the database's URL is in AEGLE_TEST_DATABASE)
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

from hubworld import Trail

from aegle.hub.worker import run_worker


def read(archive: Any, request: Any) -> Any:
    Path(sys.argv[1]).write_text(request.request_id)
    threading.Event().wait()


if __name__ == "__main__":
    run_worker(os.environ["AEGLE_TEST_DATABASE"], open_archive=lambda url, grant: None, read=read, audit=Trail())  # type: ignore[arg-type,return-value]
