"""A synthetic whole slide as VL Whole Slide Microscopy (PS3.3 A.32.8): levels, thumbnail and label.

A slide is a mosaic of a few drawn fields, so one of 20,000 x 20,000 px takes seconds: each distinct 256 px tile is
compressed once and its bytes are written wherever it stands. Peak memory: the fields and their tiles (about 60 MB) and
one eighth-size picture.
"""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from struct import pack
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from aegle.demo.headers import NOTICE, StudyUids, SyntheticPatient
from aegle.demo.kinds import STYLES
from aegle.demo.pictures import Pixels, draw, draw_empty
from aegle.demo.slide_headers import TILE_PX, Level, slide_header

FIELD_PX = 1024  #: side of one drawn field at the highest resolution
SHARED_LEVELS = 3  #: levels at which a field is a whole number of tiles
BASE_MPP = 0.5
DEFOCUS_UM = 8.0  #: of a slide that is out of focus
LESION_SHARE = 0.25  #: of the fields of an abnormal slide


def write_slide(
    folder: Path,
    *,
    seed: int,
    finding: str,
    patient: SyntheticPatient | None = None,
    style: str = "north",
    size_px: int = 4096,
    fault: str = "",
) -> list[Path]:
    """One slide of `size_px` squared at 0.5 micrometre per pixel: levels (highest first), THUMBNAIL, LABEL.

    The label shows the patient's name: it must never leave a site. `fault` makes the slide unfit: `blurred` or `empty`.
    """
    patient = patient or SyntheticPatient()
    uids = StudyUids(seed=f"slide/{seed}/{finding}/{style}/{fault}/{patient.patient_id}/{size_px}")
    folder.mkdir(parents=True, exist_ok=True)
    mosaic = _Mosaic.drawn(size_px, finding=finding, seed=seed, style=style, fault=fault)
    paths = []
    for number, level in enumerate(mosaic.levels()):
        made = slide_header(patient, uids, level, number, "VOLUME", "NONE" if number == 0 else "RESAMPLED")
        paths.append(_write(folder / f"slide-{seed}-level-{number}.dcm", made, level))
    for flavour, level in (("THUMBNAIL", mosaic.thumbnail()), ("LABEL", _label(patient))):
        made = slide_header(
            patient, uids, level, len(paths), flavour, "RESAMPLED" if flavour == "THUMBNAIL" else "NONE"
        )
        paths.append(_write(folder / f"slide-{seed}-{flavour.lower()}.dcm", made, level))
    return paths


# --- pixels


@dataclass(frozen=True, kw_only=True)
class _Mosaic:
    """Drawn fields and which of them stands where."""

    fields: tuple[Pixels, ...]
    places: NDArray[np.int64]  #: [rows, columns] of field numbers
    size_px: int

    @classmethod
    def drawn(cls, size_px: int, *, finding: str, seed: int, style: str, fault: str) -> "_Mosaic":
        """Up to four ordinary fields, and two with lesions where the finding is abnormal."""
        side = -(-size_px // FIELD_PX)
        ordinary, lesions = min(4, side * side), 2 if finding != "NILM" else 0
        kinds = ["NILM"] * ordinary + [finding] * lesions
        fields = tuple(_field(kind, seed * 100 + i, style, fault) for i, kind in enumerate(kinds))
        rng = np.random.default_rng([seed, 2])
        places = rng.integers(0, ordinary, (side, side))
        if lesions:
            marked = rng.permutation(side * side)[: max(1, round(side * side * LESION_SHARE))]
            places.flat[marked] = ordinary + np.arange(len(marked)) % lesions
        return cls(fields=fields, places=places, size_px=size_px)

    def levels(self) -> list[Level]:
        """Highest resolution first, each half the size of the one before, until one of at most 1024 px."""
        levels, eighth = [], self._eighth()
        for number in range(16):
            size = -(-self.size_px // 2**number)
            tile = self._shared_tiles(number) if number < SHARED_LEVELS else _tiles_of(_halved(eighth, number - 3))
            levels.append(Level(width_px=size, height_px=size, mpp=BASE_MPP * 2**number, tile=tile))
            if size <= FIELD_PX:
                break
        return levels

    def thumbnail(self) -> Level:
        """The whole slide in at most 512 px."""
        picture, number = self._eighth(), 3
        while max(picture.shape) > 512:
            picture, number = _halved(picture, 1), number + 1
        return _single(picture, BASE_MPP * 2**number)

    def _eighth(self) -> Pixels:
        small = [_halved(field, 3) for field in self.fields]
        size = -(-self.size_px // 8)
        return np.vstack([np.hstack([small[i] for i in row]) for row in self.places])[:size, :size]

    def _shared_tiles(self, number: int) -> Callable[[int, int], bytes]:
        fields = [_halved(field, number) for field in self.fields]
        across = FIELD_PX // 2**number // TILE_PX

        @cache
        def compressed(which: int, row: int, column: int) -> bytes:
            top, left = row * TILE_PX, column * TILE_PX
            return _jpeg(fields[which][top : top + TILE_PX, left : left + TILE_PX])

        def tile(row: int, column: int) -> bytes:
            which = int(self.places[row // across, column // across])
            return compressed(which, row % across, column % across)

        return tile


def _field(finding: str, seed: int, style: str, fault: str) -> Pixels:
    look = STYLES[style]
    if fault == "empty":
        return draw_empty(FIELD_PX, FIELD_PX, mpp=BASE_MPP, seed=seed, style=look).pixels
    blur = DEFOCUS_UM if fault == "blurred" else None
    return draw(
        FIELD_PX, FIELD_PX, mpp=BASE_MPP, finding=finding, seed=seed, style=look, lesions=5, defocus_um=blur
    ).pixels


def _halved(picture: Pixels, times: int) -> Pixels:
    """Mean of each 2 x 2 px, `times` times over; an odd last row or column is repeated first."""
    for _ in range(times):
        even = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
        sums = even.astype(np.uint16)
        sums = sums[0::2] + sums[1::2]
        picture = ((sums[:, 0::2] + sums[:, 1::2] + 2) // 4).astype(np.uint8)
    return picture


def _tiles_of(picture: Pixels) -> Callable[[int, int], bytes]:
    def tile(row: int, column: int) -> bytes:
        top, left = row * TILE_PX, column * TILE_PX
        part = picture[top : top + TILE_PX, left : left + TILE_PX]
        margins = ((0, TILE_PX - part.shape[0]), (0, TILE_PX - part.shape[1]), (0, 0))
        return _jpeg(np.pad(part, margins, constant_values=246))

    return tile


def _single(picture: Pixels, mpp: float) -> Level:
    """A level of one frame of its own size."""
    height, width = picture.shape[:2]
    frame = _jpeg(picture)
    return Level(width_px=width, height_px=height, mpp=mpp, tile=lambda row, column: frame, whole=True)


def _label(patient: SyntheticPatient) -> Level:
    picture = Image.new("RGB", (400, 300), "white")
    lines = (patient.name, patient.patient_id, patient.birth_date, patient.accession, NOTICE)
    ImageDraw.Draw(picture).multiline_text((20, 40), "\n\n".join(lines), fill="black")
    return _single(np.asarray(picture), 50.0)


def _jpeg(pixels: Pixels) -> bytes:
    """Baseline JPEG, padded to an even length by pydicom's rule (PS3.5 A.4)."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=85, subsampling="4:2:2")
    return stream.getvalue() + bytes(stream.tell() % 2)


# --- files


def _write(path: Path, made: Dataset, level: Level) -> Path:
    """Header, then frames straight to the file, found through an extended offset table (PS3.3 C.7.6.3.1.8)."""
    rows, columns = level.grid
    where = [(row, column) for row in range(rows) for column in range(columns)]
    lengths = np.array([len(level.tile(*place)) for place in where], "<u8")
    made.ExtendedOffsetTable = (np.cumsum(lengths + 8) - lengths - 8).astype("<u8").tobytes()
    made.ExtendedOffsetTableLengths = lengths.tobytes()
    made.save_as(path, enforce_file_format=True)
    with path.open("ab") as stream:
        _append_frames(stream, (level.tile(*place) for place in where))
    return path


def _append_frames(stream: BinaryIO, frames: Iterable[bytes]) -> None:
    """Pixel Data of undefined length with an empty basic offset table (PS3.5 Table A.4-1)."""
    stream.write(pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
    stream.write(pack("<HHI", 0xFFFE, 0xE000, 0))
    for frame in frames:
        stream.write(pack("<HHI", 0xFFFE, 0xE000, len(frame)))
        stream.write(frame)
    stream.write(pack("<HHI", 0xFFFE, 0xE0DD, 0))
