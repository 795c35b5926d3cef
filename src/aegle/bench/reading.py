"""A tool's output read without trust: any file, matched to its input by Instance Number, looked into at any depth."""

import re
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

_STEP = re.compile(r"(\w+)(?:\[(\d+)\])?")
_UNREADABLE = (OSError, ValueError, KeyError, AttributeError, TypeError, NotImplementedError, RuntimeError, IndexError)


@dataclass(frozen=True)
class Written:
    """One DICOM file that lies somewhere in a folder."""

    path: Path

    @cached_property
    def raw(self) -> bytes:
        """All its bytes; a deflated data set also inflated, so that a search sees what a reader sees."""
        content = self.path.read_bytes()
        return content + _inflated(content) if self._deflated else content

    @cached_property
    def dataset(self) -> FileDataset | None:
        """What pydicom makes of it; None when that is nothing."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = dcmread(self.path, force=True)
            except _UNREADABLE:
                return None
        return found if found.preamble or "SOPClassUID" in found else None

    @property
    def number(self) -> int:
        """Its Instance Number; -1 without one."""
        try:
            return int(self.dataset.InstanceNumber) if self.dataset else -1
        except _UNREADABLE:
            return -1

    @property
    def size(self) -> tuple[int, int] | None:
        """Rows and columns, which no two files of a corpus share; None without a picture."""
        if self.dataset is None or "Rows" not in self.dataset or "Columns" not in self.dataset:
            return None
        return int(self.dataset.Rows), int(self.dataset.Columns)

    @cached_property
    def frames(self) -> npt.NDArray[Any] | None:
        """Its decoded pixels, `[frames, rows, columns, samples]`; None without or when they cannot be decoded."""
        if self.dataset is None or "PixelData" not in self.dataset:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                array = self.dataset.pixel_array
            except _UNREADABLE:
                return None
        samples = int(self.dataset.get("SamplesPerPixel", 1))
        return np.asarray(array).reshape(-1, int(self.dataset.Rows), int(self.dataset.Columns), samples)

    def value(self, path: str) -> str | None:
        """A value by a path such as `A[0].B`, numbers however they are written; None when it is not there."""
        found = self._found(path)
        return None if found is None else _plain(found)

    def text(self, path: str) -> str:
        """The same as it is written; empty when it is not there."""
        found = self._found(path)
        return "" if found is None else str(found).strip("\0 ")

    def _found(self, path: str) -> Any:
        holder: Any = self.dataset
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                for keyword, index in _STEP.findall(path):
                    holder = getattr(holder, keyword)
                    holder = holder[int(index)] if index else holder
            except _UNREADABLE:
                return None
        return holder

    @contextmanager
    def inflated(self) -> Iterator[Path]:
        """The file in a syntax that every validator reads: itself, or a copy of a deflated one that is not."""
        if not self._deflated or self.dataset is None:
            yield self.path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = dcmread(self.path)
            copy.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            copy.save_as(Path(folder) / "inflated.dcm")
            yield Path(folder) / "inflated.dcm"

    @property
    def _deflated(self) -> bool:
        meta = getattr(self.dataset, "file_meta", None)
        return getattr(meta, "TransferSyntaxUID", None) == DeflatedExplicitVRLittleEndian


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(_plain(one) for one in value)
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return str(value).strip("\0 ")


def _inflated(content: bytes) -> bytes:
    """The data set after the group length of the file meta (PS3.10 §7.1)."""
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    try:
        return zlib.decompressobj(-15).decompress(content[start:])
    except zlib.error:
        return b""


def uids(dataset: Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    """Every UID at any depth, with its path."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except _UNREADABLE:
            continue
        here = f"{path}{element.keyword}"
        if element.VR == "SQ":
            for n, item in enumerate(element.value):
                yield from uids(item, f"{here}[{n}].")
        elif element.VR == "UI" and element.keyword and isinstance(element.value, str):
            yield here, str(element.value)


def dicom_files(folder: Path) -> tuple[list[Written], list[Path]]:
    """What lies below a folder: DICOM files, and everything else."""
    found = [Written(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [file for file in found if file.dataset], [file.path for file in found if not file.dataset]


def matched(inputs: Mapping[int, Written], outputs: Iterable[Written]) -> dict[int, Written]:
    """Outputs by the number of their input: by Instance Number or, for tools that remove that, by the picture's size."""
    sizes = {source.size: number for number, source in inputs.items() if source.size}
    found: dict[int, Written] = {}
    for written in outputs:
        number = written.number if written.number in inputs else sizes.get(written.size or (0, 0), -1)
        if number in inputs:
            found[number] = written
    return found
