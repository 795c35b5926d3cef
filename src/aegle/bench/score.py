"""What a tool's output folder is worth: leaks, destroyed values, broken relations, withheld files, new dciodvfy errors."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aegle.bench.answers import AnswerKey, Burned, FileAnswer, Leak
from aegle.bench.corpus import SOURCE, read_key
from aegle.bench.reading import Written, dicom_files, matched
from aegle.bench.relations import broken

_SAME_INK = 40  #: mean difference of grey levels below which burned-in text is still to be read


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with an output."""

    column: str  #: `leak`, `destroyed`, `relation`, `withheld` or `dciodvfy`
    theme: str
    detail: str
    kind: Leak | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """All findings over one corpus."""

    files: int  #: in the corpus
    written: int  #: of them, tied to an output
    findings: tuple[Finding, ...]

    def count(self, column: str) -> int:
        """How many findings of one column."""
        return sum(finding.column == column for finding in self.findings)

    @property
    def leaks(self) -> Counter[Leak]:
        """Leaks by class."""
        return Counter(finding.kind for finding in self.findings if finding.kind is not None)


def score_folder(corpus: Path, output: Path) -> Score:
    """Score any tool's output for a corpus of ours; outputs are found wherever they lie below `output`, under any name.

    New dciodvfy errors are counted where that program is installed. Raises NotFound for a folder that is no corpus.
    """
    key = read_key(corpus)
    inputs = {answer.number: Written(corpus / SOURCE / answer.name) for answer in key.files}
    found, others = dicom_files(output)
    outputs = matched(inputs, found)
    findings: list[Finding] = []
    for answer in key.files:
        written = outputs.get(answer.number)
        findings += _judge(answer, inputs[answer.number], written) if written else _withheld(answer)
    findings += [Finding(column="relation", theme="", detail=text) for text in broken(key, inputs, outputs)]
    findings += _names(key, output, [written.path for written in found], others)
    return Score(files=len(key.files), written=len(outputs), findings=tuple(findings))


def _withheld(answer: FileAnswer) -> list[Finding]:
    return [Finding(column="withheld", theme=answer.theme, detail="clean, and not given back")] if answer.clean else []


def _judge(answer: FileAnswer, source: Written, written: Written) -> list[Finding]:
    def finding(column: str, detail: str, kind: Leak | None = None) -> Finding:
        return Finding(column=column, theme=answer.theme, detail=detail, kind=kind)

    found = [finding("leak", where, kind) for kind, where in _left(answer, written)]
    found += [
        finding("leak", "text in the picture", Leak.PIXELS) for box in answer.burned if _shown(box, source, written)
    ]
    found += [finding("destroyed", path) for path in answer.kept if source.value(path) != written.value(path)]
    if answer.frames_kept and not _same_frames(answer, source, written):
        found.append(finding("destroyed", "pixels"))
    if written.raw != source.raw:
        found += [finding("dciodvfy", error) for error in sorted(_errors(written) - _errors(source))]
    return found


def _left(answer: FileAnswer, written: Written) -> Iterator[tuple[Leak, str]]:
    raw = written.raw.lower()
    for plant in answer.plants:
        told = written.text(plant.path).lower().encode() if plant.path else raw
        if any(bytes.fromhex(form) in told for form in plant.forms):
            yield plant.kind, plant.where


def _shown(box: Burned, source: Written, written: Written) -> bool:
    """Whether the ink is still where it was: bright where it was bright, dark where it was dark."""
    if source.frames is None or written.frames is None or source.frames.shape[:3] != written.frames.shape[:3]:
        return False
    rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
    was = source.frames[:, rows, columns].astype(np.float64).mean(axis=-1)
    now = written.frames[:, rows, columns].astype(np.float64).mean(axis=-1)
    ink = was > 128
    return bool(ink.any() and now[ink].mean() - now[~ink].mean() > _SAME_INK)


def _same_frames(answer: FileAnswer, source: Written, written: Written) -> bool:
    """Whether the pictures are equal, what was burned in apart."""
    if source.frames is None or written.frames is None or source.frames.shape != written.frames.shape:
        return False
    apart = np.ones(source.frames.shape[1:3], bool)
    for box in answer.burned:
        apart[box.top : box.top + box.height, box.left : box.left + box.width] = False
    return bool(np.array_equal(source.frames[:, apart], written.frames[:, apart]))


def _names(key: AnswerKey, output: Path, written: Sequence[Path], others: Sequence[Path]) -> Iterator[Finding]:
    """Identity in the names of what was written, and inside files that are not DICOM: reports, logs, tables."""
    telling = {
        form
        for answer in key.files
        for plant in answer.plants
        if plant.kind in {Leak.NAME, Leak.NUMBER} and not plant.path
        for form in map(bytes.fromhex, plant.forms)
        if len(form) > 5
    }
    for path in [*written, *others]:
        name = str(path.relative_to(output)).encode().lower()
        if any(form in name for form in telling):
            yield Finding(column="leak", theme="", detail="a file's name", kind=Leak.FILE_NAME)
    for path in others:
        raw = path.read_bytes().lower()
        if any(form in raw for form in telling):
            yield Finding(
                column="leak", theme="", detail=f"a file beside the objects ({path.suffix})", kind=Leak.FILE_NAME
            )


def _errors(written: Written) -> set[str]:
    """dciodvfy's errors, with what may differ between input and output cut off."""
    if shutil.which("dciodvfy") is None:
        return set()
    with written.inflated() as path:
        command = ["dciodvfy", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    lines = (line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error"))
    return {re.sub(r"<[^>]*\d{6}[^>]*>|(?<=UID )[0-9.]+|\[.*?\]", "", line) for line in lines}
