"""Aegle on a disk that is full or read-only while a file exists: every sync then fails with the error that the file names."""

import errno
import os
import sys
from pathlib import Path

from aegle.cli import main

flag = Path(os.environ["AEGLE_TEST_DISK"])
really_sync = os.fsync


def sync(descriptor: int) -> None:
    if flag.exists():
        number = getattr(errno, flag.read_text())
        raise OSError(number, os.strerror(number))
    really_sync(descriptor)


os.fsync = sync
sys.exit(main())
