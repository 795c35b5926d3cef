"""Blocks are composed, tiled and put together again without a seam."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegle.inference.blocks import Block, compose, evidence_grid, resample, tile_places, tiles_at
from aegle.inference.pixels import PixelFormat
from aegle.inference.regions import areas

FORM = PixelFormat(transfer_syntax="x", rows=4, columns=4, samples=3, photometric="RGB", bits=8)


def block(height_px: int, width_px: int, places: tuple[tuple[int, int], ...]) -> Block:
    return Block(height_px=height_px, width_px=width_px, places=places, stored=FORM, scale=1, tile_px=128, stride_px=16)


def test_frames_are_laid_in_place_and_cut_at_the_edge() -> None:
    frames = [np.full((4, 4, 3), value, np.uint8) for value in (1, 2)]
    picture = compose(frames, block(4, 6, ((0, 0), (0, 4))))
    assert picture[0, :, 0].tolist() == [1, 1, 1, 1, 2, 2]


def test_a_missing_frame_is_glass() -> None:
    assert compose([], block(2, 2, ())).tolist() == np.full((2, 2, 3), 246).tolist()


def test_halving_averages_four_pixels() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2, :2] = [[[10] * 3, [20] * 3], [[30] * 3, [40] * 3]]
    assert resample(picture, 0.5, 1)[0, 0, 0] == 25


def test_a_small_picture_is_padded_to_one_tile() -> None:
    assert resample(np.zeros((40, 300, 3), np.uint8), 1.0, 128).shape == (128, 300, 3)


@given(st.integers(128, 700), st.integers(128, 700))
def test_tiles_cover_all_but_less_than_a_stride(height_px: int, width_px: int) -> None:
    places = tile_places(height_px, width_px, 128, 16)
    seen = np.zeros((height_px, width_px), bool)
    for row, column in places:
        assert row % 16 == column % 16 == 0
        assert row + 128 <= height_px
        assert column + 128 <= width_px
        seen[row : row + 128, column : column + 128] = True
    assert seen[: height_px // 16 * 16, : width_px // 16 * 16].all()


def test_evidence_lands_where_its_tile_lay() -> None:
    places = tile_places(128, 256, 128, 16)
    cells = np.zeros((2, 1, 8, 8), np.float32)
    cells[1, 0, 2, 3] = 0.7
    grid = evidence_grid(cells, places, 128, 256, 16)
    assert grid.shape == (1, 8, 16)
    assert grid[0, 2, 11] == pytest.approx(0.7)


def test_tiles_are_cut_in_the_order_of_their_places() -> None:
    picture = np.arange(128 * 256 * 3, dtype=np.uint32).reshape(128, 256, 3).astype(np.uint8)
    tiles = tiles_at(picture, [(0, 128), (0, 0)], 128)
    assert np.array_equal(tiles[0], picture[:, 128:])


def test_areas_are_found_strongest_first_with_their_class() -> None:
    grid = np.zeros((2, 10, 10), np.float32)
    grid[0, 1, 1] = grid[0, 2, 2] = 0.6
    grid[1, 7, 5:8] = 0.9
    first, second = areas(grid, 0.5, 50)
    assert (first.channel, round(first.peak, 3), second.channel) == (1, 0.9, 0)
    assert set(first.outline) == {(5.0, 7.0), (8.0, 7.0), (8.0, 8.0), (5.0, 8.0)}
    assert len(second.outline) == 6


def test_no_more_areas_are_given_than_asked_for() -> None:
    grid = np.zeros((1, 40, 40), np.float32)
    grid[0, ::2, ::2] = 0.8
    assert len(areas(grid, 0.5, 50)) == 50
