"""A program that a service manager ends while it starts."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
from aegle.local.processes import heed, until_told
heed()
print("starting", flush=True)
input()  # what it takes to start
print("up", flush=True)
until_told()
print("ended in order")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there a service is told through its input")
def test_a_program_that_is_told_to_end_while_it_starts_starts_and_ends_in_order() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        process.send_signal(signal.SIGTERM)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.read() == "up\nended in order\n"
    assert process.returncode == 0
