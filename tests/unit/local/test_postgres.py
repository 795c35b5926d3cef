"""The embedded PostgreSQL: private, recovered after a kill, taken over, stopped in order."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aegle.errors import BadConfig, Unavailable
from aegle.local.binaries import find_binaries
from aegle.local.folders import SOCKET_PATH_MAX
from aegle.local.postgres import Postgres
from aegle.local.unprivileged import AS_WE_ARE, CAPABILITY, NAMESPACE, Unprivileged, choose

FAST = {"fsync": "off"}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to become")


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "pg", settings=FAST)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A running server's URL and home, for tests that only look."""
    home = tmp_path_factory.mktemp("shared") / "pg"
    with Postgres(home, settings=FAST) as url:
        yield url, home


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def test_it_starts_answers_and_keeps_what_it_was_told(postgres: Postgres) -> None:
    url = postgres.start()
    tell(url, "CREATE TABLE kept AS SELECT 7 AS n")
    assert postgres.start() == url
    postgres.stop()
    assert postgres.pid == 0
    assert ask(postgres.start(), "SELECT n FROM kept") == 7


def test_it_recovers_after_a_kill_and_the_next_supervisor_takes_it_over(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.start()
    tell(url, "CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(postgres.pid, signal.SIGKILL)
    assert ask(postgres.start(), "SELECT n FROM kept") == 7
    os.kill(postgres.pid, signal.SIGKILL)
    other = Postgres(tmp_path / "pg", settings=FAST)
    assert ask(other.start(), "SELECT n FROM kept") == 7
    third = Postgres(tmp_path / "pg", settings=FAST)
    third.start()
    assert third.pid == other.pid
    third.stop()
    assert other.pid == 0


def test_a_lock_file_with_the_id_of_some_other_process_does_not_stop_it(postgres: Postgres, tmp_path: Path) -> None:
    postgres.start()
    lock = tmp_path / "pg" / "data" / "postmaster.pid"
    written = lock.read_text()
    os.kill(postgres.pid, signal.SIGKILL)
    lock.write_text("\n".join([str(os.getpid()), *written.split("\n")[1:]]))
    assert ask(postgres.start(), "SELECT 1") == 1


def test_a_first_start_that_was_killed_is_begun_again(postgres: Postgres, tmp_path: Path) -> None:
    half = tmp_path / "pg" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(postgres.start(), "SELECT 1") == 1


def test_nobody_gets_in_without_the_password(shared: tuple[str, Path]) -> None:
    url, _ = shared
    for password in ("", "guess"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_conninfo(**{**conninfo_to_dict(url), "password": password}))
    assert ask(url, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'aegle'") is True
    assert ask(url, "SHOW listen_addresses") == ""


def test_its_files_are_closed_to_others(shared: tuple[str, Path]) -> None:
    _, home = shared
    assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
    for folder in (home, home / "data", home / "socket"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_neither_statements_nor_values_reach_its_log(shared: tuple[str, Path]) -> None:
    url, home = shared
    with pytest.raises(psycopg.Error), psycopg.connect(url) as connection:
        connection.execute("SELECT %s::integer / 0", ["31337"])
    assert "31337" not in (home / "log").read_text()


def test_a_home_too_deep_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 30)
    with Postgres(home, settings=FAST) as url:
        socket = Path(str(conninfo_to_dict(url)["host"]))
        assert len(os.fsencode(socket / ".s.PGSQL.5432")) <= SOCKET_PATH_MAX
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert ask(url, "SELECT 1") == 1
    socket.rmdir()


@AS_ROOT
def test_a_socket_folder_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 30)
    server = Postgres(home, settings=FAST)
    socket = Path(str(server._socket))
    socket.mkdir()
    os.chown(socket, 12345, 12345)
    with pytest.raises(Unavailable, match="somebody else"):
        server.start()
    socket.rmdir()


@AS_ROOT
@pytest.mark.parametrize("way", [NAMESPACE, CAPABILITY], ids=["namespace", "capability"])
def test_as_root_it_runs_as_somebody_else_below_a_closed_folder(tmp_path: Path, way: Unprivileged) -> None:
    if subprocess.run([*way.prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"this machine does not allow {way.prefix[0]}")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with Postgres(closed / "pg", settings=FAST, unprivileged=way) as url:
        assert ask(url, "SELECT 1") == 1
        assert (closed / "pg" / "data").stat().st_uid == way.uid


@AS_ROOT
def test_a_cluster_made_one_way_runs_the_other_way(tmp_path: Path) -> None:
    for way in (NAMESPACE, CAPABILITY, NAMESPACE):
        if subprocess.run([*way.prefix, "true"], capture_output=True, check=False).returncode:
            pytest.skip(f"this machine does not allow {way.prefix[0]}")
        with Postgres(tmp_path / "pg", settings=FAST, unprivileged=way) as url:
            assert ask(url, "SELECT 1") == 1


@AS_ROOT
def test_a_normal_user_runs_it_as_it_is(tmp_path: Path) -> None:
    """The user can pass closed folders, because this environment may lie below one; nothing else sets it apart."""
    if subprocess.run([*CAPABILITY.prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow setpriv")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, CAPABILITY.uid, CAPABILITY.uid)
    code = (
        "import sys, psycopg; from pathlib import Path; from aegle.local.postgres import Postgres\n"
        "with Postgres(Path(sys.argv[1]), settings={'fsync': 'off'}) as url, psycopg.connect(url) as connection:\n"
        "    print(connection.execute('SELECT 1').fetchone()[0])"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home)}
    command = [*CAPABILITY.prefix, sys.executable, "-c", code, str(home / "pg")]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1", done.stderr
    assert (home / "pg" / "data").stat().st_uid == CAPABILITY.uid


def test_binaries_follow_the_version_of_the_data() -> None:
    newest = find_binaries()
    assert find_binaries(newest.version) == newest
    with pytest.raises(BadConfig, match="AEGLE_DATABASE_URL"):
        find_binaries("7")


def test_whoever_is_not_root_stays_who_he_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = Unprivileged(prefix=(), uid=1000)
    monkeypatch.setattr("aegle.local.unprivileged.AS_WE_ARE", ordinary)
    assert choose() is ordinary
    assert AS_WE_ARE.uid == os.geteuid()


def test_while_it_is_kept_a_killed_server_is_started_again(postgres: Postgres) -> None:
    with postgres.kept(every_s=0.05) as url:
        killed = postgres.pid
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not answers(url):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert postgres.pid not in (0, killed)
    assert not answers(url)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
