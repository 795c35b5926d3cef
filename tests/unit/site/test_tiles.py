"""Tiles for the viewer from slides as scanners make them: sparse, JPEG 2000, without compression, and broken ones."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from aegle.demo.studies import write_slide
from aegle.errors import NotFound, Unreadable
from aegle.local.archive import FileArchive
from aegle.records import StoredInstance
from aegle.site.pictures import Pictures

TILE = 256


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[Pictures]:
    archive = FileArchive(tmp_path / "archive")
    made = Pictures(archive=archive)
    yield made
    made.close()
    archive.close()


def checkered(number: int) -> NDArray[np.uint8]:
    """A tile that looks like no other."""
    rng = np.random.default_rng(number)
    return np.kron(rng.integers(0, 255, (8, 8, 3)), np.ones((32, 32, 1))).astype(np.uint8)


def slide(tmp_path: Path, *, native: bool, sparse: bool) -> tuple[Path, list[NDArray[np.uint8]]]:
    """A level of two by two tiles; a sparse one lacks the upper right and has its tiles in another order."""
    template = pydicom.dcmread(write_slide(tmp_path / "drawn", seed=1, finding="NILM", size_px=1024)[0])
    tiles = [checkered(number) for number in range(3 if sparse else 4)]
    template.TotalPixelMatrixColumns = template.TotalPixelMatrixRows = 2 * TILE
    template.Rows = template.Columns = TILE
    template.NumberOfFrames = len(tiles)
    for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        delattr(template, name)
    if sparse:
        template.DimensionOrganizationType = "TILED_SPARSE"
        template.PerFrameFunctionalGroupsSequence = [placed(*at) for at in ((TILE, TILE), (0, 0), (0, TILE))]
    template.PhotometricInterpretation = "RGB" if native else "YBR_RCT"
    if native:
        template.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        template.PixelData = b"".join(tile.tobytes() for tile in tiles)
        template["PixelData"].is_undefined_length = False
    else:
        template.file_meta.TransferSyntaxUID = JPEG2000Lossless
        template.PixelData = encapsulate([jpeg2000(tile) for tile in tiles])
    path = tmp_path / "slide.dcm"
    template.save_as(path, enforce_file_format=True)
    return path, tiles


def placed(column: int, row: int) -> Dataset:
    """Where a frame lies, 1-based (PS3.3 C.8.12.6.1)."""
    position, group = Dataset(), Dataset()
    position.ColumnPositionInTotalImagePixelMatrix, position.RowPositionInTotalImagePixelMatrix = column + 1, row + 1
    group.PlanePositionSlideSequence = [position]
    return group


def jpeg2000(tile: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(tile).save(stream, "JPEG2000", irreversible=False, mct=1, no_jp2=True)
    return stream.getvalue()


def shown(pictures: Pictures, stored: StoredInstance, column: int, row: int) -> NDArray[np.uint8]:
    content, kind = pictures.tile(stored.study_uid, stored.sop_uid, column, row)
    assert kind == "image/png"
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("native", [True, False], ids=["native", "JPEG 2000"])
def test_a_full_slides_tiles_are_shown_as_they_were_stored(tmp_path: Path, pictures: Pictures, native: bool) -> None:
    path, tiles = slide(tmp_path, native=native, sparse=False)
    stored = pictures.archive.put(path)
    for number, tile in enumerate(tiles):
        assert np.array_equal(shown(pictures, stored, number % 2, number // 2), tile)


def test_a_sparse_slide_shows_each_tile_at_its_place_and_nothing_where_there_is_none(
    tmp_path: Path, pictures: Pictures
) -> None:
    path, (lower_right, upper_left, lower_left) = slide(tmp_path, native=False, sparse=True)
    stored = pictures.archive.put(path)
    assert np.array_equal(shown(pictures, stored, 1, 1), lower_right)
    assert np.array_equal(shown(pictures, stored, 0, 0), upper_left)
    assert np.array_equal(shown(pictures, stored, 0, 1), lower_left)
    with pytest.raises(NotFound):
        pictures.tile(stored.study_uid, stored.sop_uid, 1, 0)
    whole = pictures.picture(stored.study_uid, stored.sop_uid)
    assert (whole[:TILE, TILE:] == 255).all()
    assert np.array_equal(whole[TILE:, TILE:], lower_right)


def test_a_codestream_that_does_not_decode_is_refused_and_the_next_tile_is_shown(
    tmp_path: Path, pictures: Pictures
) -> None:
    path, tiles = slide(tmp_path, native=False, sparse=False)
    content = path.read_bytes()
    second = content.index(jpeg2000(tiles[1]))
    path.write_bytes(content[:second] + bytes(64) + content[second + 64 :])
    stored = pictures.archive.put(path)
    with pytest.raises(Unreadable):
        pictures.tile(stored.study_uid, stored.sop_uid, 1, 0)
    assert np.array_equal(shown(pictures, stored, 0, 1), tiles[2])


def test_the_viewer_learns_the_size_of_a_pixel(tmp_path: Path, pictures: Pictures) -> None:
    files = write_slide(tmp_path / "drawn", seed=1, finding="NILM", size_px=2048)
    stored = [pictures.archive.put(path) for path in files[:2]]
    levels = pictures.slide(stored[0].study_uid, "")["levels"]
    assert [round(level["um"], 3) for level in levels] == [0.5, 1.0]
