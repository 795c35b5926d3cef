"""`aegle deid run` and `aegle deid values`: the flow a person goes through with a folder."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from aegle.cli import app, main
from aegle.deid import Decision, value_file
from aegle.errors import BadMessage, NotFound

Aegle = Callable[..., Result]


@pytest.fixture
def aegle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aegle:
    """Runs a command in a folder that holds `in/`, one CT with a model nobody knows."""
    monkeypatch.chdir(tmp_path)
    dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.ManufacturerModelName, dataset.SoftwareVersions = "Ottokar's own", "[red]tuned"
    Path("in").mkdir()
    dataset.save_as("in/one.dcm")
    return lambda *words: CliRunner().invoke(app, ["deid", *words], catch_exceptions=False)


def run(aegle: Aegle) -> Result:
    return aegle("run", "in", "out", "--jobs", "1", "--quarantine", "held")


def name_of(value: str, listed: str) -> str:
    return next(line.split()[0] for line in listed.splitlines() if value in line)


def test_a_folder_is_completed_in_two_runs_with_the_decisions_between(aegle: Aegle) -> None:
    first = run(aegle)
    assert first.exit_code == 3
    assert "2 value(s) wait for a decision in aegle-deid-values.csv" in first.output
    assert "aegle deid values list --values aegle-deid-values.csv" in first.output
    assert "A new key is made: aegle-deid.key" in first.output
    assert "Ottokar" not in first.output
    listed = aegle("values", "list", "--values", "aegle-deid-values.csv").output
    assert "[red]tuned" in listed
    aegle("values", "approve", name_of("Ottokar", listed), "--values", "aegle-deid-values.csv")
    denied = aegle("values", "deny", "--keyword", "SoftwareVersions", "--values", "aegle-deid-values.csv")
    assert "1 value(s) denied" in denied.output
    assert aegle("values", "list", "--values", "aegle-deid-values.csv").output.startswith("Nothing waits")
    assert "denied" not in aegle("values", "list", "--values", "aegle-deid-values.csv").output
    assert "deny" in aegle("values", "list", "--decided", "--values", "aegle-deid-values.csv").output
    last = run(aegle)
    assert last.exit_code == 0, last.output
    assert "new key" not in last.output
    (path,) = Path("out").rglob("*.dcm")
    clean = dcmread(path)
    assert (clean.ManufacturerModelName, clean.SoftwareVersions) == ("Ottokar's own", "")


def test_an_approval_that_is_taken_back_says_what_still_holds_the_value(aegle: Aegle) -> None:
    run(aegle)
    listed = aegle("values", "list", "--values", "aegle-deid-values.csv").output
    name = name_of("Ottokar", listed)
    aegle("values", "approve", "--all", "--values", "aegle-deid-values.csv")
    denied = " ".join(aegle("values", "deny", name, "--values", "aegle-deid-values.csv").output.split())
    assert (
        "1 of them had been approved, and what went out meanwhile still holds them. Remove the output folder" in denied
    )
    assert "had been approved" not in aegle("values", "deny", name, "--values", "aegle-deid-values.csv").output


def test_decisions_written_into_the_file_by_hand_count_alike(aegle: Aegle) -> None:
    run(aegle)
    path = Path("aegle-deid-values.csv")
    path.write_text(path.read_text().replace("pending", "approve"))
    assert run(aegle).exit_code == 0
    assert {line.decision for line in value_file.read(path)} == {Decision.APPROVE}


def test_a_command_must_say_which_list_and_which_values(aegle: Aegle) -> None:
    with pytest.raises(BadMessage, match="--site NAME, or --values FILE"):
        aegle("values", "list")
    with pytest.raises(BadMessage, match="which values"):
        aegle("values", "approve", "--values", "aegle-deid-values.csv")
    with pytest.raises(NotFound):
        aegle("values", "approve", "--all", "--values", "aegle-deid-values.csv")


def test_a_preview_shows_before_and_after_and_why_it_would_be_held(aegle: Aegle) -> None:
    said = aegle("preview", "in/one.dcm")
    assert said.exit_code == 3
    assert "FIRST_SEEN_VALUE" in said.output
    assert "CompressedS" in said.output
    assert "[red]tuned" in said.output.replace("\n", "")
    run(aegle)
    path = Path("aegle-deid-values.csv")
    path.write_text(path.read_text().replace("pending", "approve"))
    assert aegle("preview", "in/one.dcm", "--values", str(path)).exit_code == 0


def test_an_output_that_cannot_be_written_is_told_in_a_line(aegle: Aegle, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("no folder")
    monkeypatch.setattr(sys, "argv", ["aegle", "deid", "run", "in", "file/out", "--jobs", "1"])
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert said.getvalue().startswith("Not a directory  file/out")


def test_a_list_that_cannot_be_read_ends_a_run_of_many_processes_in_a_line(aegle: Aegle, tmp_path: Path) -> None:
    for number in range(8):
        Path(f"in/{number}.dcm").write_bytes(b"no DICOM %d" % number)
    Path("list.csv").write_bytes(b"\xff\xff")
    ended = subprocess.run(
        [sys.executable, "-m", "aegle", "deid", "run", "in", "out", "--jobs", "4", "--values", "list.csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "BAD_CONFIG  list.csv is not CSV in UTF-8; in a spreadsheet, save it as 'CSV UTF-8'"
    ]


def test_why_files_are_held_is_told_with_what_to_do(aegle: Aegle) -> None:
    Path("in/export.zip").write_bytes(b"PK\3\4" + bytes(200))
    told = " ".join(run(aegle).output.split())
    assert "NOT_DICOM: The file is not a DICOM file" in told
    assert "unpacked if it lies in an archive" in told


def test_a_slip_in_a_keys_folder_makes_no_key(aegle: Aegle) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        aegle("run", "in", "out", "--key", "nowhere/key")
    assert not Path("out").exists()
