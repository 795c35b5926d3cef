"""What a child process may use of the machine, and how long it lives."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

COPIES = (
    sys.platform == "linux"
)  #: whether a process may be copied: elsewhere what libraries started does not survive it
GROUP = None if sys.platform == "win32" else 0  #: `process_group` of a child that is ended with all that it starts


def limit_memory(size_bytes: int) -> None:
    """Bound this process's address space where the operating system can (not on Windows)."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size_bytes, size_bytes))


def in_a_copy(work: Callable[[], None], seconds: int) -> bool:
    """Do `work` in a copy of this process, which must have no threads, with so much processor time at most; whether it ended
    well. Only where there are COPIES."""
    if sys.platform != "linux":
        raise NotImplementedError("no copies of a process here")
    import resource

    copy = os.fork()
    if copy:
        _, status = os.waitpid(copy, 0)
        return status == 0
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # the system kills it then
        work()
        os._exit(0)
    finally:
        os._exit(1)


def kill(child: "subprocess.Popen[str]") -> None:
    """End a child that was started in its own GROUP, and all that it started."""
    if sys.platform == "win32":
        child.kill()
    elif child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
