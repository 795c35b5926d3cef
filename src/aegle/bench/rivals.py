"""The tools a hospital may use today, run on a corpus as their makers say, and ours by its own command.

A tool that stops at a file is started again without that file: the one it stopped at counts as withheld, the rest do not.
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aegle.bench.answers import AnswerKey
from aegle.bench.corpus import SOURCE
from aegle.bench.decisions import decide
from aegle.bench.reading import dicom_files

_ROUNDS = 40
_DECISIONS = 2  #: a denied value never leads to a new one
_TIMEOUT_S = 600
_JARS = Path("/usr/share/java")
_PIXELMED = "com.pixelmed.apps.DeidentifyAndRedact"
_DEID = """
import sys
from importlib.metadata import version
from pathlib import Path
from deid.dicom import replace_identifiers
files = sorted(str(path) for path in Path(sys.argv[1]).iterdir())
replace_identifiers(files, save=True, output_folder=sys.argv[2], remove_private=True)
"""
_DICOGNITO = "import sys; from dicognito.__main__ import main; sys.exit(main(['-q', '-o', sys.argv[2], sys.argv[1]]))"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One tool: its name with version, and its command for a flat folder in and an empty folder out."""

    name: str
    command: Callable[[Path, Path, Path], Sequence[str]]  #: source, output, scratch folder


@dataclass(frozen=True, kw_only=True)
class Run:
    """What running a tool over a folder took."""

    seconds: float
    rounds: int  #: how often it had to be started


def installed() -> list[Rival]:
    """Those of the rivals that are on this machine's PATH."""
    found = (_gdcmanon(), _pixelmed(), _python("dicognito", _DICOGNITO), _anonymizer(), _python("deid", _DEID))
    return [rival for rival in found if rival is not None]


def run_rival(rival: Rival, corpus: Path, output: Path, scratch: Path) -> Run:
    """Run a tool over all files of a corpus."""
    waiting = _flat(corpus, scratch / "flat")
    began, rounds = time.perf_counter(), 0
    while waiting and rounds < _ROUNDS:
        rounds += 1
        written = _round(rival, waiting.values(), output / f"{rounds}", scratch)
        waiting = {number: path for number, path in waiting.items() if number not in written}
        if not written or waiting:
            waiting.pop(next(iter(waiting)), None)
    return Run(seconds=time.perf_counter() - began, rounds=rounds)


def _flat(corpus: Path, folder: Path) -> dict[int, Path]:
    """All files in one folder, since not every tool looks into folders; by Instance Number, in order of name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in (corpus / SOURCE).rglob("*.dcm"):
        shutil.copyfile(path, folder / path.name)
    files, _ = dicom_files(folder)
    return {number: written.path for number, written in files.items()}


def _round(rival: Rival, files: Iterable[Path], output: Path, scratch: Path) -> Mapping[int, object]:
    source = scratch / "round"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    output.mkdir(parents=True)
    for path in files:
        (source / path.name).hardlink_to(path)
    command = rival.command(source, output, scratch)
    subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    written, _ = dicom_files(output)
    return written


def _gdcmanon() -> Rival | None:
    program = shutil.which("gdcmanon")
    if program is None:
        return None

    def command(source: Path, output: Path, scratch: Path) -> Sequence[str]:
        return (
            program,
            "-e",
            "-c",
            str(_certificate(scratch)),
            "--continue",
            "-r",
            "-i",
            str(source),
            "-o",
            str(output),
        )

    return Rival(name=f"gdcmanon {_said(program, '--version')}", command=command)


def _certificate(scratch: Path) -> Path:
    """gdcmanon encrypts the originals into its output for the holder of a certificate; this one is nobody's."""
    path = scratch / "certificate.pem"
    if not path.exists():
        subject = (
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            str(scratch / "key.pem"),
            "-subj",
            "/CN=bench",
            "-days",
            "2",
        )
        subprocess.run(["openssl", "req", "-x509", *subject, "-out", str(path)], capture_output=True, check=True)
    return path


def _pixelmed() -> Rival | None:
    jar = next(iter(sorted(_JARS.glob("pixelmed-[0-9]*.jar"))), None)
    if jar is None or shutil.which("java") is None:
        return None
    path = ":".join(map(str, (jar, *sorted(_JARS.glob("*.jar")))))

    def command(source: Path, output: Path, scratch: Path) -> Sequence[str]:
        regions = scratch / "regions.txt"
        regions.touch()
        return ("java", "-cp", path, _PIXELMED, str(source), str(output), str(regions))

    return Rival(name=f"PixelMed {jar.stem.removeprefix('pixelmed-')}", command=command)


def _python(package: str, script: str) -> Rival | None:
    """A Python tool, run by the interpreter that its own command names in its first line."""
    program = shutil.which(package)
    if program is None:
        return None
    python = Path(program).read_text().splitlines()[0].removeprefix("#!").strip()
    version = _said(python, "-c", f"from importlib.metadata import version; print(version('{package}'))")
    return Rival(
        name=f"{package} {version}", command=lambda source, output, _: (python, "-c", script, str(source), str(output))
    )


def _anonymizer() -> Rival | None:
    program = shutil.which("dicom-anonymizer")
    if program is None:
        return None
    version = _said(program, "--version")
    return Rival(
        name=f"dicom-anonymizer {version}", command=lambda source, output, _: (program, str(source), str(output))
    )


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found.group() if found else ""


def run_ours(corpus: Path, output: Path, scratch: Path, key: AnswerKey) -> Run:
    """`aegle deid run` as an operator runs it: once, then after somebody decided on the values it had not seen before.

    That somebody is the answer key: a value in which something was planted is denied, every other one approved.
    """
    command = [sys.executable, "-m", "aegle", "deid", "run", str(corpus / SOURCE), str(output)]
    command += [
        "--key",
        str(scratch / "aegle.key"),
        "--quarantine",
        str(scratch / "held"),
        "--values",
        str(scratch / "values.csv"),
    ]
    began, rounds = time.perf_counter(), 0
    while rounds < _DECISIONS:
        rounds += 1
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        if done.returncode not in {0, 3}:
            raise RuntimeError(done.stderr[-2000:])
        if not decide(scratch / "values.csv", key):
            break
    return Run(seconds=time.perf_counter() - began, rounds=rounds)
