"""What a window shows: everything, as it is, however narrow it is."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from aegle import cli
from aegle.access import Act, event
from aegle.cli import app, assembly
from aegle.cli.terminal import listed, terminal
from aegle.errors import BadConfig
from aegle.local.audit import ChainedLines


def shown(table: object, width: int = 80) -> str:
    window = Console(file=io.StringIO(), width=width, emoji=False, soft_wrap=True)
    window.print(table)
    assert isinstance(window.file, io.StringIO)
    return window.file.getvalue()


@pytest.mark.parametrize("cell", ["site:label:record", "peer:[/]", "user:[bold]anna[/bold]", "[link=x]"])
def test_a_cell_is_shown_as_it_is_and_never_read_as_markup(cell: str) -> None:
    assert cell in shown(listed(("act",), [(cell,)]))


def test_in_a_narrow_window_a_cell_is_folded_and_not_cut() -> None:
    told = shown(listed(("name", "detail"), [("st-anna", "x" * 200)]), width=40)
    assert told.count("x") == 200 and "…" not in told


def test_a_column_that_gets_copied_stays_whole_in_any_window() -> None:
    address = "http://krankenhaus-sued-zwei.localhost:8703"
    told = shown(listed(("site", "pages", "what"), [("a", address, "word " * 30)], whole=("pages",)), width=30)
    assert address in told


def test_an_error_that_quotes_square_brackets_is_told_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: str) -> None:
        raise BadConfig("door.allow [red] is not a list [/]")

    monkeypatch.setattr(assembly, "assembled", lambda *_: refuse)
    with pytest.raises(SystemExit):
        cli.main()
    assert "door.allow [red] is not a list [/]" in capsys.readouterr().err


def test_the_trail_is_shown_whatever_ae_title_knocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (("site", "add", "st-anna", "--kind", "hospital"), ("apply",)):
        assert CliRunner().invoke(app, list(words)).exit_code == 0
    chain = ChainedLines(tmp_path / ".aegle/sites/st-anna/audit", "st-anna", "site")
    chain.append(event(Act.DOOR_ASSOCIATION_OPEN, principal="peer:[/BOLD]", site="st-anna"))
    told = CliRunner().invoke(app, ["audit", "show", "--site", "st-anna"], env={"COLUMNS": "160"})
    assert told.exit_code == 0 and "peer:[/BOLD]" in told.output


def test_a_terminal_folds_no_line_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    terminal().print("word " * 40)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_list_of_nothing_shows_its_heads() -> None:
    assert "name" in shown(listed(("name", "detail"), [], whole=("name",)))
