"""A folder without a site: everything written clean or held, resumable, and no trace of an input's name."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from aegle.deid import Option, default_profile, threads
from aegle.deid.folder import REASONS_FILE, REPORT, Summary, run_folder
from aegle.deid.places import find, load_key, require_apart, require_folder_of
from aegle.deid.treat import LEDGER, WORK, Task, Treated
from aegle.errors import BadConfig, Conflict, NotFound, Overloaded

NAMES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "SC_rgb_rle.dcm", "no_meta.dcm")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "Mustermann^Erika"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(Path(get_testdata_file(name, download=False)).read_bytes())
    return folder


def task(tmp_path: Path, *, key: bytes = bytes(32)) -> Task:
    profile = default_profile()
    return Task(output=tmp_path / "clean", key=key, profile_name=profile.name, options=profile.options)


def run(source: Path, tmp_path: Path, *, jobs: int = 1, key: bytes = bytes(32)) -> Summary:
    return run_folder(sorted(source.iterdir()), task(tmp_path, key=key), tmp_path / "held", jobs)


def written(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "clean").glob("2.25.*/*/*.dcm"))


def test_every_file_is_written_or_held_with_its_reason(source: Path, tmp_path: Path) -> None:
    summary = run(source, tmp_path, jobs=2)
    assert summary.written + summary.held == len(NAMES)
    assert len(written(tmp_path)) == summary.written >= 2
    reasons = json.loads((tmp_path / "held" / REASONS_FILE).read_text())
    assert len(reasons) == summary.held >= 2
    assert all(
        (tmp_path / "held" / name).read_bytes() == Path(row["source"]).read_bytes() for name, row in reasons.items()
    )
    report = json.loads((tmp_path / "clean" / REPORT).read_text())
    assert report["written"] == summary.written
    assert sum(report["held"].values()) == summary.held
    studies = {path.parts[-3] for path in written(tmp_path)}
    assert {alias for alias, told in report["studies"].items() if told["written"]} == studies
    assert sum(told["written"] for told in report["studies"].values()) == summary.written
    assert sum(len(told["held_back"]) for told in report["studies"].values()) == summary.held


def test_names_are_aliases_and_nothing_of_the_input_folder_is_left(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path)
    for path in written(tmp_path):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        uids = (header.StudyInstanceUID, header.SeriesInstanceUID, f"{header.SOPInstanceUID}.dcm")
        assert path.relative_to(tmp_path / "clean").parts == uids
    rest = [path for path in (tmp_path / "clean").rglob("*") if path.is_file()]
    assert all(b"Mustermann" not in path.read_bytes() for path in rest)
    assert all("Mustermann" not in str(path.relative_to(tmp_path)) for path in rest)


def test_a_second_run_settles_nothing_anew_and_the_same_key_gives_the_same_files(source: Path, tmp_path: Path) -> None:
    first = run(source, tmp_path)
    before = {path: path.read_bytes() for path in written(tmp_path)}
    again = run(source, tmp_path)
    assert (again.written, again.held, again.before) == (0, 0, len(NAMES))
    assert again.held_in_all == first.held
    (tmp_path / "clean" / LEDGER).unlink()
    run(source, tmp_path)
    assert {path: path.read_bytes() for path in written(tmp_path)} == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_is_there_twice_is_written_once_and_counted_once(jobs: int, source: Path, tmp_path: Path) -> None:
    for number in range(30):
        (source / f"copy{number}.dcm").write_bytes((source / "CT_small.dcm").read_bytes())
    summary = run(source, tmp_path, jobs=jobs)
    assert summary.written == len(written(tmp_path))
    assert summary.written + summary.held == len(NAMES)
    assert summary.before == 30
    assert not list((tmp_path / "clean" / WORK).glob("*"))


def test_a_file_that_cannot_be_read_is_told_and_tried_again(source: Path, tmp_path: Path) -> None:
    (source / "later.dcm").symlink_to(tmp_path / "not yet mounted.dcm")
    first = run(source, tmp_path)
    reasons = json.loads((tmp_path / "held" / REASONS_FILE).read_text())
    assert first.unreadable == {source / "later.dcm": os.strerror(errno.ENOENT)}
    assert str(source / "later.dcm") in {row["source"] for row in reasons.values() if row["reason"] == "UNREADABLE"}
    changed = pydicom.dcmread(source / "CT_small.dcm")
    changed.SOPInstanceUID = changed.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    changed.save_as(tmp_path / "not yet mounted.dcm")
    second = run(source, tmp_path)
    assert (second.written, second.unreadable) == (1, {})
    assert "UNREADABLE" not in (tmp_path / "held" / REASONS_FILE).read_text()


def test_a_folder_that_cannot_be_entered_is_told_and_pipes_are_passed_by(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "closed").mkdir()
    os.mkfifo(source / "pipe")
    (source / "again").symlink_to(source, target_is_directory=True)
    scan = os.scandir

    def refusing(path: str) -> "os._ScandirIterator[str]":
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert find(source) == (
        sorted(source / name for name in NAMES),
        {source / "closed": os.strerror(errno.EACCES)},
    )


def test_another_key_or_profile_does_not_mix_in(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path)
    with pytest.raises(BadConfig, match="another key"):
        run(source, tmp_path, key=b"\1" * 32)
    other = Task(output=tmp_path / "clean", key=bytes(32), profile_name="x", options=frozenset({Option.STRUCTURED}))
    with pytest.raises(BadConfig, match="another profile"):
        run_folder([], other, None, 1)


def test_other_bytes_under_a_known_uid_are_held_and_the_first_stay(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path)
    before = {path: path.read_bytes() for path in written(tmp_path)}
    changed = pydicom.dcmread(source / "CT_small.dcm")
    changed.PatientSex = "F"
    changed.KVP = "80"
    changed.save_as(source / "corrected.dcm")
    run(source, tmp_path)
    assert {path: path.read_bytes() for path in written(tmp_path)} == before
    report = json.loads((tmp_path / "clean" / REPORT).read_text())
    assert report["held"]["CHANGED_SOURCE"] == 1


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_a_killed_run_is_taken_up_again(source: Path, tmp_path: Path) -> None:
    for number in range(40):
        dataset = pydicom.dcmread(source / "CT_small.dcm")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(source / f"{number}.dcm")
    (tmp_path / "key").write_text("00" * 32)
    command = [sys.executable, "-m", "aegle", "deid", "run", str(source), str(tmp_path / "clean")]
    child = subprocess.Popen(
        [*command, "--key", str(tmp_path / "key"), "--values", str(tmp_path / "values.csv"), "--jobs", "1"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: bool(written(tmp_path)))
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert written(tmp_path)
    summary = run(source, tmp_path)
    assert summary.before + summary.written + summary.held == len(NAMES) + 40
    assert all("DeidentificationMethod" in pydicom.dcmread(path) for path in written(tmp_path))
    assert not (tmp_path / "clean" / ".aegle-work").exists()


def test_what_a_killed_run_leaves_in_the_output_folder_holds_no_word_of_the_list(source: Path, tmp_path: Path) -> None:
    listed = tmp_path / "values.csv"
    listed.write_text("keyword,value,decision\nManufacturerModelName,Quillfeather's own,pending\n")
    seen: list[bytes] = []

    def look(_: Treated) -> None:
        seen.extend(path.read_bytes() for path in (tmp_path / "clean").rglob("*") if path.is_file())

    with_list = replace(task(tmp_path), values=listed)
    run_folder(sorted(source.iterdir()), with_list, None, 1, look)
    assert seen and not any(b"Quillfeather" in content for content in seen)
    assert [path.name for path in tmp_path.glob(".values*")] == []


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another event there")
def test_a_run_that_ctrl_c_stops_says_nothing_of_its_insides_and_is_taken_up_again(
    source: Path, tmp_path: Path
) -> None:
    content = (source / "CT_small.dcm").read_bytes()
    uid = pydicom.dcmread(source / "CT_small.dcm").SOPInstanceUID.encode()
    for number in range(300):  # a second of work
        (source / f"{number}.dcm").write_bytes(content.replace(uid, uid[:-4] + b"%04d" % number))
    (tmp_path / "key").write_text("00" * 32)  # a new one is told about
    words = [sys.executable, "-m", "aegle", "deid", "run", str(source), str(tmp_path / "clean"), "--jobs", "2"]
    words += ["--key", str(tmp_path / "key"), "--values", str(tmp_path / "values.csv")]
    running = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job inherits it ignored
    )
    wait_until(lambda: bool(written(tmp_path)))
    os.killpg(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert (running.returncode, said) == (130, b"")
    stopped = len(written(tmp_path))
    assert not (tmp_path / "clean" / WORK).exists()
    subprocess.run(words, check=False, capture_output=True)
    assert stopped < len(written(tmp_path))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_no_process_outlives_the_run_that_started_it(source: Path, tmp_path: Path) -> None:
    for number in range(200):
        dataset = pydicom.dcmread(source / "CT_small.dcm")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(source / f"{number}.dcm")
    (tmp_path / "key").write_text("00" * 32)
    command = [sys.executable, "-m", "aegle", "deid", "run", str(source), str(tmp_path / "clean")]
    command += ["--key", str(tmp_path / "key"), "--values", str(tmp_path / "values.csv"), "--jobs", "2"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: bool(written(tmp_path)))
    workers = [int(pid) for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()]
    assert len(workers) >= 2
    child.kill()
    child.wait()
    wait_until(lambda: not any(map(is_running, workers)))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Neither gone nor dead and waiting for whoever adopts it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_file_large_enough_to_be_digested_beside_the_work_ends_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, tmp_path)
    usual = {path: path.read_bytes() for path in written(tmp_path)}
    (tmp_path / "clean" / LEDGER).unlink()
    monkeypatch.setattr(threads, "_WORTH_A_THREAD", 0)
    first = run(source, tmp_path)
    assert {path: path.read_bytes() for path in written(tmp_path)} == usual
    again = run(source, tmp_path)
    assert (again.written, again.held, again.before) == (0, 0, first.written + first.held)


def test_a_key_is_made_once_and_only_where_allowed(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="not there"):
        load_key(tmp_path / "key", make=False)
    made = load_key(tmp_path / "key", make=True)
    assert len(made) == 32
    assert load_key(tmp_path / "key", make=False) == made
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "key").read_bytes().strip() + b"\r\n")
    assert load_key(tmp_path / "key", make=False) == made
    (tmp_path / "bad").write_text("no key")
    with pytest.raises(BadConfig, match="64 hexadecimal"):
        load_key(tmp_path / "bad", make=True)


def test_an_output_below_the_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        require_apart(tmp_path, tmp_path / "clean", {})
    with pytest.raises(Conflict):
        require_apart(tmp_path, tmp_path, {})
    require_apart(tmp_path / "in", tmp_path / "out", {"--quarantine": None})


@pytest.mark.parametrize("private", ["clean", "clean/held", "clean/values.csv", "exports/key"])
def test_what_is_as_identified_as_the_input_is_refused_below_input_and_output(tmp_path: Path, private: str) -> None:
    with pytest.raises(Conflict, match="with --values"):
        require_apart(tmp_path / "exports", tmp_path / "clean", {"--values": tmp_path / private})


def test_an_output_around_the_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="must not leave"):
        require_apart(tmp_path / "exports", tmp_path, {})


def test_a_key_or_list_in_a_folder_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path) -> None:
    require_folder_of(tmp_path / "key", Path("key"))
    with pytest.raises(NotFound, match="name another place"):
        require_folder_of(tmp_path / "nowhere" / "key")


@pytest.mark.parametrize(
    ("begin", "told"), [(b"PK\3\4\x14\0", "ZIP archive: unpack"), (b"\x1f\x8b\x08\0", "gzip"), (b"PK", "no DICM mark")]
)
def test_an_archive_is_told_to_be_unpacked(begin: bytes, told: str, source: Path, tmp_path: Path) -> None:
    (source / "export.zip").write_bytes(begin + bytes(200))
    run(source, tmp_path)
    reasons = json.loads((tmp_path / "held" / REASONS_FILE).read_text())
    (detail,) = [reason["detail"] for reason in reasons.values() if reason["source"].endswith("export.zip")]
    assert told in detail


def with_values(source: Path, tmp_path: Path) -> Summary:
    profile = default_profile()
    values = Task(
        output=tmp_path / "clean",
        key=bytes(32),
        profile_name=profile.name,
        options=profile.options,
        values=tmp_path / "values.csv",
    )
    return run_folder(sorted(source.iterdir()), values, tmp_path / "held", 1)


def test_a_run_after_the_decisions_completes_the_folder(tmp_path: Path) -> None:
    source, listed = tmp_path / "in", tmp_path / "values.csv"
    source.mkdir()
    for number, model in enumerate(("Ottokar's own", "Ottilie's own", "LightSpeed Plus")):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.ManufacturerModelName = model
        dataset.save_as(source / f"{number}.dcm")
    first = with_values(source, tmp_path)
    assert (first.written, first.held, first.first_seen) == (1, 2, 2)
    reasons = json.loads((tmp_path / "held" / REASONS_FILE).read_text())
    assert [row["reason"] for row in reasons.values()] == ["FIRST_SEEN_VALUE"] * 2
    assert "Ott" not in json.dumps([row["detail"] for row in reasons.values()])
    assert with_values(source, tmp_path).first_seen == 0
    text = listed.read_text().replace("Ottokar's own,pending", "Ottokar's own,approve")
    listed.write_text(text.replace("Ottilie's own,pending", "Ottilie's own,deny"))
    last = with_values(source, tmp_path)
    assert (last.written, last.held, last.before, last.held_in_all) == (2, 0, 1, 0)
    models = {pydicom.dcmread(path).ManufacturerModelName for path in written(tmp_path)}
    assert models == {"Ottokar's own", "", "LightSpeed Plus"}
    assert json.loads((tmp_path / "held" / REASONS_FILE).read_text()) == {}
    assert list((tmp_path / "held").glob("*.dcm")) == []
    report = json.loads((tmp_path / "clean" / REPORT).read_text())
    assert report["held"] == {}
    assert len(report["treated_by"]) == 2  # what was written before, and by the decisions
    assert all(len(each["values_digest"]) == 64 for each in report["treated_by"])
    assert b"Ottilie" not in (tmp_path / "clean" / REPORT).read_bytes() + (tmp_path / "clean" / LEDGER).read_bytes()


def test_two_runs_do_not_write_to_one_folder(source: Path, tmp_path: Path) -> None:
    def another(treated: Treated) -> None:
        with pytest.raises(Overloaded, match="another run writes to"):
            run(source, tmp_path)

    assert run_folder(sorted(source.iterdir())[:1], task(tmp_path), None, 1, another).before == 0
    assert len(written(tmp_path)) == 1


def test_each_recipient_has_aliases_of_its_own_from_one_key(source: Path, tmp_path: Path) -> None:
    names = set()
    for recipient in ("", "trial-7", "trial-8"):
        wanted = replace(task(tmp_path), output=tmp_path / f"for {recipient}", recipient=recipient)
        run_folder(sorted(source.iterdir())[:1], wanted, None, 1)
        names |= {path.name for path in wanted.output.rglob("2.25.*.dcm")}
        with pytest.raises(BadConfig, match="another recipient"):
            run_folder([], replace(wanted, recipient="others"), None, 1)
    assert len(names) == 3
