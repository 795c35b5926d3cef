"""The tools a hospital may use today, run on a corpus as their makers say, and ours by its own command.

A file that stops a tool counts as withheld, the rest do not: tools with a Python call are given one file after the other,
and gdcmanon, whose run over a folder ends at the first file it does not know, only those that it takes one by one.
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aegle.bench.answers import AnswerKey
from aegle.bench.corpus import SOURCE
from aegle.bench.decisions import decide

_DECISIONS = 2  #: a denied value never leads to a new one
_TIMEOUT_S = 600
_JARS = Path("/usr/share/java")
_PIXELMED = "com.pixelmed.apps.DeidentifyAndRedact"
#: One Python process, one file after the other; whatever a tool raises costs it that file.
_LOOP = """
import sys
from pathlib import Path
{imports}
output = Path(sys.argv[2])
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        {call}
    except Exception:
        (output / path.name).unlink(missing_ok=True)
"""
_DEID = _LOOP.format(
    imports="from deid.dicom import replace_identifiers",
    call="replace_identifiers([str(path)], save=True, output_folder=str(output), remove_private=True)",
)
_DICOGNITO = _LOOP.format(
    imports="import pydicom\nfrom dicognito.anonymizer import Anonymizer\nanonymizer = Anonymizer()",
    call="ds = pydicom.dcmread(path); anonymizer.anonymize(ds); ds.save_as(output / f'{ds.SOPInstanceUID}.dcm')",
)
_ANONYMIZER = _LOOP.format(
    imports="from dicomanonymizer import anonymize_dicom_file",
    call="anonymize_dicom_file(str(path), str(output / path.name))",
)

_PROFILE = """
name: bench
pixels:
  - {manufacturer: GE Healthcare, model: LOGIQ E9, keep: regions, by: the bench}
"""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One tool: its name with version, and its command for a flat folder in and an empty folder out."""

    name: str
    command: Callable[[Path, Path, Path], Sequence[str]]  #: source, output, scratch folder
    takes: Callable[[Path, Path], bool] = lambda path, scratch: (
        True
    )  #: whether a folder with this file may be given to it


def installed() -> list[Rival]:
    """Those of the rivals that are on this machine's PATH."""
    python = (
        _python("dicognito", "dicognito", _DICOGNITO),
        _python("dicom-anonymizer", "dicom-anonymizer", _ANONYMIZER),
        _python("deid", "deid", _DEID),
    )
    return [rival for rival in (_gdcmanon(), _pixelmed(), *python) if rival is not None]


def run_rival(rival: Rival, corpus: Path, output: Path, scratch: Path) -> float:
    """Run a tool over all files of a corpus; answers in how many seconds."""
    source = _flat(corpus, scratch / "flat")
    for path in source.iterdir():
        if not rival.takes(path, scratch):
            path.unlink()
    output.mkdir(parents=True)
    began = time.perf_counter()
    command = rival.command(source, output, scratch)
    subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    return time.perf_counter() - began


def _flat(corpus: Path, folder: Path) -> Path:
    """All files in one folder, since not every tool looks into folders."""
    folder.mkdir(parents=True)
    for path in (corpus / SOURCE).rglob("*.dcm"):
        shutil.copyfile(path, folder / path.name)
    return folder


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

    def takes(path: Path, scratch: Path) -> bool:
        alone = (program, "-e", "-c", str(_certificate(scratch)), str(path), str(scratch / "alone.dcm"))
        return subprocess.run(alone, capture_output=True, timeout=_TIMEOUT_S, check=False).returncode == 0

    return Rival(name=f"gdcmanon {_said(program, '--version')}", command=command, takes=takes)


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


def _python(program: str, package: str, script: str) -> Rival | None:
    """A Python tool, run by the interpreter that its own command names in its first line."""
    found = shutil.which(program)
    if found is None:
        return None
    python = Path(found).read_text().splitlines()[0].removeprefix("#!").strip()
    version = _said(python, "-c", f"from importlib.metadata import version; print(version('{package}'))")
    return Rival(
        name=f"{program} {version}", command=lambda source, output, _: (python, "-c", script, str(source), str(output))
    )


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found.group() if found else ""


def run_ours(corpus: Path, output: Path, scratch: Path, key: AnswerKey) -> float:
    """`aegle deid run` as an operator runs it: once, then after somebody decided on the values it had not seen before.

    The operator has looked at the pictures of the corpus's one ultrasound device and keeps their declared regions. Who
    decides on words is the answer key: a value in which something was planted is denied, every other one approved. Answers in
    how many seconds.
    """
    (scratch / "profile.yaml").write_text(_PROFILE, encoding="utf-8")
    options = {"--profile": "profile.yaml", "--key": "aegle.key", "--quarantine": "held", "--values": "values.csv"}
    command = [sys.executable, "-m", "aegle", "deid", "run", str(corpus / SOURCE), str(output)]
    command += [word for option, name in options.items() for word in (option, str(scratch / name))]
    began = time.perf_counter()
    for _ in range(_DECISIONS):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        if done.returncode not in {0, 3}:
            raise RuntimeError(done.stderr[-2000:])
        if not decide(scratch / "values.csv", key):
            break
    return time.perf_counter() - began
