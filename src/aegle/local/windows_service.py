"""A program as a service of Windows: this process answers the service control manager and keeps the program running.

    C:\\Python\\python.exe -I ...\\windows_service.py NAME LOG PROGRAM ARGUMENT...

The manager speaks only to the process that it started, and the programs of a virtual environment start another: so the plain
Python runs this file, which for that reason imports nothing of ours. It needs three calls of advapi32
(https://learn.microsoft.com/windows/win32/services/service-functions). A stop, or the machine's shutdown, ends the program in
order; one that ends by itself is started again after a pause. The tests run it on Linux only.
"""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

AGAIN_S = 5.0  #: until a program that ended is started again
GRACE_S = 60.0  #: that a program has for its end

_OWN_PROCESS, _NO_ERROR, _NOT_IMPLEMENTED = 0x10, 0, 120
_STOPPED, _STARTING, _STOPPING, _RUNNING = 1, 2, 3, 4
_STOP, _INTERROGATE, _SHUTDOWN = 1, 4, 5
_ACCEPTS = 0x1 | 0x4  #: a stop, and the machine's shutdown


def keep_running(command: Sequence[str], log: Path, ended: threading.Event) -> None:
    """Run the program, again whenever it ends, until `ended` is set; then end it in order, or by force after `GRACE_S`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    while not ended.is_set():
        with log.open("ab") as output:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
        while child.poll() is None and not ended.wait(0.5):
            pass
        if child.poll() is None:
            _end(child)
        elif child.stdin is not None:
            child.stdin.close()
        ended.wait(AGAIN_S)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Our programs see the end of their input; others are asked by the signal."""
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
    try:
        child.wait(GRACE_S / 2)
    except subprocess.TimeoutExpired:
        child.terminate()
        try:
            child.wait(GRACE_S / 2)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def serve(name: str, work: Callable[[threading.Event], None]) -> None:
    """Be the service `name` until it is stopped; `work` runs until its event is set. Not on Windows: until a signal."""
    ended = threading.Event()
    if sys.platform == "win32":
        _Dispatcher(name, work, ended).run()
    else:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        work(ended)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _Status(ctypes.Structure):
        """SERVICE_STATUS."""

        _fields_ = [
            (field, wintypes.DWORD)
            for field in ("type", "state", "accepts", "exit_code", "specific", "checkpoint", "wait_hint")
        ]

    _Main = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.POINTER(wintypes.LPWSTR))
    _Control = ctypes.WINFUNCTYPE(wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID, wintypes.LPVOID)

    class _Entry(ctypes.Structure):
        """SERVICE_TABLE_ENTRYW."""

        _fields_ = [("name", wintypes.LPWSTR), ("main", _Main)]

    class _Dispatcher:
        """One service of this process. Its callbacks are kept for as long as Windows may call them."""

        def __init__(self, name: str, work: Callable[[threading.Event], None], ended: threading.Event) -> None:
            self._name, self._work, self._ended = name, work, ended
            self._library = ctypes.WinDLL("advapi32", use_last_error=True)
            self._library.RegisterServiceCtrlHandlerExW.restype = wintypes.HANDLE
            self._main, self._control = _Main(self._run), _Control(self._told)
            self._handle = wintypes.HANDLE()

        def run(self) -> None:
            """Hand this thread to the service control manager until the service has stopped."""
            table = (_Entry * 2)(_Entry(self._name, self._main), _Entry(None, _Main()))
            if not self._library.StartServiceCtrlDispatcherW(ctypes.byref(table)):
                raise ctypes.WinError(ctypes.get_last_error())

        def _run(self, _count: int, _words: object) -> None:
            handle = self._library.RegisterServiceCtrlHandlerExW(self._name, self._control, None)
            self._handle = wintypes.HANDLE(handle)
            self._say(_RUNNING)
            try:
                self._work(self._ended)
            finally:
                self._say(_STOPPED)

        def _told(self, control: int, _kind: int, _data: object, _context: object) -> int:
            if control in (_STOP, _SHUTDOWN):
                self._say(_STOPPING)
                self._ended.set()
                return _NO_ERROR
            return _NO_ERROR if control == _INTERROGATE else _NOT_IMPLEMENTED

        def _say(self, state: int) -> None:
            accepts = _ACCEPTS if state == _RUNNING else 0
            hint = int(GRACE_S * 1000) + 5000 if state in (_STARTING, _STOPPING) else 0
            status = _Status(_OWN_PROCESS, state, accepts, 0, 0, 0, hint)
            self._library.SetServiceStatus(self._handle, ctypes.byref(status))


def main() -> None:
    """Serve as the words of the command line say."""
    name, log, *command = sys.argv[1:]
    serve(name, lambda ended: keep_running(command, Path(log), ended))


if __name__ == "__main__":
    main()
