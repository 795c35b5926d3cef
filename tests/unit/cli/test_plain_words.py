"""`aegle deid run` reads a plain command line by itself: as the whole command line would, or not at all."""

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from aegle.cli import app, deid, folder, main, plainly

PLAIN = [
    ["in", "out"],
    ["in", "out", "--jobs", "3", "--compare", "0"],
    ["--jobs=2", "in", "--key", "k", "out", "--values=v.csv", "--quarantine", "held"],
    ["in", "out", "--option", "structured", "--option=full_dates", "--second-look", "risky"],
    ["in", "out", "--profile", "profile.yaml", "--key", "a", "--key", "b"],
]
LEFT = [
    [],
    ["in"],
    ["in", "out", "more"],
    ["nowhere", "out"],
    ["in", "out", "--help"],
    ["in", "out", "--jobs", "0"],
    ["in", "out", "--jobs", "two"],
    ["in", "out", "--jobs", "-1"],
    ["in", "out", "--jobs"],
    ["in", "out", "--second-look", "RISKY"],
    ["in", "out", "--option", "everything"],
    ["in", "out", "--job", "1"],
    ["in", "out", "--key", "--values"],
    ["in", "out", "--key="],
    ["--", "in", "out"],
    ["in", "file"],
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("file").write_text("")
    Path("file").chmod(0)


@pytest.mark.skipif(sys.platform == "win32", reason="left to the whole command line there")
@pytest.mark.parametrize("words", PLAIN, ids=" ".join)
def test_plain_words_say_what_the_whole_command_line_reads_in_them(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(deid, "deidentify_folder", lambda **wishes: heard.append(wishes) or 0)
    assert CliRunner().invoke(app, ["deid", "run", *words]).exit_code == 0
    defaults = inspect.signature(folder.deidentify_folder).parameters.items()
    usual = {name: parameter.default for name, parameter in defaults if parameter.default is not parameter.empty}
    assert usual | plainly.plain(words) == heard[0]


@pytest.mark.parametrize("words", LEFT, ids=" ".join)
def test_other_words_are_left_to_the_whole_command_line(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plainly.os, "access", lambda path, mode: Path(path).name != "file")
    monkeypatch.setattr(plainly, "deidentify_folder", lambda **wishes: pytest.fail("it was run"))
    plainly.run(words)


def test_every_option_of_the_command_is_known() -> None:
    command: Any = get_command(app)
    parameters = command.commands["deid"].commands["run"].params
    declared = {each.opts[0]: each.name for each in parameters if each.opts[0].startswith("--")}
    assert {name: parameter for name, (parameter, _) in plainly.OPTIONS.items()} == declared


def test_the_status_of_the_work_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plainly, "deidentify_folder", lambda **wishes: 3)
    monkeypatch.setattr(sys, "argv", ["aegle", "deid", "run", "in", "out"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3


@pytest.mark.parametrize(("stopped", "status"), [(KeyboardInterrupt, 130), (BrokenPipeError, 1)])
def test_a_run_that_is_stopped_ends_with_the_usual_status(
    stopped: type[BaseException], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(**wishes: object) -> int:
        raise stopped

    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(plainly, "deidentify_folder", stop)
    with pytest.raises(SystemExit) as ended:
        plainly.run(["in", "out"])
    assert ended.value.code == status
