"""What a child process may use of the machine."""

import sys


def limit_memory(size_bytes: int) -> None:
    """Bound this process's address space where the operating system can (not on Windows)."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size_bytes, size_bytes))
