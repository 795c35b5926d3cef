"""A disk without room, met where a command opens its databases: told in a line, with a status that says try again."""

import sqlite3
import sys

import pytest

from aegle import cli
from aegle.cli import assembly


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_a_database_that_finds_no_room_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    def opens_nothing() -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(sys, "argv", ["aegle", "status"])
    monkeypatch.setattr(assembly, "assembled", lambda *_: opens_nothing)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (75, "")
    assert told.err.startswith("STORAGE_FULL  ")
    assert "Free space" in told.err
