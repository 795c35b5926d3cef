"""What a library warns of quotes values, and those may be a patient's."""

import subprocess
import sys

PROGRAM = """
import threading, warnings
from aegle import logs
logs.start("st-anna")
def quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inside.wait()
inside = threading.Event()
thread = threading.Thread(target=quietly)
thread.start()
warnings.simplefilter("always")
warnings.warn("Invalid value for VR UI: 'Doe^Jane'")
inside.set()
thread.join()
warnings.warn("Invalid value for VR UI: 'Doe^Jane'")
logs.info("process ended")
"""


def test_a_librarys_warning_never_reaches_the_log_whichever_threads_filters_hold() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "process ended" in done.stderr
    assert "Doe" not in done.stderr + done.stdout
