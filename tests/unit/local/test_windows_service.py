"""The wrapper that is a service of Windows, run on Linux as it is there: by a plain Python, with a program to keep running."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import aegle

WRAPPER = Path(aegle.__file__).parent / "local" / "windows_service.py"


def starts(file: Path, at_least: int) -> int:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        found = file.read_text().count("started") if file.exists() else 0
        if found >= at_least:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not {at_least} starts")


def test_a_program_that_ends_is_started_again_and_ends_with_the_service(tmp_path: Path) -> None:
    code = (
        "import os, sys; n = int(open('n').read()) if os.path.exists('n') else 0; open('n', 'w').write(str(n + 1));"
        "print('started', flush=True); n or sys.exit(3); sys.stdin.read(); print('ended in order', flush=True)"
    )
    log = tmp_path / "log" / "Aegle.log"
    command = [sys.executable, "-I", WRAPPER, "Aegle", log, sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL) as service:
        assert starts(log, 2) == 2
        service.send_signal(signal.SIGTERM)
        assert service.wait(40) == 0
    assert log.read_text().splitlines() == ["started", "started", "ended in order"]


def test_it_imports_nothing_of_ours_and_no_name_beside_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(WRAPPER)!r})"],
                          capture_output=True, text=True, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "aegle" not in [
        line.split()[1] for line in WRAPPER.read_text().splitlines() if line.startswith(("import ", "from "))
    ]
